/** Room `models`: model cards, what a call and a reply are, and the one way to ask a provider. */
export { type CardConfig, type ModelsConfig, parseModelsConfig, parsePrices } from "./config.ts";
export { datedPricesOf, type Discovery, discoverModels, OUTPUT_TOKENS_MAX_DEFAULT } from "./discover.ts";
export type { Env } from "./endpoints.ts";
export { type Keys, makeModels, type Models, type ModelsOptions, type TryOptions } from "./make-models.ts";
export { type Billed, ModelError, type ModelErrorCode, type ModelErrorFields } from "./model-error.ts";
export { replyFromJson, replyToJson, usageFromJson, usageToJson } from "./reply-json.ts";
export {
  type Ability,
  assistantMessage,
  type Echo,
  type Finish,
  type Message,
  type MessageToolCall,
  type ModelCall,
  type ModelCard,
  type ModelReply,
  type PlainPrice,
  type ProviderKind,
  type Reasoning,
  type StatedPrice,
  type ToolCall,
  type ToolSpec,
} from "./spec.ts";
export {
  addUsage,
  noUsage,
  type ReportedTotals,
  type Usage,
  type UsageBeside,
  usageFromTotals,
} from "./usage.ts";
export { plainTiers } from "./usage-beside.ts";
export { type UsageSeen, usageSeen } from "./usage-seen.ts";
export {
  defaultTimeouts,
  FIRST_BYTE_MS_MAX,
  type Phase,
  processTimers,
  REPLY_BYTES_MAX,
  SILENCE_MS_MAX,
  type Timeouts,
  type Timers,
  TOTAL_MS_MAX,
} from "./watch.ts";
