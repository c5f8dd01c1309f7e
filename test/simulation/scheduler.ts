/** Lets processes act one at a time, in an order drawn from a seed, and strikes them by it. */
import { vi } from "vitest";
import type { Act, Fate, SimulatedProcess } from "./process.ts";
import type { Traffic } from "./traffic.ts";

/** What a simulation is made of. */
export type Simulation = {
  readonly random: () => number;
  readonly traffic: Traffic;
  /** Of these there are always so many; a dead one is followed by another. */
  readonly processes: number;
  readonly spawn: (waits: (act: Act) => void) => Promise<SimulatedProcess>;
  /**
   * An act of the world outside, which waits for nobody: a letter comes, the business clock goes on. Says
   * which.
   */
  readonly outside: () => Promise<string>;
  /** A process stands still for longer than its lease. */
  readonly lapse: (process: SimulatedProcess) => Promise<void>;
  /** Milliseconds on the workers' clock after which a lease is renewed. */
  readonly renewMs: number;
  /** Throws where something does not hold, after each act; whether everything is done. */
  readonly check: (touched: ReadonlySet<string>) => Promise<boolean>;
  readonly actsMax: number;
};

/** What was done, in order. */
export type Trace = string[];

const CHANCE = { crash: 0.015, lost: 0.03, freeze: 0.02, cut: 0.015, outside: 0.05, ring: 0.05, time: 0.1 };
/** Workers look for runs each second. */
const TICK_MS = 400;
const FROZEN_ACTS_MAX = 40;
/** Of its acts, the last ones are without strikes, so that everything can end. */
const STORMY_SHARE = 0.8;

/** Runs a simulation until everything is done. `trace` tells what was done, also where it throws. */
export async function simulate(simulation: Simulation, trace: Trace): Promise<void> {
  const { random, traffic, actsMax } = simulation;
  const living: SimulatedProcess[] = [];
  let waiting: Act[] = [];
  const happens = (chance: number): boolean => random() < chance;

  /** By process and place, not by who came first within a moment: that is up to the machine. */
  const able = (): Act[] =>
    waiting
      .filter(({ process }) => process.frozenFor <= 0)
      .toSorted((a, b) => compare(a.process.name, b.process.name) || a.place - b.place);
  const thaw = async (): Promise<void> => {
    for (const process of living.filter(({ frozenFor }) => frozenFor > 0)) {
      process.frozenFor -= 1;
      // What it finds first is that a renewal is overdue.
      if (process.frozenFor === 0) await vi.advanceTimersByTimeAsync(simulation.renewMs);
    }
  };
  const bury = (process: SimulatedProcess): void => {
    living.splice(living.indexOf(process), 1);
    for (const act of waiting.filter((one) => one.process === process)) void act.happen("crash");
    waiting = waiting.filter((one) => one.process !== process);
  };
  const strike = async (process: SimulatedProcess): Promise<void> => {
    if (happens(CHANCE.freeze)) {
      trace.push(`${process.name} stands still`);
      process.frozenFor = Math.ceil(random() * FROZEN_ACTS_MAX);
      await simulation.lapse(process);
      await process.endTurns();
    } else if (happens(CHANCE.cut)) {
      trace.push(`${process.name} is cut off`);
      await process.cut();
    }
  };
  const goOn = async (stormy: boolean): Promise<void> => {
    const acts = able();
    const act = acts[Math.floor(random() * acts.length)];
    if (act === undefined || happens(CHANCE.time)) {
      trace.push("time");
      await vi.advanceTimersByTimeAsync(TICK_MS);
      return;
    }
    waiting.splice(waiting.indexOf(act), 1);
    const dice = stormy ? random() : 1;
    const fate: Fate = dice < CHANCE.crash ? "crash" : dice < CHANCE.crash + CHANCE.lost ? "lost" : "done";
    trace.push(`${act.process.name} ${act.label}: ${fate}`);
    if (fate === "crash") await act.process.crash();
    void act.happen(fate);
    if (fate === "crash") bury(act.process);
    if (fate !== "done" || !stormy) return;
    await traffic.settled();
    await strike(act.process);
  };

  try {
    for (let acts = 0; ; acts += 1) {
      if (acts >= actsMax) throw new Error(`not done after ${actsMax} acts`);
      const stormy = acts < actsMax * STORMY_SHARE;
      while (living.length < simulation.processes) {
        living.push(await simulation.spawn((act) => waiting.push(act)));
        await traffic.settled();
      }
      await thaw();
      await goOn(stormy);
      // Before bells and letters: whether they come before or after its effect is not up to the machine.
      await traffic.settled();
      for (const process of living) if (happens(CHANCE.ring)) process.ring();
      if (happens(CHANCE.outside)) {
        trace.push(await simulation.outside());
      }
      await traffic.settled();
      if (await simulation.check(traffic.takeTouched())) break;
    }
  } finally {
    // Also where something did not hold: whoever waits for an act would wait forever.
    for (const process of living) {
      await process.crash();
      for (const act of waiting.filter((one) => one.process === process)) void act.happen("crash");
    }
    await traffic.settled();
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
