import { randomInt } from "node:crypto";
import { retryWaitMs } from "./backoff.ts";
import { type Channel, RETRY_PLAN, TIMEOUT_MS } from "./channel.ts";
import type { Claimed } from "./claim.ts";
import { deliveryError, DeliveryError } from "./delivery-error.ts";
import type { Outcome } from "./settle.ts";

const RANDOM_STEPS = 1_000;

/** Makes one try of a claimed effect; never throws. */
export async function attemptDelivery(
  channel: Channel,
  { delivery, expired, missing }: Claimed,
  signal: AbortSignal,
): Promise<Outcome> {
  const plan = { ...RETRY_PLAN, ...channel.retry };
  const dead = (because: string): Outcome => ({ kind: "dead", because, inDoubt: false });
  if (missing) return dead("its row in factotum.outbox is gone");
  if (expired) return dead("it expired before it could be delivered");
  // Only where the process died in the last try that it was allowed.
  if (delivery.attempt > plan.triesMax) return dead(`none of ${plan.triesMax} tries was ended`);
  try {
    const note = await within(channel, delivery, signal);
    return { kind: "delivered", note: note ?? null };
  } catch (thrown) {
    const error = deliveryError(thrown);
    const inDoubt = error.arrived === "perhaps";
    const last = delivery.attempt >= plan.triesMax && !signal.aborted;
    if (error.retry === "never") return { kind: "dead", because: error.message, inDoubt };
    if (last)
      return { kind: "dead", because: `${error.message} (try ${delivery.attempt}, the last)`, inDoubt };
    const random = randomInt(RANDOM_STEPS) / RANDOM_STEPS;
    const waitMs = signal.aborted ? 0 : retryWaitMs(plan, delivery.attempt, random, error.retryAfterMs);
    return { kind: "again", because: error.message, inDoubt, waitMs };
  }
}

/** The channel's answer, unless it takes too long: one that heeds no signal is not waited for. */
async function within(
  channel: Channel,
  delivery: Claimed["delivery"],
  stop: AbortSignal,
): Promise<string | undefined> {
  const timeoutMs = channel.timeoutMs ?? TIMEOUT_MS;
  const over = new AbortController();
  const late = Promise.withResolvers<never>();
  const end = (because: string) => (): void => {
    const error = new DeliveryError({ retry: "later", arrived: "perhaps", message: because });
    late.reject(error);
    over.abort(error);
  };
  const stopped = end("the process that delivered it was stopped");
  if (stop.aborted) stopped();
  stop.addEventListener("abort", stopped);
  const timer = setTimeout(end(`there was no answer within ${timeoutMs} ms`), timeoutMs);
  // Whichever loses the race may still fail, and nobody is left to hear it.
  late.promise.catch(() => undefined);
  try {
    const answer = Promise.resolve(channel.deliver(delivery, { signal: over.signal }));
    answer.catch(() => undefined);
    return (await Promise.race([answer, late.promise])) ?? undefined;
  } finally {
    clearTimeout(timer);
    stop.removeEventListener("abort", stopped);
  }
}
