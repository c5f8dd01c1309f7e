import type { AgreementView, Settlement } from "../server/index.ts";
import { cleanLine } from "./clean-text.ts";
import { renderTable } from "./render-table.ts";
import type { Terminal } from "./terminal.ts";

type Drawing = Pick<Terminal, "framed" | "paint">;

/** A settlement: its lines, and what they come to. */
export function renderSettlement(settlement: Settlement, drawing: Drawing): string {
  const { agreement, period, currency, lines, owed } = settlement;
  const columns = [
    ...[{ title: "clause" }, { title: "earned in" }, { title: "from" }, { title: "to" }],
    ...[{ title: currency, align: "right" as const }, { title: "because" }],
  ];
  const rows = lines.map((line) =>
    [line.clause, line.earnedIn, line.from, line.to, line.amount, line.because].map(cleanLine),
  );
  const sums = owed.map(({ from, to, amount }) => cleanLine(`${from} owes ${to} ${amount} ${currency}`));
  return [
    drawing.paint.bold(cleanLine(`${agreement} in ${period}`)),
    ...(rows.length === 0 ? [] : [renderTable(columns, rows, drawing)]),
    ...(sums.length === 0 ? ["nobody owes anything"] : sums),
  ].join("\n");
}

/** An agreement as it reads at a time, with its declared events. */
export function renderView(view: AgreementView, drawing: Drawing): string {
  const { terms, verifications, closed } = view;
  const columns = [{ title: "clause" }, { title: "kind" }, { title: "until" }, { title: "text" }];
  const rows = terms.clauses.map((clause) => {
    const until = [clause.until?.date, clause.until?.event].filter((end) => end !== undefined);
    return [clause.id, clause.kind, until.join(" or "), clause.text].map(cleanLine);
  });
  return [
    drawing.paint.bold(cleanLine(`${view.agreement}, version ${view.version}: ${terms.parties.join(", ")}`)),
    renderTable(columns, rows, drawing),
    ...verifications.map((one) =>
      cleanLine(
        `${one.event}: declared by ${one.by} at ${one.declaredAt}, ${one.signed} of ${one.quorum} stand ` +
          (one.verifiedAt === null ? "by it, not verified" : `by it, verified at ${one.verifiedAt}`),
      ),
    ),
    closed.length === 0
      ? "no period is closed"
      : cleanLine(`closed: ${closed.map((one) => one.settlement.period).join(", ")}`),
  ].join("\n");
}
