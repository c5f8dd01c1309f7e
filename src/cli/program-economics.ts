import { type Command, InvalidArgumentError, Option } from "commander";
import { type CohortKey, cohortKeys } from "../server/index.ts";
import type { Command as Work } from "./command.ts";
import { cohortsCommand, leverageCommand, repriceCommand, whatIfCommand } from "./economics.ts";
import { type Filter, filtered, filterOf } from "./ledger-filter.ts";

type Timing = Filter & { readonly minutesPerAnswer: string; readonly before: string };
type Asking = Filter & {
  readonly fixed: string;
  readonly perUnit: string;
  readonly capacity?: string;
  readonly elasticity?: string;
  readonly againstFixed?: string;
  readonly againstPerUnit?: string;
  readonly atPrice: string;
  readonly atUsage: string;
  readonly prices?: string;
  readonly as?: "live" | "batch";
};

/** Adds unit economics to the ledger's command. */
export function addEconomics(ledger: Command, choose: (work: Work) => void): void {
  filtered(ledger.command("leverage").description("outcomes per person-hour, with agents and before"))
    .requiredOption("--minutes-per-answer <minutes>", "how long a person takes to answer a question")
    .requiredOption("--before <outcomes>", "how many outcomes a person came to in an hour before")
    .action(({ minutesPerAnswer, before, ...filter }: Timing) =>
      choose(leverageCommand({ minutesPerAnswer, outcomesPerHourBefore: before }, filterOf(filter))),
    );
  filtered(
    ledger.command("cohorts").description("customers or agents, from the month they were first booked"),
  )
    .addOption(new Option("--by <key>", "whom").choices(cohortKeys).default("tenant"))
    .action(({ by, ...filter }: Filter & { by: CohortKey }) => choose(cohortsCommand(by, filterOf(filter))));
  filtered(
    ledger.command("what-if").description("what other prices would come to, of an outcome or of models"),
  )
    .argument("[prices...]", "in US dollars, such as 0.01")
    .option("--prices <file>", "instead: what calls would have cost at a file's prices by model")
    .addOption(
      new Option("--as <service>", "instead: what calls would have cost served so").choices([
        "live",
        "batch",
      ]),
    )
    .option("--fixed <usd>", "what it costs to have it", "0")
    .option("--per-unit <usd>", "what each outcome costs on top", "0")
    .option("--against-fixed <usd>", "another way to serve as much, such as an index: to have it")
    .option("--against-per-unit <usd>", "and what each outcome costs on top there")
    .option("--capacity <units>", "what can be served at most")
    .option("--elasticity <number>", "per cent more used for each per cent cheaper (default: own months)")
    .option("--at-price <usd>", "with --elasticity: today's price", "1")
    .option("--at-usage <units>", "with --elasticity: today's usage", "1")
    .action((prices: readonly string[], options: Asking) => choose(whatIf(prices, options)));
}

function whatIf(prices: readonly string[], options: Asking): Work {
  const { fixed, perUnit, capacity, elasticity, atPrice, atUsage, prices: file, as, ...rest } = options;
  const { againstFixed, againstPerUnit, ...filter } = rest;
  const anew = { ...(file !== undefined && { file }), ...(as !== undefined && { service: as }) };
  const isRepricing = file !== undefined || as !== undefined;
  if (isRepricing && prices.length === 0) return repriceCommand(anew, filterOf(filter));
  if (isRepricing || prices.length === 0) {
    throw new InvalidArgumentError(
      "Give prices of an outcome, or --prices with a file of prices by model, or --as live or batch.",
    );
  }
  const at = { price: atPrice, usage: atUsage };
  const question = {
    ...{ prices, costs: { fixed, perUnit } },
    ...(capacity !== undefined && { capacity }),
    ...((againstFixed !== undefined || againstPerUnit !== undefined) && {
      against: { fixed: againstFixed ?? "0", perUnit: againstPerUnit ?? "0" },
    }),
    ...(elasticity !== undefined && { demand: { kind: "constant" as const, at, elasticity } }),
  };
  return whatIfCommand(question, filterOf(filter));
}
