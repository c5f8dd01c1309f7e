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
