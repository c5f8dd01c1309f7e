import { type MicroUsd, microUsd } from "../kernel/index.ts";
import type { BudgetId } from "./budgets.ts";
import type { HoldId, Teller } from "./teller.ts";

/** Money taken from a purse for one call. */
export type Taken = {
  readonly kind: "taken";
  /** The hold that it is part of. */
  readonly slice: HoldId;
  /** Says what it came to; once. Waits for nothing. */
  settle(actual: MicroUsd): void;
};

/** Whether there was room. */
export type Taking = Taken | { readonly kind: "full"; readonly budget: BudgetId };

/** A part of a budget that this process may spend without asking Postgres for every call. */
export type Purse = {
  /** Answers at once where a slice in hand has room, and after a visit of the teller where not. */
  take(amount: MicroUsd): Taking | Promise<Taking>;
  /** Gives back what is not in use. Happens by itself, too. */
  giveBack(): Promise<void>;
  /** Gives back, and waits for the teller. What calls under way have taken stays held. */
  close(): Promise<void>;
};

/** What a purse is made of. */
export type PurseOptions = {
  readonly budget: BudgetId;
  /** Budgets of other trees that its calls count on as well. */
  readonly also?: readonly BudgetId[];
  /** Names of slices, each new. */
  readonly nextId: () => HoldId;
  /** The most that may lie in one slice beyond what is asked for, in micro-USD: what a kill can cost. */
  readonly sliceMax?: MicroUsd;
  readonly say?: (line: string) => void;
};

type Slice = {
  readonly id: HoldId;
  readonly amount: bigint;
  readonly openedAt: number;
  /** Taken, and not settled. */
  taken: bigint;
  spent: bigint;
  retired: boolean;
};
type Waiting = { readonly amount: bigint; resolve(taking: Taking): void; reject(error: unknown): void };

const SLICE_MAX = microUsd(1_000_000);
/** A slice used up sooner was too small, one that lasts longer is given back. */
const QUICK_MS = 500;
const LONG_MS = 2_000;
const GROWTH = 2n;
const SHRINKING = 4n;
const LOOK_MS = 500;

/**
 * Opens a purse over one budget. A slice is a hold of the ledger like any other, made by the teller in its
 * next visit, and settled as a whole when its calls are over: no budget is overrun, whatever happens here.
 * Slices double while they are used up quickly, and shrink to what one call needs where the budget is nearly
 * full. A slice of a process that died counts in full until it is reconciled.
 */
export function openPurse(teller: Teller, options: PurseOptions): Purse {
  return new SlicedPurse(teller, options);
}

class SlicedPurse implements Purse {
  readonly #teller: Teller;
  readonly #options: PurseOptions;
  readonly #waiting: Waiting[] = [];
  readonly #ending = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  #current: Slice | null = null;
  /** What the next slice has beyond what is asked for. */
  #extra = 0n;
  #growing: Promise<void> | undefined;

  constructor(teller: Teller, options: PurseOptions) {
    this.#teller = teller;
    this.#options = options;
    this.#timer = setInterval(() => {
      if (this.#current === null || performance.now() - this.#current.openedAt < LONG_MS) return;
      this.#extra /= SHRINKING;
      this.#retire();
    }, LOOK_MS);
    this.#timer.unref();
  }

  take(amount: MicroUsd): Taking | Promise<Taking> {
    if (this.#waiting.length === 0 && this.#current !== null && fits(this.#current, amount)) {
      return this.#takeFrom(this.#current, amount);
    }
    return new Promise<Taking>((resolve, reject) => {
      this.#waiting.push({ amount, resolve, reject });
      this.#begin();
    });
  }

  async giveBack(): Promise<void> {
    await this.#growing;
    this.#retire();
    await Promise.all(this.#ending);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.giveBack();
  }

  #takeFrom(slice: Slice, amount: bigint): Taken {
    slice.taken += amount;
    return {
      kind: "taken",
      slice: slice.id,
      settle: (actual) => {
        slice.taken -= amount;
        slice.spent += actual;
        if (slice.retired && slice.taken === 0n) this.#finish(slice);
      },
    };
  }

  /** Takes nothing more from the slice in hand. @returns whether it is settled now, with no call under way */
  #retire(): boolean {
    const slice = this.#current;
    if (slice === null) return false;
    this.#current = null;
    slice.retired = true;
    if (slice.taken === 0n) this.#finish(slice);
    return slice.taken === 0n;
  }

  #finish(slice: Slice): void {
    const { say = () => {} } = this.#options;
    const told = this.#teller
      .settle(slice.id, microUsd(slice.spent))
      .catch((error: unknown) => say(`slice ${slice.id} could not be settled: ${String(error)}`))
      .finally(() => this.#ending.delete(told));
    this.#ending.add(told);
  }

  #begin(): void {
    this.#growing ??= this.#grow()
      .catch((error: unknown) => {
        for (const one of this.#waiting.splice(0)) one.reject(error);
      })
      .finally(() => {
        this.#growing = undefined;
        if (this.#waiting.length > 0) this.#begin();
      });
  }

  async #grow(): Promise<void> {
    const { sliceMax = SLICE_MAX } = this.#options;
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const used = this.#current;
      if (used !== null && performance.now() - used.openedAt < QUICK_MS) {
        this.#extra = least(this.#extra * GROWTH + first.amount, sliceMax);
      }
      const asked = this.#waiting.reduce((sum, { amount }) => sum + amount, 0n) + this.#extra;
      let full = await this.#openSlice(asked);
      while (full !== null && this.#extra > 0n) {
        this.#extra /= SHRINKING;
        full = await this.#openSlice(first.amount + this.#extra);
      }
      if (full !== null && asked > first.amount) full = await this.#openSlice(first.amount);
      // What lies idle in our own slice may be what is missing.
      if (full !== null && this.#retire()) full = await this.#openSlice(first.amount);
      if (full === null) this.#serve();
      else this.#refuse(first.amount, full);
    }
  }

  /** Where so much has no room, neither has who asks for as much or more. */
  #refuse(amount: bigint, budget: BudgetId): void {
    const all = this.#waiting.splice(0);
    for (const one of all) {
      if (one.amount >= amount) one.resolve({ kind: "full", budget });
      else this.#waiting.push(one);
    }
  }

  /** @returns null when it was made, else the budget that is full */
  async #openSlice(amount: bigint): Promise<BudgetId | null> {
    const { budget, also = [], nextId } = this.#options;
    const id = nextId();
    const request = { id, budget, also, amount: microUsd(amount), ifOrphaned: "keep" as const };
    const admission = await this.#teller.hold(request);
    if (admission.kind === "full") return admission.budget;
    this.#retire();
    this.#current = { id, amount, openedAt: performance.now(), taken: 0n, spent: 0n, retired: false };
    return null;
  }

  #serve(): void {
    const slice = this.#current;
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (slice === null || !fits(slice, first.amount)) return;
      this.#waiting.shift();
      first.resolve(this.#takeFrom(slice, first.amount));
    }
  }
}

function fits(slice: Slice, amount: bigint): boolean {
  return slice.amount - slice.taken - slice.spent >= amount;
}

function least(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}
