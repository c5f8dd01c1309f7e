/** Room `kernel`: the words everything else is written in. No I/O, no dependency. */
export type { Brand } from "./brand.ts";
export { type Clock, systemClock } from "./clock.ts";
export {
  type ErrorFields,
  FactotumError,
  InputError,
  InvariantError,
  messageOf,
  must,
  type Retry,
} from "./errors.ts";
export {
  type CallId,
  type ChangeSetId,
  defaultTenant,
  type EffectId,
  isDecimalId,
  type ModelId,
  type QuestionId,
  type RunId,
  type TenantId,
} from "./ids.ts";
export { canonicalJson, type Json, jsonbText, type JsonObject, storableText, toJson } from "./json.ts";
export { formatUsd, type MicroUsd, microUsd, type Tokens, tokens } from "./money.ts";
export type { Usage, UsageBeside } from "./usage.ts";
