import type { LimitLine, ScheduleLine, WorkerLine } from "../runs/index.ts";

/** A schedule as JSON. */
export function scheduleJson(line: ScheduleLine) {
  const { agent, name, cron, zone, calendar, missed, nextAt, lastAt, passedOver, problem } = line;
  return {
    ...{ agent, name, cron, zone, calendar: calendar ?? null, missed, problem },
    ...{ nextAt: instant(nextAt), lastAt: instant(lastAt) },
    passedOver: passedOver === null ? null : { from: instant(passedOver.from), to: instant(passedOver.to) },
  };
}

/** A worker as JSON. */
export function workerJson({ startedAt, ...line }: WorkerLine) {
  return { ...line, startedAt: instant(startedAt) };
}

/** A limit as JSON. */
export function limitJson({ atOnce, perMinute, ...line }: LimitLine) {
  return { ...line, atOnce: atOnce ?? null, perMinute: perMinute ?? null };
}

function instant(at: Date | null): string | null {
  return at === null ? null : at.toISOString();
}
