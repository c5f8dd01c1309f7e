import {
  type BudgetLine,
  type Entry,
  joulesText,
  type LedgerSummary,
  type Margin,
  type MarginKey,
} from "../server/index.ts";
import { cleanLine } from "./clean-text.ts";
import { renderMoney } from "./render-money.ts";
import { renderTable } from "./render-table.ts";
import { renderTime } from "./render-time.ts";
import type { Terminal } from "./terminal.ts";

type Drawing = Pick<Terminal, "framed" | "paint">;
const right = (title: string) => ({ title, align: "right" as const });

/** The sums of a part of the ledger. */
export function renderLedger({ statement, routing }: LedgerSummary, drawing: Drawing): string {
  const { cost, loss, value, usage, millijoules, calls, runs, byModel } = statement;
  const rows = [
    ["value", renderMoney(value)],
    ["cost", renderMoney(cost)],
    ["paid for broken calls, at most", renderMoney(loss)],
    ["margin", renderMoney(value - cost - loss)],
    ["runs", String(runs)],
    ["calls", String(calls)],
    ...Object.entries(usage).map(([kind, count]) => [
      `tokens, ${kind.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}`,
      count.toLocaleString("en-US"),
    ]),
    ...(millijoules === 0n ? [] : [["joules of own engines", joulesText(millijoules)]]),
    ...byModel.map((one) => [`cost of ${cleanLine(one.model)}`, renderMoney(one.cost)]),
    ...(routing === null || routing.runs === 0
      ? []
      : [[`saved against always ${cleanLine(routing.strongest)}, estimated`, renderMoney(routing.saved)]]),
  ];
  return renderTable([{ title: "" }, right("")], rows, drawing);
}

/** Booked rows. */
export function renderEntries(entries: readonly Entry[], drawing: Drawing): string {
  const columns = ["entry", "at", "run", "kind", "debit", "credit"].map((title) => ({ title }));
  const rows = entries.map(({ id, at, runId, kind, debit, credit, amount, model, because }) => [
    ...[id, renderTime(at), runId ?? "-", kind, debit, credit, renderMoney(amount)],
    ...[cleanLine(model ?? "-"), cleanLine(because)],
  ]);
  return renderTable([...columns, right("amount"), { title: "model" }, { title: "because" }], rows, drawing);
}

/** Contribution margins. */
export function renderMargins(by: MarginKey, lines: readonly Margin[], drawing: Drawing): string {
  const columns = [
    { title: by },
    ...["value", "cost", "broken calls", "margin", "runs", "resolved", "per resolved"].map(right),
  ];
  const rows = lines.map((one) => [
    ...[cleanLine(one.key ?? "-"), renderMoney(one.value), renderMoney(one.cost), renderMoney(one.loss)],
    ...[renderMoney(one.margin), String(one.runs), String(one.resolved)],
    renderMoney(one.costPerResolved ?? undefined),
  ]);
  return renderTable(columns, rows, drawing);
}

/** Budgets, and when their caps will be reached at the rate of late. */
export function renderBudgets(lines: readonly BudgetLine[], drawing: Drawing): string {
  const columns = [
    { title: "budget" },
    ...["spent", "held", "cap", "left"].map(right),
    ...["period", "soft", "cap reached at this rate"].map((title) => ({ title })),
  ];
  const rows = lines.map(({ name, spent, held, cap, period, soft, beyondSoft, forecast }) => [
    ...[cleanLine(name), renderMoney(spent), renderMoney(held), renderMoney(cap ?? undefined)],
    ...[renderMoney(cap === null ? undefined : cap - spent - held), period],
    soft === null ? "-" : `${renderMoney(soft)}, then ${beyondSoft}`,
    forecast?.capReachedAt ? renderTime(forecast.capReachedAt) : "-",
  ]);
  return renderTable(columns, rows, drawing);
}
