import type { RunLine } from "../server/index.ts";
import { cleanLine } from "./clean-text.ts";
import { renderTable } from "./render-table.ts";
import { renderTime } from "./render-time.ts";
import type { Terminal } from "./terminal.ts";

const TITLE_CHARS_MAX = 60;

/** A listing of runs. */
export function renderRuns(lines: readonly RunLine[], drawing: Pick<Terminal, "framed" | "paint">): string {
  const columns = [
    { title: "run", align: "right" as const },
    ...["agent", "status", "came to", "started", "wakes", "what"].map((title) => ({ title })),
  ];
  const rows = lines.map((line) => [
    line.id,
    cleanLine(line.agent),
    line.status,
    line.disposition ?? "",
    renderTime(line.createdAt),
    line.wakeAt === null ? "" : renderTime(line.wakeAt),
    cleanLine(line.title, TITLE_CHARS_MAX),
  ]);
  return renderTable(columns, rows, drawing);
}
