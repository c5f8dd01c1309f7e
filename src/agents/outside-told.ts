import type { RunId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { Run } from "../runs/index.ts";
import { type Heeded, heededSoFar } from "./said.ts";
import type { OutsideState } from "./state.ts";
import { standingOf, type Workshop } from "./workshop.ts";

/** The state of a client that is still to be told something; nothing said twice is told twice. */
export function withUntold(outside: OutsideState, more: readonly string[]): OutsideState {
  if (more.length === 0) return outside;
  return { ...outside, untold: [...new Set([...(outside.untold ?? []), ...more])] };
}

/** The state of a client that was told, and what it was told. */
export function tell(outside: OutsideState): {
  readonly outside: OutsideState;
  readonly told: readonly string[];
} {
  const { untold = [], ...rest } = outside;
  return { outside: rest, told: untold };
}

/** What somebody said to a run, in words for its client. */
export function saysOf({ by, text }: Heeded): string {
  return `${by} says about this piece of work: ${text}`;
}

/** Everything that was said to a run so far. */
export async function allSaid(tx: Pick<Transaction, "query">, id: RunId): Promise<readonly string[]> {
  return (await heededSoFar(tx, id)).map(saysOf);
}

/** What people want always done, in words for the client of a run. */
export async function alwaysSaid(workshop: Workshop, run: Run): Promise<readonly string[]> {
  return (await standingOf(workshop, run)).map((one) => `always: ${one}`);
}
