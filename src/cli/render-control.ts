import type { Cancelled, ScheduleLine } from "../server/index.ts";
import { cleanLine } from "./clean-text.ts";
import { renderTable } from "./render-table.ts";
import { renderTime } from "./render-time.ts";
import type { Terminal } from "./terminal.ts";

const REASON_CHARS_MAX = 300;

/** What became of a run that was cancelled, and of those that it had started. */
export function renderCancelled(cancelled: readonly Cancelled[]): string {
  return cancelled
    .flatMap(({ runId, ended, undone, stands, effects, unsent }) => [
      `run ${runId} ${ended ? "is cancelled" : "was over"}` +
        (undone.length === 0 ? "" : `; ${count(undone.length, "change set")} taken back`) +
        (effects === 0 ? "" : `; ${count(effects, "effect")} to be sent`),
      ...stands.map(
        ({ changeSet, because }) =>
          `  change set ${changeSet} stands: ${cleanLine(because, REASON_CHARS_MAX)}`,
      ),
      ...(unsent === null ? [] : [`  nothing was sent for it: ${cleanLine(unsent, REASON_CHARS_MAX)}`]),
    ])
    .join("\n");
}

/** Schedules with the time of their next occurrence. */
export function renderSchedules(
  lines: readonly ScheduleLine[],
  drawing: Pick<Terminal, "framed" | "paint">,
): string {
  const columns = ["agent", "schedule", "when", "next", "last", "remarks"].map((title) => ({ title }));
  const rows = lines.map((line) => [
    ...[cleanLine(line.agent), cleanLine(line.name), cleanLine(`${line.cron} ${line.zone}`)],
    line.nextAt === null ? "never" : renderTime(line.nextAt),
    line.lastAt === null ? "" : renderTime(line.lastAt),
    remarks(line),
  ]);
  return renderTable(columns, rows, drawing);
}

function remarks({ problem, passedOver }: ScheduleLine): string {
  const passed =
    passedOver === null ? [] : [`missed ${renderTime(passedOver.from)} to ${renderTime(passedOver.to)}`];
  return [...passed, ...(problem === null ? [] : [cleanLine(problem, REASON_CHARS_MAX)])].join("; ");
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
