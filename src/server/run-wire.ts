import type { Comparison } from "../agents/index.ts";
import type { LimitLine, ScheduleLine, Step, WorkerLine } from "../runs/index.ts";

/** A schedule as JSON. */
export function scheduleJson(line: ScheduleLine) {
  const { agent, name, cron, zone, calendar, missed, nextAt, lastAt, passedOver, problem } = line;
  return {
    ...{ agent, name, cron, zone, calendar: calendar ?? null, missed, problem },
    ...{ nextAt: instant(nextAt), lastAt: instant(lastAt) },
    passedOver: passedOver === null ? null : { from: instant(passedOver.from), to: instant(passedOver.to) },
  };
}

/** A step of a run's timeline as JSON. */
export function stepJson(step: Step) {
  return { ...step, seq: String(step.seq), at: instant(step.at) };
}

/** A worker as JSON. */
export function workerJson({ startedAt, ...line }: WorkerLine) {
  return { ...line, startedAt: instant(startedAt) };
}

/** Two runs side by side, as JSON. */
export function comparisonJson({ runs, ...rest }: Comparison) {
  const sides = runs.map(({ cost, tokens, value, ...one }) => ({
    ...one,
    ...{ costMicroUsd: String(cost), tokens: String(tokens), valueMicroUsd: String(value) },
  }));
  return { runs: sides, ...rest };
}

/** A limit as JSON. */
export function limitJson({ atOnce, perMinute, ...line }: LimitLine) {
  return { ...line, atOnce: atOnce ?? null, perMinute: perMinute ?? null };
}

function instant(at: Date | null): string | null {
  return at === null ? null : at.toISOString();
}
