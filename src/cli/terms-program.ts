import type { Command } from "commander";
import type { Command as Work } from "./command.ts";
import {
  invoiceCommand,
  mayServeCommand,
  owedCommand,
  showAgreementCommand,
  termEventCommand,
  type WhenOptions,
} from "./terms.ts";
import { wholeNumber } from "./whole-number.ts";

const LINES_MAX = 1_000_000;

type Channel = { readonly cloud: string; readonly api: string; readonly region: string };

/** Adds what is asked of agreements and of invoices. */
export function addTerms(program: Command, choose: (work: Work) => void): void {
  const terms = program
    .command("terms")
    .description("what partners agreed and customers pay: who owes whom, and who may serve what");
  known(terms.command("show"))
    .description("show an agreement: its clauses, declared events, closed periods")
    .argument("<agreement>", "its name")
    .option("--at <instant>", "as it reads then (default: now)")
    .action((agreement: string, when: WhenOptions) => choose(showAgreementCommand(agreement, when)));
  known(terms.command("owed"))
    .description("say who owes whom for a period, line by line")
    .argument("<agreement>", "its name")
    .argument("<period>", "such as 2026-03, 2026-Q1 or 2026")
    .action((agreement: string, period: string, when: WhenOptions) =>
      choose(owedCommand(agreement, period, when)),
    );
  terms
    .command("event")
    .description("a fact that a line of a settlement names, as it was told")
    .argument("<id>", "its id")
    .action((id: string) => choose(termEventCommand(id)));
  known(terms.command("invoice"))
    .description("what a subscription pays for a period, line by line, and what each line comes from")
    .argument("<subscription>", "its name")
    .argument("<period>", "such as 2026-03, 2026-Q1 or 2026")
    .option(
      "--line <number>",
      "the facts of this line, and the usage events that they tell of",
      wholeNumber(1, LINES_MAX),
    )
    .action((subscription: string, period: string, options: WhenOptions & { readonly line?: number }) =>
      choose(invoiceCommand(subscription, period, options)),
    );
  known(terms.command("may-serve"))
    .description("say whether a model may be served on a channel; 1 where a clause forbids it")
    .argument("<model>", "its name")
    .requiredOption("--cloud <name>", "whose machines answer, such as azure")
    .requiredOption("--api <kind>", "the kind of access, such as stateless-api or app")
    .requiredOption("--region <name>", "where")
    .option("--at <instant>", "then (default: now)")
    .action((model: string, { cloud, api, region, ...when }: WhenOptions & Channel) =>
      choose(mayServeCommand(model, { cloud, api, region }, when)),
    );
}

function known(command: Command): Command {
  return command.option("--known-at <instant>", "as it was known then");
}
