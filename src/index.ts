/**
 * The root of the package: what a project's `factotum.config.ts` is written with. Everything else has
 * a door of its own, such as `factotum/testing` or `factotum/postgres`.
 */
export { z } from "zod";
export {
  type Agent,
  agreement,
  type AgreementVerifier,
  type AskModelOptions,
  type ChildRun,
  type ChildWork,
  type CodeWork,
  defineAgent,
  type Evidence,
  type Follow,
  type FollowStep,
  generateTools,
  judge,
  type ModelVerifier,
  type Resolved,
  type RestingStep,
  type Rung,
  type RungEnd,
  type TableAccess,
  tickedByModel,
  type Tool,
  tool,
  type ToolContext,
  type Verifier,
  type Waking,
} from "./agents/index.ts";
export {
  type Diff,
  type Effect,
  emit,
  rely,
  type RelyingView,
  type RelyParameter,
  type RowDiff,
} from "./changes/index.ts";
export type { Lesson } from "./context/index.ts";
export type { Answer, Card, CardChange, Choice, Question } from "./inbox/index.ts";
export {
  FactotumError,
  formatUsd,
  InputError,
  type Json,
  type JsonObject,
  type MicroUsd,
  microUsd,
  type RunId,
  type TenantId,
  type Tokens,
} from "./kernel/index.ts";
export {
  type Channel,
  type Channels,
  type Delivery,
  DeliveryError,
  mail,
  type MailOptions,
  type RetryPlan,
  webhook,
  type WebhookOptions,
} from "./outbox/index.ts";
export {
  type Check,
  type CheckContext,
  type Finding,
  type Guard,
  type GuardContext,
  anyOf,
  calledAny,
  invariant,
  onlyEffects,
  onlyTables,
  person,
  softer,
  ticked,
  when,
  type Wish,
  sqlAssertion,
  type StagedView,
  type ToolCall,
  type Turn,
  type Verdict,
} from "./policy/index.ts";
export type { Transaction } from "./postgres/index.ts";
export {
  type BadItem,
  type Config,
  defineConfig,
  type Factotum,
  type Intake,
  loadConfig,
  openFactotum,
  serveHttp,
  type WorkItem,
} from "./server/index.ts";
