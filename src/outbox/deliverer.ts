import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { OUTBOX_CHANNEL } from "../changes/index.ts";
import { type EffectId, FactotumError, messageOf } from "../kernel/index.ts";
import type { Database, Session } from "../postgres/index.ts";
import { attemptDelivery } from "./attempt-delivery.ts";
import type { Channels } from "./channel.ts";
import { anyDue, claim, type Claimed, renew } from "./claim.ts";
import { type Outcome, settle } from "./settle.ts";

/** What a deliverer is made of. */
export type DelivererOptions = {
  readonly db: Database;
  readonly channels: Channels;
  /** Tries under way at once; 8 by default. */
  readonly concurrency?: number;
  /** Told in one line what went wrong, and what is done about it. */
  readonly say?: (line: string) => void;
  /** Milliseconds after which the effects of a deliverer that died or hangs are taken up by others. */
  readonly leaseMs?: number;
  /** Milliseconds between looks for effects that nobody told it of. */
  readonly sweepMs?: number;
  /** Milliseconds that `stop` gives tries under way. */
  readonly stopMs?: number;
};

/** Delivers committed effects until it is stopped. Any number of processes may have one. */
export interface Deliverer {
  /** Resolves when nothing can be delivered now: what waits for its time or its next try is left waiting. */
  drained(): Promise<void>;
  /** Takes up nothing more, lets tries under way end within `stopMs`, breaks off the others, and leaves. */
  stop(): Promise<void>;
}

const CONCURRENCY = 8;
/** A try whose process was killed is made again after this. */
const LEASE_MS = 10_000;
const RENEWALS_PER_LEASE = 3;
const SWEEP_MS = 1_000;
const STOP_MS = 10_000;
const PAUSE_MS_BASE = 100;
const PAUSE_MS_MAX = 5_000;

/** Starts a deliverer. Never throws: without a database it keeps trying to reach it, and says so. */
export function startDeliverer(options: DelivererOptions): Deliverer {
  const deliverer = new EffectDeliverer(options);
  const ended = deliverer.work();
  return {
    drained: () => deliverer.drained(),
    stop: async () => {
      deliverer.askToStop();
      await ended;
    },
  };
}

class EffectDeliverer {
  readonly #options: DelivererOptions;
  readonly #holder = randomUUID();
  readonly #names: readonly string[];
  readonly #leaseMs: number;
  readonly #say: (line: string) => void;
  readonly #trying = new Map<EffectId, Promise<void>>();
  readonly #stopping = new AbortController();
  /** Aborts the tries under way: the time to stop is up, or their leases cannot be renewed. */
  #tries = new AbortController();
  #renewedAt = 0;
  #bell = Promise.withResolvers<void>();
  #waiters: PromiseWithResolvers<void>[] = [];
  #ear: Session | undefined;

  constructor(options: DelivererOptions) {
    this.#options = options;
    this.#names = Object.keys(options.channels);
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
    this.#say = options.say ?? (() => {});
  }

  askToStop(): void {
    this.#stopping.abort();
    this.#ring();
  }

