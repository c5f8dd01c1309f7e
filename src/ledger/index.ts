/** Room `ledger`: what every token cost, and what it earned. */
export {
  type AccountBalance,
  type AccountFilter,
  listAccounts,
  listPostings,
  type Posting,
  type PostingPage,
  type TrialBalance,
  trialBalance,
  writtenAmount,
} from "./accounts.ts";
export { type BookedFor, bookCall, bookValue, type CallBooking, type EntryId, reverseLoss } from "./book.ts";
export { type LooseBook, type LooseBooking, makeLooseBook } from "./book-loose.ts";
export {
  auditBudgets,
  type BeyondSoft,
  type Budget,
  type BudgetId,
  budgetOf,
  type BudgetPeriod,
  type BudgetTerms,
  type Imbalance,
  leftOf,
  listBudgets,
  putBudget,
} from "./budgets.ts";
export { applyDeclared, type DeclaredBudget, type DeclaredBudgets, parseUsd } from "./declared.ts";
export { forecastBudgets, type Forecast } from "./forecast.ts";
export { plainlyServed, ratesOfCall, type Served, type Worst, worstOfCall } from "./beside.ts";
export { type CatalogueKey, catalogueRates, catalogueVersion } from "./catalogue.ts";
export {
  costOf,
  millijoulesOf,
  price,
  type Priced,
  type Pricing,
  type RatesFound,
  ratesOf,
  worstCostOf,
} from "./price.ts";
export {
  budgetsOfCall,
  degradedAmong,
  listModelBudgets,
  modelBudgetNames,
  modelBudgetOf,
  MODELS_BUDGET,
} from "./model-budgets.ts";
export { openPurse, type Purse, type Taken, type Taking } from "./purse.ts";
export {
  type KeptPrice,
  listPrices,
  type NewPrice,
  openPriceBook,
  type PriceBook,
  PRICES_CHANNEL,
  statePrice,
} from "./prices.ts";
export { type OtherPrices, reprice, type RepricedModel } from "./reprice.ts";
export {
  type BesideRates,
  type Energy,
  type KindRates,
  otherService,
  type PicoUsd,
  type Rate,
  rateAt,
  type Rates,
  ratesFromJson,
  ratesToJson,
  type Service,
  serviceOf,
} from "./rates.ts";
export {
  entriesOf,
  type Entry,
  type EntryFilter,
  listEntries,
  type ModelSums,
  statementOf,
  type Statement,
  type Sums,
  totals,
} from "./statement.ts";
export {
  type Admission,
  type HoldId,
  type HoldRequest,
  openTeller,
  settleLater,
  type Teller,
  type TellerOptions,
} from "./teller.ts";
export {
  countedUsage,
  findUsage,
  type FoundUsage,
  recordUsage,
  USAGE_BATCH_MAX,
  usageByHour,
  usageDisputes,
  type UsageEvent,
  type UsageFilter,
  type UsageHour,
  type UsageRecorded,
} from "./usage-events.ts";
export { auditBalances, type Balance, type BalanceOff, balancesNow, closeBalances } from "./balances.ts";
export { convert, type Converted, type FxRate, putFxRate } from "./fx.ts";
export { putUnit, reverseTransfer, transfer, type Transfer, type TransferId, type Unit } from "./journal.ts";
export type { EnergyPrice, OwnPrice, PlainPrice, PriceVersion, StatedUsd } from "./own-price.ts";
