import type { Hold } from "./hold.ts";

/** A worker takes up as many runs ahead as it ended in this time: what it will begin in about the same. */
const PACE_MS = 100;
/** Runs taken up ahead, however fast they end. */
const AHEAD_MAX = 64;
/** A run that was taken up and could not be begun so long is another's to take. */
const STALE_MS = 250;

/**
 * Runs that a worker has taken up and not begun yet. Where runs end as fast as they are begun (many woken at
 * one instant, say), a claim for each would be most of the work; where they take long, none is taken ahead.
 */
export class InHand {
  #waiting: { readonly hold: Hold; readonly at: number }[] = [];
  /** When the last drives ended, at most as many as count. */
  #ended: number[] = [];

  /** How many wait to be begun. */
  get size(): number {
    return this.#waiting.length;
  }

  get ids(): readonly string[] {
    return this.#waiting.map(({ hold }) => hold.run.id);
  }

  /** How many to have in hand beside those that can be begun at once. */
  get ahead(): number {
    const since = performance.now() - PACE_MS;
    return this.#ended.filter((at) => at >= since).length;
  }

  /** A drive has ended. */
  ended(): void {
    this.#ended.push(performance.now());
    if (this.#ended.length > AHEAD_MAX) this.#ended.shift();
  }

  add(holds: readonly Hold[]): void {
    const at = performance.now();
    this.#waiting.push(...holds.map((hold) => ({ hold, at })));
  }

  /** The one to begin next. */
  next(): Hold | undefined {
    return this.#waiting.shift()?.hold;
  }

  /** Those that waited too long, or with `all`, those that wait; they are no longer in hand. */
  takeBack(which: "stale" | "all"): readonly Hold[] {
    const since = which === "all" ? Infinity : performance.now() - STALE_MS;
    const back = this.#waiting.filter(({ at }) => at <= since);
    this.#waiting = this.#waiting.filter(({ at }) => at > since);
    return back.map(({ hold }) => hold);
  }
}
