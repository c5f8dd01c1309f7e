import type { Json, Retry } from "../kernel/index.ts";
import {
  type Billed,
  type ModelErrorCode,
  type ModelReply,
  replyFromJson,
  replyToJson,
  type Usage,
  usageFromJson,
  usageToJson,
} from "../models/index.ts";

/** One request that went out. */
export type Try = {
  /** From 1. */
  readonly number: number;
  /** Null when it was answered. */
  readonly code: ModelErrorCode | null;
  readonly message: string | null;
  readonly billed: Billed;
  readonly usage: Usage | null;
  readonly startedAt: Date;
  readonly endedAt: Date;
};

/** Why a call failed for good, as plain data. */
export type CallFailure = {
  readonly code: ModelErrorCode | "over-budget";
  readonly retry: Retry;
  readonly message: string;
  /** How long the provider asked to wait before the next call, when that was too long to wait for here. */
  readonly retryAfterMs: number | null;
};

/** What became of a call, with every try it took. */
export type CallOutcome =
  | { readonly kind: "answered"; readonly reply: ModelReply; readonly tries: readonly Try[] }
  | { readonly kind: "failed"; readonly error: CallFailure; readonly tries: readonly Try[] };

/** An outcome as plain data, for its row. */
export function outcomeToJson(outcome: CallOutcome): Json {
  const tries = outcome.tries.map((each) => ({
    ...each,
    usage: each.usage === null ? null : usageToJson(each.usage),
    startedAt: each.startedAt.toISOString(),
    endedAt: each.endedAt.toISOString(),
  }));
  return outcome.kind === "answered"
    ? { kind: "answered", reply: replyToJson(outcome.reply), tries }
    : { kind: "failed", error: outcome.error, tries };
}

/** An outcome from what `outcomeToJson` wrote. */
export function outcomeFromJson(json: Json): CallOutcome {
  const stored = json as unknown as StoredOutcome;
  const tries = stored.tries.map((each) => ({
    ...each,
    usage: each.usage === null ? null : usageFromJson(each.usage),
    startedAt: new Date(each.startedAt),
    endedAt: new Date(each.endedAt),
  }));
  return stored.kind === "answered"
    ? { kind: "answered", reply: replyFromJson(stored.reply), tries }
    : { kind: "failed", error: stored.error, tries };
}

type StoredTry = Omit<Try, "usage" | "startedAt" | "endedAt"> & {
  readonly usage: Json | null;
  readonly startedAt: string;
  readonly endedAt: string;
};
type StoredOutcome =
  | { readonly kind: "answered"; readonly reply: Json; readonly tries: readonly StoredTry[] }
  | { readonly kind: "failed"; readonly error: CallFailure; readonly tries: readonly StoredTry[] };
