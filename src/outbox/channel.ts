import type { ChangeSetId, EffectId, Json, RunId } from "../kernel/index.ts";

/** One try of an effect, as a channel gets it. */
export type Delivery = {
  readonly effect: EffectId;
  /** The same for every try in every process; send it along, so that the receiver can tell a repetition. */
  readonly key: string;
  readonly channel: string;
  readonly body: Json;
  /** 1 for the first. */
  readonly attempt: number;
  /** When this try was begun, in real time. */
  readonly at: Date;
  /** When it was committed, in business time. */
  readonly committedAt: Date;
  readonly changeSet: ChangeSetId;
  readonly runId: RunId;
  readonly agent: string;
};

/** When to try again, and when to stop: waits grow by `factor`, each drawn between half of it and all. */
export type RetryPlan = {
  readonly triesMax: number;
  readonly firstMs: number;
  readonly factor: number;
  readonly waitMsMax: number;
};

/** A way out of the database. Alone the deliverer calls it, and only for what is committed. */
export type Channel = {
  /**
   * Delivers once. It may be called again with the same key after a crash or an answer that was lost.
   *
   * @param options.signal aborted when the try has taken too long, or the process must end: stop then
   * @returns what the receiver said of it, if anything, for a person to read
   * @throws {DeliveryError} which says whether to try again; any other error is tried again
   */
  deliver(
    delivery: Delivery,
    options: { readonly signal: AbortSignal },
  ): Promise<string | undefined> | Promise<void>;
  /** What is wrong with a body, in sentences: a change set with such an effect is not committed. */
  problems?(body: Json): readonly string[];
  /** How long one try may take; half a minute unless told. */
  readonly timeoutMs?: number;
  readonly retry?: Partial<RetryPlan>;
};

/** The channels of a project by name. */
export type Channels = { readonly [name: string]: Channel };

/** Twelve tries over some 17 hours: a receiver that is down for a night loses nothing. */
export const RETRY_PLAN: RetryPlan = {
  triesMax: 12,
  firstMs: 2_000,
  factor: 3,
  waitMsMax: 6 * 3_600_000,
};

/** How long one try may take unless its channel says otherwise. */
export const TIMEOUT_MS = 30_000;
