/** Room `reports`: what others say of the ledger and read of it: bills laid beside it, costs exported. */
export {
  type Bill,
  type BillFormat,
  type BillLine,
  type BillSpan,
  type TokenKind,
  tokenKinds,
} from "./bill.ts";
export { type BookedCall, pricedCall } from "./booked-calls.ts";
export type { Difference, DifferenceKind } from "./explain.ts";
export { keepBill, type KeptLine, keptLines } from "./keep-bill.ts";
export { type Usd, usd, usdText } from "./money.ts";
export { readBill } from "./read-bill.ts";
export { compare, explainedBy, reconcile, type Reconciliation } from "./reconcile.ts";
export { joined, type Spans } from "./spans.ts";
export { entryColumns, entryRow } from "./entry-table.ts";
export { checkFocus, type FocusRow, type FocusViolation } from "./focus-check.ts";
export { type FocusColumn, focusColumns, type FocusCondition, ledgerConditions } from "./focus-columns.ts";
export { exportedColumns, focusRows, type FocusScope } from "./focus-export.ts";
export { csvOf, parquetOf, type TableColumn, type TableRow } from "./table-files.ts";
export { type CohortKey, cohortKeys, type CohortMonth, cohorts } from "./cohorts.ts";
export { type Leverage, leverage, type PersonTime } from "./leverage.ts";
export { ownDemand } from "./own-demand.ts";
