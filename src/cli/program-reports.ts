import type { Command } from "commander";
import type { Command as Work } from "./command.ts";
import { instant } from "./instant-option.ts";
import { billedCommand, reconcileCommand } from "./reports.ts";

type Reconciling = {
  readonly endpoint?: readonly string[];
  readonly from?: Date;
  readonly to?: Date;
  readonly keep: boolean;
};

const EVER = new Date("9999-12-31T00:00:00Z");

/** Adds what others say of the ledger and read of it to its command. */
export function addReports(ledger: Command, choose: (work: Work) => void): void {
  ledger
    .command("reconcile")
    .description("lay a provider's bill or usage report beside the ledger, and name every difference")
    .argument("<files...>", "exports of OpenAI or Anthropic in JSON, lines of JSON, or CSV with a header")
    .option("--endpoint <names...>", "whose calls (default: those whose models the bill names)")
    .option("--from <time>", "the bill is for what was used from then on, as ISO 8601", instant)
    .option("--to <time>", "and before then", instant)
    .option("--keep", "keep the provider's lines beside the calls that they name", false)
    .action((files: readonly string[], { endpoint, from, to, keep }: Reconciling) =>
      choose(
        reconcileCommand(files, {
          keep,
          ...(endpoint !== undefined && { endpoints: endpoint }),
          ...((from ?? to) && { covers: { from: from ?? new Date(0), to: to ?? EVER } }),
        }),
      ),
    );
  ledger
    .command("billed")
    .description("tell what providers said of a call, from the bills that were kept")
    .argument("<call>", "its id, as `ledger entries --json` has it")
    .action((call: string) => choose(billedCommand(call)));
}
