import type { ModelId } from "../kernel/index.ts";
import type { AttemptEnd } from "./attempt.ts";
import type { Health } from "./plan.ts";

/** Remembers which models fail, so that others are tried first. Each replica has its own. */
export type Breaker = Health & {
  /** A call is sent. */
  sent(model: ModelId): void;
  /** And over. */
  heard(model: ModelId, end: AttemptEnd, firstByteMs: number | null): void;
};

/** Weight of the newest first byte in the running mean. */
const NEWEST = 0.2;

const FAILURES_MAX = 5;
const REST_MS = 10_000;
const RETRY_AFTER_MS_MAX = 60_000;

/**
 * Makes a breaker.
 *
 * @param now milliseconds of a clock that only goes forward
 */
export function makeBreaker(now: () => number): Breaker {
  const failures = new Map<ModelId, number>();
  const restsUntil = new Map<ModelId, number>();
  const underway = new Map<ModelId, number>();
  const firstByte = new Map<ModelId, number>();
  return {
    rests: (model) => restsUntil.size > 0 && (restsUntil.get(model) ?? 0) > now(),
    // Calls under way weigh as well: what was fast while idle need not be so under load.
    delayMs: (model) => (firstByte.get(model) ?? 0) * (1 + (underway.get(model) ?? 0)),
    sent(model) {
      underway.set(model, (underway.get(model) ?? 0) + 1);
    },
    heard(model, end, firstByteMs) {
      underway.set(model, Math.max(0, (underway.get(model) ?? 0) - 1));
      if (firstByteMs !== null && end.kind === "answered" && end.status < 400) {
        const before = firstByte.get(model);
        firstByte.set(model, before === undefined ? firstByteMs : before + NEWEST * (firstByteMs - before));
      }
      // What we forbid ourselves says nothing of the provider.
      if (end.kind === "client-left" || (end.kind === "not-sent" && end.forbidden)) return;
      if (end.kind === "answered" && end.status < 500) {
        if (failures.size > 0) failures.delete(model);
        if (restsUntil.size > 0) restsUntil.delete(model);
        return;
      }
      const count = (failures.get(model) ?? 0) + 1;
      failures.set(model, count);
      const asked = end.kind === "declined" ? secondsOf(end.retryAfter) * 1000 : 0;
      const rest = asked > 0 ? Math.min(asked, RETRY_AFTER_MS_MAX) : count >= FAILURES_MAX ? REST_MS : 0;
      if (rest > 0) restsUntil.set(model, now() + rest);
    },
  };
}

function secondsOf(retryAfter: string | undefined): number {
  return retryAfter !== undefined && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) : 0;
}
