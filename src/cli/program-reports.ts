import { type Command, InvalidArgumentError, Option } from "commander";
import { type ExportFormat, exportFormats, type ExportKind, exportKinds } from "../server/index.ts";
import type { Command as Work } from "./command.ts";
import { instant } from "./instant-option.ts";
import { type Filter, filtered, filterOf } from "./ledger-filter.ts";
import { billedCommand, exportCommand, reconcileCommand } from "./reports.ts";

type Reconciling = {
  readonly endpoint?: readonly string[];
  readonly from?: Date;
  readonly to?: Date;
  readonly keep: boolean;
};

const EVER = new Date("9999-12-31T00:00:00Z");

/** Adds what others say of the ledger and read of it to its command. */
export function addReports(ledger: Command, choose: (work: Work) => void): void {
  filtered(ledger.command("export").description("write costs, or entries, to a file for other tools"))
    .argument("<file>", "ends in .csv or .parquet")
    .addOption(
      new Option("--as <what>", "costs in the columns of FOCUS 1.4, or entries")
        .choices(exportKinds)
        .default("focus"),
    )
    .action((file: string, { as, ...filter }: Filter & { as: ExportKind }) =>
      choose(exportCommand(file, { kind: as, format: formatOf(file) }, filterOf(filter))),
    );
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

function formatOf(file: string): ExportFormat {
  const found = exportFormats.find((format) => file.toLowerCase().endsWith(`.${format}`));
  if (found !== undefined) return found;
  throw new InvalidArgumentError(
    `It must end in ${exportFormats.map((format) => `.${format}`).join(" or ")}.`,
  );
}
