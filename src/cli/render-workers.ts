import type { WorkerLine } from "../server/index.ts";
import { cleanLine } from "./clean-text.ts";
import { renderTable } from "./render-table.ts";
import { renderTime } from "./render-time.ts";
import type { Terminal } from "./terminal.ts";

/** A listing of workers. */
export function renderWorkers(
  lines: readonly WorkerLine[],
  drawing: Pick<Terminal, "framed" | "paint">,
): string {
  const columns = [
    { title: "worker", align: "right" as const },
    ...["name", "stands", "since", "works for", "at once", "runs in hand"].map((title) => ({ title })),
  ];
  const rows = lines.map((line) => [
    line.id,
    cleanLine(line.name),
    line.living ? "works" : "gone",
    renderTime(line.startedAt),
    line.agents === null ? "all agents" : cleanLine(line.agents.join(", ")),
    line.concurrency === null ? "" : String(line.concurrency),
    inHand(line),
  ]);
  return renderTable(columns, rows, drawing);
}

function inHand({ held, runs }: WorkerLine): string {
  const more = held - runs.length;
  return held === 0 ? "none" : `${runs.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
