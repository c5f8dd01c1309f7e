import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import {
  type ExportFormat,
  type ExportKind,
  type LedgerFilter,
  keptLineJson,
  readBillFile,
  type ReconcileOptions,
  reconciliationJson,
} from "../server/index.ts";
import { type Command, withFactotum } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { renderKeptLines, renderReconciliation } from "./render-reports.ts";

/** Lays bills beside the ledger; 1 where anything but rounding differs. */
export function reconcileCommand(paths: readonly string[], options: ReconcileOptions): Command {
  return (setting) =>
    withFactotum(setting, async ({ reports }) => {
      const files = await Promise.all(paths.map(readBillFile));
      const found = await reports.reconcile(files, options);
      const { terminal } = setting;
      if (terminal.json) terminal.result(reconciliationJson(found));
      else terminal.out(renderReconciliation(found, terminal));
      const agree = found.differences.every(({ kind }) => kind === "rounding");
      return agree ? exitCodes.ok : exitCodes.failed;
    });
}

/** Writes a part of the ledger to a file for other tools; 1 where it breaks a rule of FOCUS. */
export function exportCommand(
  file: string,
  { kind, format }: { readonly kind: ExportKind; readonly format: ExportFormat },
  filter: LedgerFilter,
): Command {
  return (setting) =>
    withFactotum(setting, async ({ reports }) => {
      const { bytes, rows, violations } = await reports.export(kind, format, filter);
      const { terminal } = setting;
      await writeFile(resolve(setting.directory, file), bytes);
      if (terminal.json) terminal.result({ file, rows, violations });
      else terminal.out(`${rows} rows in ${file}`);
      for (const { row, column, rule } of violations.slice(0, VIOLATIONS_SHOWN)) {
        terminal.note(`FOCUS 1.4, row ${row}: ${column} ${rule}`);
      }
      return violations.length === 0 ? exitCodes.ok : exitCodes.failed;
    });
}

const VIOLATIONS_SHOWN = 20;

/** Tells what providers said of a call. */
export function billedCommand(call: string): Command {
  return (setting) =>
    withFactotum(setting, async ({ reports }) => {
      const lines = await reports.billed(call);
      const { terminal } = setting;
      if (terminal.json) terminal.result({ call, lines: lines.map(keptLineJson) });
      else
        terminal.out(
          lines.length === 0 ? "no bill that was kept names it" : renderKeptLines(lines, terminal),
        );
      return exitCodes.ok;
    });
}
