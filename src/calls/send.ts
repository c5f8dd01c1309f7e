import { createHash } from "node:crypto";
import type { CallId, Clock } from "../kernel/index.ts";
import { type ModelCall, ModelError, type ModelReply, type Models, noUsage } from "../models/index.ts";
import type { Spoken } from "./gen-ai.ts";
import { openTelling, type Telling } from "./telling.ts";
import type { CallFailure, CallOutcome, Try } from "./outcome.ts";
import { BILLED_TRIES_MAX } from "./worst-case.ts";

/** Tries of one call, billed or not. */
export const TRIES_MAX = 5;
/** First wait when the provider names none; doubled each time. */
export const WAIT_MS_FIRST = 1_000;
/** Longest wait inside a call. Asked to wait longer, the call fails and the run may park until then. */
export const WAIT_MS_MAX = 60_000;

/** Waits, or returns early when the signal is aborted. Injected: a test does not wait. */
export type Sleep = (milliseconds: number, signal: AbortSignal) => Promise<void>;

/** What sending needs. */
export type SendOptions = {
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly sleep: Sleep;
  /** Asked before the first try: money set aside, or why none is; see `admit`. */
  readonly admit?: (callId: CallId) => Promise<CallFailure | undefined>;
  /** Hears text as it arrives; a further try starts over. */
  readonly onText?: (delta: string) => void;
};

/**
 * Sends an intended call, outside of any transaction, with bounded retries on the same model that respect
 * Retry-After. Never throws for what a provider does: that is the outcome, to be settled.
 */
export async function send(
  models: Models,
  callId: CallId,
  call: ModelCall,
  options: SendOptions,
): Promise<CallOutcome> {
  const tries: Try[] = [];
  const refused = await options.admit?.(callId);
  if (refused !== undefined) return { kind: "failed", error: refused, tries };
  for (;;) {
    const startedAt = options.clock.now();
    const number = tries.length + 1;
    const began = performance.now();
    const got = await oneTry(models, callId, call, options);
    const tell = await (telling ??= openTelling("factotum.calls"));
    tell(spokenOf(callId, call, number, got, performance.now() - began));
    const endedAt = options.clock.now();
    if (!(got instanceof ModelError)) {
      const billed = got.counted ? "counted" : "unknown";
      const usage = got.counted ? got.usage : null;
      tries.push({ number, code: null, message: null, billed, usage, startedAt, endedAt });
      return { kind: "answered", reply: got, tries };
    }
    const { code, message, billed, usage } = got;
    tries.push({ number, code, message, billed, usage, startedAt, endedAt });
    const wait = waitBefore(callId, got, tries);
    if (wait === null || options.signal.aborted) return failed(got, tries);
    await options.sleep(wait, options.signal);
    if (options.signal.aborted) return failed(got, tries);
  }
}

let telling: Promise<Telling> | undefined;

function spokenOf(
  callId: CallId,
  { model }: ModelCall,
  number: number,
  got: ModelReply | ModelError,
  totalMs: number,
): Spoken {
  const isError = got instanceof ModelError;
  return {
    ...{ operation: "chat", asked: model, model, totalMs, firstByteMs: null },
    ...{ error: isError ? got.code : null, usage: got.usage ?? noUsage },
    authoritative: isError ? got.billed === "counted" : got.counted,
    more: () => ({ "factotum.call": callId, "factotum.try": number }),
  };
}

async function oneTry(
  models: Models,
  callId: CallId,
  call: ModelCall,
  options: SendOptions,
): Promise<ModelReply | ModelError> {
  const { signal, onText } = options;
  try {
    return await models.call(call, {
      ...{ signal, idempotencyKey: callId },
      ...(onText === undefined ? {} : { onText }),
    });
  } catch (error) {
    if (error instanceof ModelError) return error;
    throw error;
  }
}

function failed(error: ModelError, tries: readonly Try[]): CallOutcome {
  const { code, retry, message, retryAfterMs } = error;
  return { kind: "failed", error: { code, retry, message, retryAfterMs }, tries };
}

/** How long to wait before the next try, or null when there is none. */
function waitBefore(callId: CallId, error: ModelError, tries: readonly Try[]): number | null {
  if (error.retry !== "later" || error.code === "stopped") return null;
  if (tries.length >= TRIES_MAX) return null;
  if (tries.filter((each) => each.billed !== "nothing").length >= BILLED_TRIES_MAX) return null;
  const asked = error.retryAfterMs;
  if (asked !== null) return asked <= WAIT_MS_MAX ? asked : null;
  const doubled = Math.min(WAIT_MS_FIRST * 2 ** (tries.length - 1), WAIT_MS_MAX);
  return Math.round(doubled * (0.5 + spread(callId, tries.length) / 2));
}

/** Between 0 and 1, different for every call, so that callers spread out; not random, so that it repeats. */
function spread(callId: CallId, number: number): number {
  const hash = createHash("sha256").update(`${callId}/${number}`).digest();
  return hash.readUInt32BE(0) / 0xffffffff;
}
