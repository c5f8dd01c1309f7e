import { type KeptLine, type Reconciled, usdText } from "../server/index.ts";
import { cleanLine } from "./clean-text.ts";
import { renderTable } from "./render-table.ts";
import { renderTime } from "./render-time.ts";
import type { Terminal } from "./terminal.ts";

type Drawing = Pick<Terminal, "framed" | "paint">;
const right = (title: string) => ({ title, align: "right" as const });

/** A bill beside the ledger: its sums, and every difference with its lines and calls. */
export function renderReconciliation(found: Reconciled, drawing: Drawing): string {
  const { billed, booked, differences, losses } = found;
  const dollars = (amount: typeof booked): string => `$${usdText(amount)}`.replace("$-", "-$");
  const sums = [
    ["billed", billed === null ? "counts only" : dollars(billed)],
    ["booked", dollars(booked)],
    ...(billed === null ? [] : [["difference", dollars(billed.minus(booked))]]),
    ["lines of the bill", String(found.lines)],
    ["calls booked", String(found.calls)],
    ["in agreement", String(found.agreed)],
    ...(losses.calls === 0
      ? []
      : [["broken calls, perhaps billed, at most", `${dollars(losses.amount)} (${losses.calls})`]]),
    ...(found.kept === 0 ? [] : [["lines kept", String(found.kept)]]),
  ];
  const head = renderTable([{ title: "" }, right("")], sums, drawing);
  if (differences.length === 0) return head;
  const columns = ["difference", "what", "lines", "calls"].map((title) => ({ title }));
  const rows = differences.map(({ kind, subject, lines, calls, amount, because }) => [
    ...[kind, cleanLine(subject), cleanLine(lines.join(" ")), cleanLine(calls.join(" "))],
    ...[dollars(amount), cleanLine(because)],
  ]);
  return `${head}\n\n${renderTable([...columns, right("amount"), { title: "because" }], rows, drawing)}`;
}

/** What providers said of a call. */
export function renderKeptLines(lines: readonly KeptLine[], drawing: Drawing): string {
  const columns = ["bill", "line", "provider's id", "model", "tokens"].map((title) => ({ title }));
  const rows = lines.map((line) => [
    ...[line.bill.slice(0, 12), line.line, cleanLine(line.providerId ?? "-"), cleanLine(line.model ?? "-")],
    Object.entries(line.tokens)
      .map(([kind, count]) => `${kind} ${count}`)
      .join(", "),
    ...[line.amountUsd === null ? "-" : `$${line.amountUsd}`, renderTime(line.keptAt)],
  ]);
  return renderTable([...columns, right("amount"), { title: "kept" }], rows, drawing);
}
