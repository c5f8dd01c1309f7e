import { randomInt } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { FactotumError, messageOf, type RunId } from "../kernel/index.ts";
import { type Database, isServerTrouble } from "../postgres/index.ts";
import { anyReady, claim, lookAhead, release, sweep } from "./claim.ts";
import { closeTogether } from "./close-together.ts";
import { FencedError, RunError } from "./errors.ts";
import { retryPolicy, type RetryPolicy, settleFailure } from "./failure.ts";
import { InHand } from "./in-hand.ts";
import { type HeldLease, type Lease, makeLease } from "./lease.ts";
import { join, type Membership } from "./membership.ts";
import type { TurnMeans } from "./turn.ts";

/** Advances one run by turns until it parks or ends; what it throws is settled by the worker. */
export type Drive = (lease: Lease) => Promise<void>;

/** What a worker is made of. */
export type WorkerOptions = {
  readonly db: Database;
  readonly drive: Drive;
  /** Runs driven at once; 8 by default. Most of a driver's time is waiting for models. */
  readonly concurrency?: number;
  /** Whose runs alone it takes up; every agent's by default. */
  readonly agents?: readonly string[];
  /** Told in one line what went wrong, and what is done about it. */
  readonly say?: (line: string) => void;
  /** Shown in factotum.workers: host and process, for instance. */
  readonly name?: string;
  /** Milliseconds after which a worker that hangs loses its runs, and a turn that stands still is ended. */
  readonly leaseMs?: number;
  /** Milliseconds that `stop` gives drivers to finish. */
  readonly stopMs?: number;
  /**
   * Milliseconds between looks for runs that nobody told it of; bounds how late a dead worker's runs go on.
   */
  readonly sweepMs?: number;
  readonly retry?: Partial<RetryPolicy>;
};

/** Takes up runs until it is stopped. */
export interface Worker {
  /** Resolves, never rejects, when the worker is gone: with `worker-stopped`, or with what ended it. */
  readonly ended: Promise<FactotumError>;
  /** Resolves when no run is ready, driven or due, by this worker or another; rejects once stopped. */
  drained(): Promise<void>;
  /** Takes no more runs, lets drivers finish within `stopMs`, aborts those that do not, and leaves. */
  stop(): Promise<void>;
}

const CONCURRENCY = 8;
const LEASE_MS = 10_000;
const STOP_MS = 30_000;
/** Drivers whose signal was aborted get this long to unwind before they are left to the fence. */
const UNWIND_MS = 5_000;
/**
 * How often a worker looks for runs that nobody told it of: those of dead workers, or due by a clock that
 * was set.
 */
const SWEEP_MS = 1_000;
/**
 * Between two tries to join: soon, since runs wait for it, and not all workers of a server at one instant.
 */
const REJOIN_MS_BASE = 100;
const REJOIN_MS_MAX = 1_000;
/** A run whose failure could not be written down is let go after this, to be taken up as it is. */
const UNSETTLED_MS = 1_000;

/** Starts a worker. Never throws: without a database it keeps trying to reach it, and says so. */
export function startWorker(options: WorkerOptions): Worker {
  const worker = new RunWorker(options);
  const ended = worker.work();
  return {
    ended: worker.ended,
    drained: async () => await worker.drained(),
    stop: async () => {
      worker.askToStop();
      await ended;
    },
  };
}

type Waiter = PromiseWithResolvers<void>;

class RunWorker {
  readonly #options: WorkerOptions;
  readonly #means: TurnMeans;
  readonly #concurrency: number;
  readonly #agents: readonly string[] | null;
  readonly #leaseMs: number;
  readonly #sweepMs: number;
  readonly #say: (line: string) => void;
  readonly #driving = new Map<HeldLease, Promise<void>>();
  readonly #stopping = new AbortController();
  readonly #gone = Promise.withResolvers<FactotumError>();
  #waiters: Waiter[] = [];
  #bell = Promise.withResolvers<void>();
  /** Something may be due, or left behind by a worker that died: look at everything. */
  #sweep = true;
  /** When to look at everything next, on the monotonic clock: a busy worker is not too busy for it. */
  #sweepAt = 0;
  /** A run was parked or put off: when it is due is to be seen. */
  #redate = false;
  /** There may be more ready runs than were taken. */
  #more = true;
  /** There are limits on what is taken up. */
  #limited = false;
  readonly #inHand = new InHand();

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#concurrency = options.concurrency ?? CONCURRENCY;
    this.#agents = options.agents ?? null;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
    this.#means = { db: options.db, closer: closeTogether(options.db), turnMsMax: this.#leaseMs };
    this.#sweepMs = options.sweepMs ?? SWEEP_MS;
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

