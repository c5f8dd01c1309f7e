import type { Invoice, tracedLineJson } from "../server/index.ts";
import { cleanLine } from "./clean-text.ts";
import { renderTable } from "./render-table.ts";
import type { Terminal } from "./terminal.ts";

type Drawing = Pick<Terminal, "framed" | "paint">;
const right = (title: string) => ({ title, align: "right" as const });
const left = (title: string) => ({ title });

/** An invoice: its lines, how many facts each comes from, and their sum. */
export function renderInvoice(invoice: Invoice, drawing: Drawing): string {
  const { subscription, customer, period, currency, lines, total } = invoice;
  const columns = [right("line"), left("what"), left("item"), left("plan"), right("quantity")];
  const rows = lines.map((line, at) => [
    ...[String(at + 1), line.kind, cleanLine(line.item), cleanLine(line.plan), line.quantity, line.price],
    ...[line.amount, line.arisesIn, String(line.events.length)],
  ]);
  const more = [right("price"), right(currency), left("arises in"), right("facts")];
  return [
    drawing.paint.bold(cleanLine(`${customer}, ${subscription} in ${period}`)),
    ...(rows.length === 0 ? [] : [renderTable([...columns, ...more], rows, drawing)]),
    cleanLine(`${total} ${currency}`),
  ].join("\n");
}

/** A line of an invoice with the facts that it comes from, and who counted what they tell. */
export function renderTracedLine(traced: ReturnType<typeof tracedLineJson>, drawing: Drawing): string {
  const { line, facts, currency, subscription, period } = traced;
  const rows = facts.map(({ event, metered, usage }) => [
    ...[cleanLine(event.id), event.kind, event.at, metered?.units ?? "-", metered?.billed ?? "-"],
    usage === null ? "-" : cleanLine(`${usage.source} ${usage.id}${usage.disputed ? ", disputed" : ""}`),
    usage === null ? "-" : `${usage.quantity} ${cleanLine(usage.meter)}`,
  ]);
  const title = `${subscription} in ${period}: ${line.kind} of ${line.item}, ${line.amount} ${currency}`;
  const columns = [left("fact"), left("what"), left("at"), right("units"), right("billed")];
  return [
    drawing.paint.bold(cleanLine(title)),
    renderTable([...columns, left("usage event"), right("counted")], rows, drawing),
  ].join("\n");
}
