/** Room `calls`: intend a model call, send it, settle it. The one path from a run to a provider. */
export {
  type Accounts,
  type LooseBook,
  type LostSlice,
  openAccounts,
  type Taken,
  type Taking,
} from "./accounts.ts";
export { admit } from "./admit.ts";
export { clampToBudget } from "./clamp.ts";
export { CallError } from "./call-error.ts";
export { type CallRecord, getCall, listCalls } from "./call-record.ts";
export { digestOf } from "./fingerprint.ts";
export type { Spoken } from "./gen-ai.ts";
export { type CallIntent, intend } from "./intend.ts";
export { type CallFailure, type CallOutcome, outcomeFromJson, outcomeToJson, type Try } from "./outcome.ts";
export { send, type SendOptions, type Sleep, TRIES_MAX, WAIT_MS_FIRST, WAIT_MS_MAX } from "./send.ts";
export { reconcile, settle, type Settlement } from "./settle.ts";
export { plainlyServed, type Served, type Tariff, tariffOf, type Worst } from "./tariff.ts";
export { openTelling, type Telling } from "./telling.ts";
export { BILLED_TRIES_MAX, type WorstCase, worstCaseOf } from "./worst-case.ts";
