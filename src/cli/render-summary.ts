import { costPerResolved, type EffectCount, type Summary } from "../server/index.ts";
import { renderCost, renderMoney } from "./render-money.ts";
import { renderTable } from "./render-table.ts";
import type { Terminal } from "./terminal.ts";

/** What came of reading the intake, before any of it was worked on. */
export type IntakeCount = {
  /** What the items are called, in the plural: `notices`. */
  readonly noun: string;
  readonly read: number;
  readonly duplicates: number;
  readonly unreadable: number;
};

/** The table at the end of `run`. Rows about what did not happen and seldom does are left out. */
export function renderSummary(
  intake: IntakeCount | undefined,
  summary: Summary,
  drawing: Pick<Terminal, "framed" | "paint">,
  effects?: EffectCount,
): string {
  const rows = [
    ...(intake === undefined ? [] : intakeRows(intake)),
    ...summaryRows(intake?.noun ?? "runs", summary),
    ...(effects === undefined ? [] : effectRows(effects)),
  ];
  return renderTable([{ title: "" }, { title: "", align: "right" }], rows, drawing);
}

function intakeRows({ noun, read, duplicates, unreadable }: IntakeCount): readonly (readonly string[])[] {
  return [
    [`${noun} read`, String(read)],
    ["duplicates", String(duplicates)],
    ["unreadable", String(unreadable)],
  ];
}

function summaryRows(noun: string, summary: Summary): readonly (readonly string[])[] {
  return [
    ["resolved without a person", String(summary.resolved)],
    ...seldom("resolved after an answer", summary.answered),
    ["waiting for a person", String(summary.waiting)],
    ["refused", String(summary.refused)],
    ...seldom("discarded by a person", summary.discarded),
    ...seldom("undone", summary.undone),
    ...seldom("failed", summary.failed),
    ...seldom("still to be worked off", summary.working),
    ["rows changed", String(summary.rowsChanged)],
    ["cost", renderCost(summary.cost, summary.tokens)],
    ...(summary.loss === 0n ? [] : [["paid for broken calls, at most", renderMoney(summary.loss)]]),
    ["value", renderMoney(summary.value)],
    [`cost per resolved ${singular(noun)}`, renderMoney(costPerResolved(summary))],
  ];
}

/** Without channels there is nothing to tell. */
function effectRows(effects: EffectCount): readonly (readonly string[])[] {
  return [
    ...seldom("effects sent", effects.delivered),
    ...seldom("effects on their way", effects.waiting + effects.delivering),
    ...seldom("effects that could not be sent", effects.dead),
  ];
}

function seldom(label: string, count: number): readonly (readonly string[])[] {
  return count === 0 ? [] : [[label, String(count)]];
}

/** English plurals in -s are all that an intake's option name is expected to be. */
function singular(noun: string): string {
  return noun.endsWith("s") ? noun.slice(0, -1) : noun;
}
