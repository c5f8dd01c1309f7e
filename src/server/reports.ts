import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { InputError, messageOf } from "../kernel/index.ts";
import type { Database } from "../postgres/index.ts";
import { type ExportFormat, type Exported, type ExportKind, exportLedger } from "./export-costs.ts";
import type { LedgerFilter } from "./ledger-door.ts";
import {
  type Bill,
  type BillSpan,
  keepBill,
  type KeptLine,
  keptLines,
  readBill,
  reconcile,
  type Reconciliation,
} from "../reports/index.ts";

/** A file of a bill: its name and its text. */
export type BillFile = { readonly name: string; readonly text: string };

/** How bills are laid beside the ledger. */
export type ReconcileOptions = {
  /** Whose calls: the first part of a model's id. By default, those whose models the bills name. */
  readonly endpoints?: readonly string[];
  /** The time that the bills are for. */
  readonly covers?: BillSpan;
  /** Keeps the lines beside the calls that they name. */
  readonly keep?: boolean;
};

/** A bill laid beside the ledger, and how many of its lines were kept. */
export type Reconciled = Reconciliation & { readonly kept: number };

/** What is read of the ledger by others, and laid beside it. */
export type ReportsDoor = {
  /** Names every difference between bills of one provider and what is booked. */
  reconcile(files: readonly BillFile[], options?: ReconcileOptions): Promise<Reconciled>;
  /** What providers said of a call, from the bills that were kept. */
  billed(callId: string): Promise<readonly KeptLine[]>;
  /** A file for other tools: costs in the columns of FOCUS 1.4, or entries as they were booked. */
  export(kind: ExportKind, format: ExportFormat, filter?: LedgerFilter): Promise<Exported>;
};

/** Makes the door. @param account what exports call the account that is billed: the project */
export function makeReportsDoor(db: Database, account: string): ReportsDoor {
  return {
    reconcile: (files, { keep = false, ...options } = {}) =>
      db.transaction(async (tx) => {
        const bills = files.map(({ name, text }) => readBill(name, text));
        const found = await reconcile(tx, bills, options);
        const calls = new Map(found.named.map(({ id, callId }) => [id, callId]));
        let kept = 0;
        const keepOne = async (bill: Bill): Promise<void> => {
          kept += await keepBill(tx, bill, (id) => calls.get(id) ?? null);
        };
        if (keep) for (const bill of bills) await keepOne(bill);
        return { ...found, kept };
      }),
    billed: (callId) => keptLines(db, callId),
    export: (kind, format, filter = {}) => exportLedger(db, account, { kind, format, filter }),
  };
}

/** Reads a file of a bill. @throws {InputError} `bill-unreadable` */
export async function readBillFile(path: string): Promise<BillFile> {
  try {
    return { name: basename(path), text: await readFile(path, "utf8") };
  } catch (error) {
    throw new InputError({ code: "bill-unreadable", message: `${path}: ${messageOf(error)}`, cause: error });
  }
}
