/** Room `server`: the composition root. It alone reads configuration and wires the rooms together. */
export {
  type BadItem,
  type ClockConfig,
  type Config,
  defineConfig,
  type GatewayConfig,
  type Intake,
  type LimitsConfig,
  type LinksConfig,
  type WorkItem,
} from "./config.ts";
export type { Finding } from "./finding.ts";
export { type Factotum, openFactotum } from "./factotum.ts";
export {
  type GatewayDoor,
  type NewKey,
  parseKeyId,
  type ServeOptions,
  type ServingGateway,
} from "./gateway.ts";
export { loadConfig, type LoadedConfig } from "./load-config.ts";
export { concurrencyOf, workerName, type WorkOptions } from "./working.ts";
export type { RunLine, RunStory } from "./story.ts";
export { type HttpServer, serveHttp } from "./http.ts";
export { type Binding, checkBinding } from "./http-guard.ts";
export { listTools, type ToolLine } from "./list-tools.ts";
export { type McpOverStdio, serveMcp } from "./mcp-stdio.ts";
export { servedAgent } from "./served-agent.ts";
export type { BudgetLine, EntryPage, LedgerFilter, LedgerSummary } from "./ledger-door.ts";
export {
  accountJson,
  auditJson,
  budgetJson,
  entryJson,
  joulesText,
  ledgerJson,
  marginJson,
  postingJson,
  repricedJson,
} from "./ledger-wire.ts";
export {
  type BillFile,
  readBillFile,
  type Reconciled,
  type ReconcileOptions,
  type ReportsDoor,
} from "./reports.ts";
export {
  exportFormats,
  exportKinds,
  type Exported,
  type ExportFormat,
  type ExportKind,
} from "./export-costs.ts";
export { keptLineJson, reconciliationJson } from "./reports-wire.ts";
export { type KeptLine, usdText } from "../reports/index.ts";
export { type LinkClaim, type Links, makeLinks } from "./links.ts";
export type { SteeringDoor } from "./steering.ts";
export { comparisonJson, limitJson, scheduleJson, stepJson, workerJson } from "./run-wire.ts";
export type { EconomicsDoor, WhatIfQuestion } from "./economics.ts";
export { cohortJson } from "./reports-wire.ts";
export type { PriceLine, PriceList, PricesDoor } from "./prices.ts";
export { keptPriceJson, priceLineJson } from "./prices-wire.ts";
export { tracedLineJson } from "./terms-wire.ts";
export {
  type CohortKey,
  cohortKeys,
  type CohortMonth,
  type Leverage,
  type PersonTime,
} from "../reports/index.ts";
export type { WhatIf } from "../terms/index.ts";
export { version } from "./version.ts";
export { parseEffectId, parseEntryId, parseQuestionId, parseRunId } from "./parse-id.ts";
export { type Survey, surveyDatabase } from "./survey.ts";
export {
  blameJson,
  costPerResolved,
  effectJson,
  instructionJson,
  nudgeJson,
  questionJson,
  runJson,
  saidJson,
  storyJson,
  summaryJson,
} from "./wire.ts";
export type {
  Attempt,
  Cancelled,
  Compared,
  Comparison,
  Margin,
  MarginKey,
  Said,
  Summary,
} from "../agents/index.ts";
export { marginKeys } from "../agents/index.ts";
export {
  type AccountFilter,
  type BudgetTerms,
  type Entry,
  parseUsd,
  type PostingPage,
} from "../ledger/index.ts";
export type { Blame } from "../changes/index.ts";
export type { Answer, CardChange, Question } from "../inbox/index.ts";
export { type CommittedEffect, type EffectCount, type EffectState, effectStates } from "../outbox/index.ts";
export type { Gateway, Key, KeyTerms } from "../gateway/index.ts";
export {
  type Limit,
  limitKinds,
  type LimitLine,
  type ScheduleLine,
  type Step,
  type Worker,
  type WorkerLine,
} from "../runs/index.ts";
export type { AgreementView, Invoice, Settlement } from "../terms/index.ts";
export type { Surroundings } from "./surroundings.ts";
