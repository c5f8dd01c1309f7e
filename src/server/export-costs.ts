import { InputError } from "../kernel/index.ts";
import { listEntries } from "../ledger/index.ts";
import type { Database } from "../postgres/index.ts";
import {
  checkFocus,
  csvOf,
  entryColumns,
  entryRow,
  exportedColumns,
  focusColumns,
  focusRows,
  type FocusViolation,
  ledgerConditions,
  parquetOf,
  type TableColumn,
  type TableRow,
} from "../reports/index.ts";
import type { LedgerFilter } from "./ledger-door.ts";

/** What is exported: costs in the columns of FOCUS 1.4, or entries as they were booked. */
export const exportKinds = ["focus", "entries"] as const;
/** One of them. */
export type ExportKind = (typeof exportKinds)[number];
/** The files that an export may be. */
export const exportFormats = ["csv", "parquet"] as const;
/** One of them. */
export type ExportFormat = (typeof exportFormats)[number];

/** A file of an export, and what of FOCUS it does not keep to: nothing, unless something is wrong in here. */
export type Exported = {
  readonly bytes: Uint8Array;
  readonly rows: number;
  readonly violations: readonly FocusViolation[];
};

/** The most rows of one file, which is made in memory. */
const ROWS_MAX = 1_000_000;

/** Makes a file of a part of the ledger, from one snapshot. @throws {InputError} `export-too-large` */
export async function exportLedger(
  db: Database,
  account: string,
  what: { readonly kind: ExportKind; readonly format: ExportFormat; readonly filter: LedgerFilter },
): Promise<Exported> {
  const { kind, format, filter } = what;
  const [columns, rows] = await db.transaction(
    async (tx): Promise<readonly [readonly TableColumn[], readonly TableRow[]]> => {
      if (kind === "focus") return [focusTable, await focusRows(tx, { ...filter, account })];
      const entries = await listEntries(tx, filter, { limit: ROWS_MAX + 1 });
      return [entryColumns, entries.map(entryRow)];
    },
    { readOnly: true },
  );
  if (rows.length > ROWS_MAX) {
    const message = `more than ${ROWS_MAX} rows: export a shorter time with --from and --to`;
    throw new InputError({ code: "export-too-large", message });
  }
  const violations = kind === "focus" ? checkFocus(exportedColumns, rows, ledgerConditions) : [];
  const bytes =
    format === "csv" ? Buffer.from(await csvOf(columns, rows), "utf8") : await parquetOf(columns, rows);
  return { bytes, rows: rows.length, violations };
}

const typeOf = new Map(focusColumns.map(({ name, type }) => [name, type]));
const focusTable: readonly TableColumn[] = exportedColumns.map((name) => ({
  ...{ name, type: typeOf.get(name) ?? (name === "x_Joules" ? "decimal" : "string") },
}));
