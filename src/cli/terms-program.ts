import type { Command } from "commander";
import type { Command as Work } from "./command.ts";
import { mayServeCommand, owedCommand, showAgreementCommand, type WhenOptions } from "./terms.ts";

type Channel = { readonly cloud: string; readonly api: string; readonly region: string };

/** Adds `terms show`, `terms owed` and `terms may-serve`. */
export function addTerms(program: Command, choose: (work: Work) => void): void {
  const terms = program
    .command("terms")
    .description("what partners agreed: who owes whom, who may serve what");
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
