import { formatUsd } from "../kernel/index.ts";
import type { Blame } from "../server/index.ts";
import { cleanLine } from "./clean-text.ts";
import { renderChanges } from "./render-changes.ts";
import { renderTime } from "./render-time.ts";
import type { Paint } from "./terminal.ts";

/** The history of one row, newest first: who, why, by which model, at what cost, and what changed. */
export function renderBlame(changes: readonly Blame[], paint: Paint): string {
  return changes.map((one) => renderOne(one, paint).join("\n")).join("\n\n");
}

function renderOne(one: Blame, paint: Paint): readonly string[] {
  const by = `${cleanLine(one.agent)}, run ${one.runId}, attempt ${one.attempt}`;
  const model = one.model === undefined ? "no model" : cleanLine(one.model);
  const cost = one.costMicroUsd === undefined ? "" : `, ${formatUsd(one.costMicroUsd)}`;
  return [
    `${paint.bold(`change set ${one.id}`)}  ${paint.dim(renderTime(one.at))}  ${by}`,
    `  ${cleanLine(one.because)} ${paint.dim(`(${model}${cost})`)}${undoing(one, paint)}`,
    ...renderChanges([one.change], paint),
  ];
}

function undoing({ undoes, undoneBy }: Blame, paint: Paint): string {
  const takes = undoes === null ? "" : paint.yellow(`  takes back change set ${undoes}`);
  return undoneBy === null ? takes : `${takes}${paint.red(`  taken back by change set ${undoneBy}`)}`;
}
