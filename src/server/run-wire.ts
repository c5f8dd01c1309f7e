import type { ScheduleLine } from "../runs/index.ts";

/** A schedule as JSON. */
export function scheduleJson(line: ScheduleLine) {
  const { agent, name, cron, zone, calendar, missed, nextAt, lastAt, passedOver, problem } = line;
  return {
    ...{ agent, name, cron, zone, calendar: calendar ?? null, missed, problem },
    ...{ nextAt: instant(nextAt), lastAt: instant(lastAt) },
    passedOver: passedOver === null ? null : { from: instant(passedOver.from), to: instant(passedOver.to) },
  };
}

function instant(at: Date | null): string | null {
  return at === null ? null : at.toISOString();
}
