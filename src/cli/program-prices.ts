import type { Command } from "commander";
import type { Command as Work } from "./command.ts";
import { instant } from "./instant-option.ts";
import {
  clearPriceCommand,
  importPricesCommand,
  priceHistoryCommand,
  pricesCommand,
  setPriceCommand,
  type Stating,
} from "./prices.ts";

type SetOptions = Stating & {
  readonly input: string;
  readonly output: string;
  readonly cachedInput?: string;
  readonly cacheWrite?: string;
  readonly reasoning?: string;
  readonly request?: string;
  readonly batchInput?: string;
  readonly batchOutput?: string;
};

/** Adds `prices`: what models cost here, and a company's own prices at run time. */
export function addPrices(program: Command, choose: (work: Work) => void): void {
  const prices = program
    .command("prices")
    .description("what models cost here; a price that is stated is at work in every process at once");
  prices
    .command("list", { isDefault: true })
    .description("what every configured model costs now, in US dollars per million tokens")
    .action(() => choose(pricesCommand()));
  prices
    .command("history")
    .description("all prices that were ever stated at run time, and by whom")
    .argument("[model]", "only of this model, such as openai/gpt-5")
    .action((model: string | undefined) => choose(priceHistoryCommand(model)));
  stating(prices.command("set"))
    .description("state a price of a model, before the configuration's and the catalogue's")
    .argument("<model>", "as the configuration names it, such as openai/gpt-5")
    .requiredOption("--input <usd>", "a million tokens of input")
    .requiredOption("--output <usd>", "a million tokens of output")
    .option("--cached-input <usd>", "a million tokens read from a cache (default: as input)")
    .option("--cache-write <usd>", "a million tokens written to a cache (default: as input)")
    .option("--reasoning <usd>", "a million tokens of reasoning (default: as output)")
    .option("--request <usd>", "each request, beside its tokens")
    .option("--batch-input <usd>", "a million tokens of input at the provider's batch service")
    .option("--batch-output <usd>", "a million tokens of output there")
    .action((model: string, options: SetOptions) =>
      choose(setPriceCommand(model, priceOf(options), options)),
    );
  stating(prices.command("import"))
    .description("state the prices of a file: JSON, by model, with tiers, batches and own engines")
    .argument("<file>", 'the file; "-" reads stdin')
    .action((file: string, options: Stating) => choose(importPricesCommand(file, options)));
  stating(prices.command("clear"))
    .description("take back what was stated: the configuration and the catalogue say it again")
    .argument("<model>", "such as openai/gpt-5")
    .action((model: string, options: Stating) => choose(clearPriceCommand(model, options)));
}

function stating(command: Command): Command {
  return command
    .option("--from <time>", "when it begins, by the business clock (default: now)", instant)
    .option("--because <text>", "kept with it", "stated by command");
}

function priceOf(options: SetOptions): object {
  const { batchInput, batchOutput } = options;
  return {
    ...{ inputUsdPerMtok: options.input, outputUsdPerMtok: options.output },
    ...(options.cachedInput !== undefined && { cachedInputUsdPerMtok: options.cachedInput }),
    ...(options.cacheWrite !== undefined && { cacheWriteUsdPerMtok: options.cacheWrite }),
    ...(options.reasoning !== undefined && { reasoningUsdPerMtok: options.reasoning }),
    ...(options.request !== undefined && { requestUsd: options.request }),
    ...((batchInput !== undefined || batchOutput !== undefined) && {
      batch: { inputUsdPerMtok: batchInput, outputUsdPerMtok: batchOutput },
    }),
  };
}
