import type { Clock } from "../kernel/index.ts";

/** A clock that a test moves by hand. */
export type FakeClock = Clock & {
  /** Puts it at an instant. */
  set(at: Date): void;
  /** Moves it on. */
  advance(milliseconds: number): void;
};

/** A clock that stands at `at` until it is moved. */
export function fakeClock(at: Date = new Date("2026-01-05T09:00:00Z")): FakeClock {
  let present = at.getTime();
  return {
    now: () => new Date(present),
    set: (to) => {
      present = to.getTime();
    },
    advance: (milliseconds) => {
      present += milliseconds;
    },
  };
}
