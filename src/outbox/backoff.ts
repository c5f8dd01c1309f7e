import type { RetryPlan } from "./channel.ts";

/** A receiver may ask to be left alone for this long, and no longer. */
const RETRY_AFTER_MS_MAX = 24 * 3_600_000;

/**
 * How long to wait after a failed try: longer each time, drawn between half and all of it so that effects
 * that failed together do not come back together, and never shorter than the receiver asked for.
 *
 * @param attempt 1 for the first try
 * @param random from 0 up to 1
 */
export function retryWaitMs(plan: RetryPlan, attempt: number, random: number, retryAfterMs: number): number {
  const whole = Math.min(plan.waitMsMax, plan.firstMs * plan.factor ** (attempt - 1));
  const asked = Math.min(retryAfterMs, RETRY_AFTER_MS_MAX);
  return Math.round(Math.max(asked, whole * (0.5 + random / 2)));
}