  async drained(): Promise<void> {
    if (this.#stopping.signal.aborted) throw stopped();
    const waiter = Promise.withResolvers<void>();
    this.#waiters.push(waiter);
    this.#ring();
    await waiter.promise;
  }

  async work(): Promise<void> {
    const renewing = setInterval(() => void this.#renew(), this.#leaseMs / RENEWALS_PER_LEASE);
    let pause = PAUSE_MS_BASE;
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#listen();
        await this.#serve();
        pause = PAUSE_MS_BASE;
      } catch (error) {
        this.#say(`outbox: ${messageOf(error)}; trying again`);
        pause = Math.min(PAUSE_MS_MAX, pause * 2);
        await delay(pause, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      }
    }
    await this.#finish();
    clearInterval(renewing);
    this.#ear?.destroy();
    for (const waiter of this.#waiters.splice(0)) waiter.reject(stopped());
  }

  /** Takes up what is due, and waits for a word, a try's end, or the time to look again. */
  async #serve(): Promise<void> {
    const { db, concurrency = CONCURRENCY, sweepMs = SWEEP_MS } = this.#options;
    this.#bell = Promise.withResolvers();
    const free = concurrency - this.#trying.size;
    if (free > 0) {
      const lease = { holder: this.#holder, leaseMs: this.#leaseMs, limit: free };
      if (this.#trying.size === 0) this.#renewedAt = performance.now();
      const claimed = await claim(db, this.#names, lease);
      for (const one of claimed) this.#try(one);
      if (claimed.length === 0) await this.#tellDrained();
    }
    const over = new AbortController();
    const options = { signal: over.signal };
    await Promise.race([this.#bell.promise, delay(sweepMs, undefined, options).catch(() => undefined)]);
    over.abort();
  }

  #try(claimed: Claimed): void {
    const { effect } = claimed.delivery;
    const trying = this.#deliver(claimed).finally(() => {
      this.#trying.delete(effect);
      this.#ring();
    });
    this.#trying.set(effect, trying);
  }

  async #deliver(claimed: Claimed): Promise<void> {
    const { channel, effect } = claimed.delivery;
    const out = this.#options.channels[channel];
    if (out === undefined) return;
    const outcome = await attemptDelivery(out, claimed, this.#tries.signal);
    if (outcome.kind === "dead")
      this.#say(`outbox: effect ${effect} to ${channel} is dead: ${outcome.because}`);
    await this.#settle(claimed, outcome);
  }

  /** Worth some patience: what cannot be written down is delivered again. */
  async #settle({ delivery: { effect, channel }, tries }: Claimed, outcome: Outcome): Promise<void> {
    const until = performance.now() + this.#leaseMs;
    for (let pause = PAUSE_MS_BASE; ; pause *= 2) {
      try {
        const kept = await settle(this.#options.db, { effect, tries, holder: this.#holder }, outcome);
        if (!kept) this.#say(`outbox: effect ${effect} to ${channel} was taken over by another process`);
        return;
      } catch (error) {
        if (performance.now() + pause > until) {
          this.#say(`outbox: how effect ${effect} went could not be written down (${messageOf(error)})`);
          return;
        }
        await delay(pause);
      }
    }
  }

  /** A process that cannot renew for the length of a lease must stop: another may have taken over. */
  async #renew(): Promise<void> {
    if (this.#trying.size === 0) return;
    const begun = performance.now();
    try {
      const lease = { holder: this.#holder, leaseMs: this.#leaseMs };
      await renew(this.#options.db, [...this.#trying.keys()], lease);
      this.#renewedAt = begun;
    } catch (error) {
      if (performance.now() - this.#renewedAt < this.#leaseMs) return;
      this.#say(`outbox: leases could not be renewed (${messageOf(error)}); tries under way are broken off`);
      this.#tries.abort();
      this.#tries = new AbortController();
    }
  }

  async #finish(): Promise<void> {
    const late = setTimeout(() => this.#tries.abort(), this.#options.stopMs ?? STOP_MS);
    await Promise.all(this.#trying.values());
    clearTimeout(late);
  }

  async #tellDrained(): Promise<void> {
    if (this.#waiters.length === 0 || this.#trying.size > 0) return;
    if (await anyDue(this.#options.db, this.#names)) return;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve();
  }

  /** One connection hears of new effects at once; while it is away, the sweeps find them. */
  async #listen(): Promise<void> {
    if (this.#ear !== undefined) return;
    const ear = await this.#options.db.session();
    try {
      await ear.query(`listen ${OUTBOX_CHANNEL}`);
    } catch (error) {
      ear.destroy();
      throw error;
    }
    const { client } = ear;
    const lost = (): void => {
      if (this.#ear === ear) this.#ear = undefined;
      client.off("notification", this.#heard).off("error", lost).off("end", lost);
      ear.destroy();
    };
    client.on("notification", this.#heard);
    client.on("error", lost);
    client.on("end", lost);
    this.#ear = ear;
  }

  readonly #heard = (): void => this.#ring();

  #ring(): void {
    this.#bell.resolve();
  }
}

function stopped(): FactotumError {
  return new FactotumError({
    code: "deliverer-stopped",
    retry: "never",
    message: "this deliverer was stopped; effects are delivered where factotum run or serve is running",
  });
}