  /** From the first connection to the end of `stop`. */
  async work(): Promise<void> {
    let pause = REJOIN_MS_BASE;
    while (!this.#stopping.signal.aborted) {
      try {
        const membership = await join(this.#options.db, {
          name: this.#options.name ?? "worker",
          ...{ agents: this.#agents, concurrency: this.#concurrency, leaseMs: this.#leaseMs },
          hear: (payload) => this.#hear(payload),
        });
        await this.#serve(membership);
        pause = REJOIN_MS_BASE;
      } catch (error) {
        if (error instanceof FactotumError && error.retry === "never") return this.#end(error);
        this.#say(`worker: ${messageOf(error)}; trying again`);
        pause = Math.min(REJOIN_MS_MAX, pause * 2);
        await delay(randomInt(pause / 2, pause), undefined, { signal: this.#stopping.signal }).catch(
          () => undefined,
        );
      }
    }
    this.#end(stopped());
  }

  /** Nobody waits for a worker that is gone. */
  #end(because: FactotumError): void {
    this.#stopping.abort();
    for (const waiter of this.#waiters.splice(0)) waiter.reject(because);
    this.#gone.resolve(because);
  }

  /** Resolves with the reason once the worker is gone. */
  get ended(): Promise<FactotumError> {
    return this.#gone.promise;
  }

  /** Takes up runs for as long as the membership lasts. */
  async #serve(membership: Membership): Promise<void> {
    const over = (): boolean => membership.lost.aborted || this.#stopping.signal.aborted;
    membership.lost.addEventListener("abort", () => this.#abandon(membership));
    try {
      while (!over()) {
        const bell = (this.#bell = Promise.withResolvers<void>());
        await this.#look(membership);
        await this.#rest(bell.promise);
      }
      if (!membership.lost.aborted) await this.#drain();
    } catch (error) {
      if (!membership.lost.aborted) throw error;
    } finally {
      await membership.leave();
    }
  }

  /** One look at the database. */
  async #look(membership: Membership): Promise<void> {
    const { id } = membership;
    if (this.#sweep || performance.now() >= this.#sweepAt) {
      this.#sweep = false;
      await this.#giveBack("stale");
      // What it made ready may be nothing that it takes: the others are told.
      const slots = this.#agents === null ? this.#free() : 0;
      await membership.ask((session) => sweep(session, id, this.#idsHeld(id), slots));
      this.#more = true;
      this.#redate = true;
    }
    if (this.#redate) await this.#date(membership);
    const { size } = this.#inHand;
    // With limits, one that waits in hand would keep another from its place.
    const ahead = this.#limited ? 0 : this.#inHand.ahead;
    const wanted = this.#free() + ahead - size;
    if (this.#more && wanted > 0 && size <= ahead / 2) {
      this.#more = false;
      const claimed = await membership.ask((session) =>
        claim(session, id, wanted, this.#limited, this.#agents),
      );
      if (claimed.length === wanted) this.#more = true;
      else if (this.#limited) await this.#date(membership);
      this.#inHand.add(claimed);
    }
    this.#begin(membership);
    if (this.#driving.size + this.#inHand.size > 0 || this.#waiters.length === 0) return;
    if (await membership.ask((session) => anyReady(session, this.#agents))) return;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve();
  }

  /** When to look at everything again: when the next run is due, and soon in any case. */
  async #date(membership: Membership): Promise<void> {
    this.#redate = false;
    const { dueInMs, limited } = await membership.ask((session) => lookAhead(session, membership.id));
    this.#limited = limited;
    this.#sweepAt = performance.now() + Math.max(0, Math.min(this.#sweepMs, dueInMs ?? Infinity));
  }

  /** How many more runs can be driven. */
  #free(): number {
    return this.#concurrency - this.#driving.size;
  }

  #idsHeld(worker: string): readonly string[] {
    const driven = [...this.#driving.keys()].map(({ hold }) => hold());
    const mine = driven.filter((hold) => hold.worker === worker).map(({ run }) => run.id);
    return [...mine, ...this.#inHand.ids];
  }

  async #giveBack(which: "stale" | "all"): Promise<void> {
    const back = this.#inHand.takeBack(which);
    if (back.length > 0) await release(this.#options.db, back).catch(() => undefined);
  }

  async #rest(bell: Promise<void>): Promise<void> {
    const untilSweep = Math.max(0, Math.ceil(this.#sweepAt - performance.now()));
    const timer = setTimeout(() => this.#ring(), untilSweep);
    await bell;
    clearTimeout(timer);
  }

  #ring(): void {
    this.#bell.resolve();
  }

  #hear(payload: string): void {
    const [what, id] = payload.split(" ");
    if (what === "cancel") {
      for (const held of this.#driving.keys()) {
        if (held.lease.runId === id) held.abort(new FencedError(held.lease.runId, "it was cancelled"));
      }
      return;
    }
    if (what === "interrupt") {
      for (const held of this.#driving.keys()) if (held.lease.runId === id) held.interrupt();
      return;
    }
    if (what === "clock" || what === "limits") this.#sweep = true;
    this.#more = true;
    this.#ring();
  }

  /** Begins runs in hand while there is room. */
  #begin(membership: Membership): void {
    while (this.#free() > 0 && !membership.lost.aborted && !this.#stopping.signal.aborted) {
      const hold = this.#inHand.next();
      if (hold === undefined) return;
      const held = makeLease(this.#means, hold, () => this.#stopping.signal.aborted);
      const driven = this.#drive(membership, held).finally(() => {
        this.#driving.delete(held);
        this.#inHand.ended();
        // With limits, a run that ends makes room for one that was left out.
        if (this.#limited) this.#more = true;
        this.#begin(membership);
        this.#ring();
      });
      this.#driving.set(held, driven);
    }
  }

  /** Never rejects. */
  async #drive(membership: Membership, held: HeldLease): Promise<void> {
    const { lease } = held;
    try {
      await this.#options.drive(lease);
      if (lease.run.wakeAt !== null) this.#redate = true;
      if (lease.run.status !== "ready") return;
      if (held.turns() === 0 && !lease.shouldYield() && !lease.signal.aborted) throw idle(lease.runId);
    } catch (error) {
      // One that was let go of for its provider's limits may be free to take up again.
      this.#more = true;
      if (error instanceof FencedError || !(await stillMember(membership, error))) return;
      if (!lease.signal.aborted) {
        await this.#settle(membership, held, error);
        return;
      }
    }
    this.#more = true;
    await release(this.#options.db, [held.hold()]).catch(() => undefined);
  }

  async #settle(membership: Membership, held: HeldLease, error: unknown): Promise<void> {
    const policy = { ...retryPolicy, ...this.#options.retry };
    const { runId } = held.lease;
    try {
      const { kind } = await settleFailure(this.#options.db, held.hold(), error, policy);
      this.#redate = true;
      if (kind === "failed") this.#say(`run ${runId} failed: ${messageOf(error)}`);
      if (kind === "later") this.#say(`run ${runId} is tried again later: ${messageOf(error)}`);
    } catch (trouble) {
      this.#say(
        `run ${runId}: its failure could not be written (${messageOf(trouble)}); it is taken up again`,
      );
      await delay(UNSETTLED_MS, undefined, { signal: membership.lost }).catch(() => undefined);
      this.#more = true;
    }
  }

  /** After `stop`: lets drivers finish, then aborts those that did not. */
  async #drain(): Promise<void> {
    await this.#giveBack("all");
    if (await this.#ended(this.#options.stopMs ?? STOP_MS)) return;
    for (const held of this.#driving.keys()) held.abort(new Error("the worker is stopping"));
    await this.#ended(UNWIND_MS);
  }

  /** Whether all drivers ended within the time. */
  async #ended(withinMs: number): Promise<boolean> {
    const timeUp = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => timeUp.resolve(false), withinMs);
    const all = Promise.all(this.#driving.values()).then(() => true);
    return await Promise.race([all, timeUp.promise]).finally(() => clearTimeout(timer));
  }

  /**
   * Tells drivers that their runs may be another's by now; the fence sees to it that they commit nothing
   * then.
   */
  #abandon(membership: Membership): void {
    const because = messageOf(membership.lost.reason);
    if (!this.#stopping.signal.aborted) this.#say(`worker ${membership.id} lost its place: ${because}`);
    this.#inHand.takeBack("all");
    for (const held of this.#driving.keys()) {
      if (held.hold().worker === membership.id) held.abort(new FencedError(held.lease.runId, because));
    }
    this.#sweep = true;
    this.#ring();
  }
}

/** Whether an error is the run's own: one of the connection is not if this worker lost its place with it. */
async function stillMember(membership: Membership, error: unknown): Promise<boolean> {
  if (isServerTrouble(error))
    await membership.ask((session) => session.query("select")).catch(() => undefined);
  return !membership.lost.aborted;
}

function idle(runId: RunId): RunError {
  return new RunError({
    code: "drive-idle",
    retry: "later",
    runId,
    message: `the driver of run ${runId} returned without a turn, so it would never end; take a turn`,
  });
}

function stopped(): RunError {
  return new RunError({
    code: "worker-stopped",
    retry: "never",
    message: "the worker was stopped before everything was done; what is left is taken up by the next worker",
  });
}
