import type { ModelId } from "../kernel/index.ts";
import type { AttemptEnd } from "./attempt.ts";
import type { Attempt } from "./plan.ts";

/** Remembers which models fail, so that others are tried first. Each replica has its own. */
export type Breaker = {
  heard(model: ModelId, end: AttemptEnd): void;
  /** The attempts with those of resting models last: a call that has no other is tried all the same. */
  order(attempts: readonly Attempt[]): readonly Attempt[];
};

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
  const rests = ({ target }: Attempt): boolean => (restsUntil.get(target.card.id) ?? 0) > now();
  return {
    heard(model, end) {
      if (end.kind === "client-left") return;
      if (end.kind === "answered" && end.status < 500) {
        failures.delete(model);
        restsUntil.delete(model);
        return;
      }
      const count = (failures.get(model) ?? 0) + 1;
      failures.set(model, count);
      const asked = end.kind === "declined" ? secondsOf(end.retryAfter) * 1000 : 0;
      const rest = asked > 0 ? Math.min(asked, RETRY_AFTER_MS_MAX) : count >= FAILURES_MAX ? REST_MS : 0;
      if (rest > 0) restsUntil.set(model, now() + rest);
    },
    order(attempts) {
      if (attempts.length < 2 || restsUntil.size === 0) return attempts;
      return [...attempts.filter((one) => !rests(one)), ...attempts.filter(rests)];
    },
  };
}

function secondsOf(retryAfter: string | undefined): number {
  return retryAfter !== undefined && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) : 0;
}
