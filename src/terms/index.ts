/** Room `terms`: what parties agreed, as data: who owes whom, and who may serve what. */
export {
  type Agreement,
  type AgreementInput,
  agreementSchema,
  type AgreementVersion,
  type Clause,
  type ClauseKind,
} from "./agreement.ts";
export {
  type AgreementQuestion,
  type AgreementView,
  closePeriod,
  type KnownSettlement,
  mayServe,
  servingFacts,
  settlementOf,
  showAgreement,
  termEventOf,
} from "./ask.ts";
export type { Piece } from "./earned.ts";
export { TermsError } from "./errors.ts";
export { type KnownEvent, type TermEvent, type TermEventInput, termEventSchema } from "./event.ts";
export type { MoneyRule, RoundingMode } from "./exact.ts";
export { type NewVersion, recordAgreement, recordEvents } from "./record.ts";
export {
  type Channel,
  judgeServing,
  type Refusal,
  type ServeDecision,
  type ServeQuestion,
} from "./serving.ts";
export { type AgreementFacts, computeSettlement } from "./settle.ts";
export {
  type ClosedSettlement,
  type Line,
  type LineKind,
  type Owed,
  type Settlement,
  settlementText,
} from "./settlement.ts";
export { type Position, type Verification, verifications } from "./verified.ts";
export type { PeriodLength, Proration } from "./when.ts";
export {
  type ClosedInvoice,
  computeInvoice,
  type Invoice,
  invoiceText,
  type SubscriptionFacts,
} from "./invoice.ts";
export type { ChargeKind, InvoiceLine } from "./invoice-line.ts";
export type { Metered } from "./metering.ts";
export { type Plan, type PlanInput, type PlanItem, planSchema, type PlanVersion } from "./plan.ts";
export { type KnownSoldEvent, type SoldEvent, type SoldEventInput, soldEventSchema } from "./sold-event.ts";
export {
  type Allowance,
  allowanceLeft,
  closeInvoice,
  invoiceOf,
  recordPlan,
  recordSold,
  type SubscriptionQuestion,
} from "./selling.ts";
export { consumeUsage, traceLine, type TracedFact, type TracedLine, type UsageToBill } from "./traced.ts";
export {
  type BreakEven,
  breakEven,
  commitmentCoverage,
  type CostShape,
  costOfUnits,
  type CoverageYear,
  type Demand,
  type DemandPoint,
  elasticityBetween,
  type WhatIf,
  whatIf,
} from "./what-if.ts";
