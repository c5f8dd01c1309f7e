import type { AgreementVersion, Clause } from "./agreement.ts";
import { sidesOf } from "./agreement.ts";
import { type Book, clauseIds, lastWording, openBook } from "./book.ts";
import { capLines } from "./caps.ts";
import { commitmentDue } from "./commitments.ts";
import type { Due } from "./earned.ts";
import { refuseTerms } from "./errors.ts";
import type { KnownEvent } from "./event.ts";
import { type Exact, exact, exactText, minorFromText, minorText, sum, toMinor, zero } from "./exact.ts";
import { investmentDue } from "./investments.ts";
import { netted } from "./netting.ts";
import type { ClosedSettlement, Line, LineKind, Settlement } from "./settlement.ts";
import { royaltyDue, shareDue } from "./shares.ts";
import { moment, momentText, type Period, periodAfter, periodAt, periodNamed } from "./when.ts";

/**
 * Everything that was ever told about one agreement. What was not yet known at the time asked about is left
 * out.
 */
export type AgreementFacts = {
  readonly versions: readonly AgreementVersion[];
  readonly events: readonly KnownEvent[];
  readonly closed: readonly ClosedSettlement[];
};

/** The most periods between the first open one and the one asked about: a hundred years of months. */
const PERIODS_MAX = 1_200;

/**
 * Who owes whom for a period, with the derivation: what held at that time, as it was known at `knownAt`.
 * Pure: the same facts in any order, however often they are told, give the same bytes.
 *
 * A period that had been closed by then is returned as it was closed. The first open period also carries the
 * corrections of the closed ones. Amounts are exact until each line is rounded, once.
 *
 * @param period its name: `2026-03`, `2026-Q1` or `2026`, by the agreement's period
 * @param knownAt an instant
 * @throws {TermsError} the codes of `openBook`; `period-name`; `period-outside` before the agreement began,
 * or too far ahead; `rate-missing` when an exchange rate is not known
 */
export function computeSettlement(facts: AgreementFacts, period: string, knownAt: string): Settlement {
  const known = moment(knownAt, "UTC");
  const book = openBook(facts.versions, facts.events, known);
  const { zone, period: length, from } = book.frame;
  const wanted = periodNamed(period, length, zone);
  const closed = facts.closed
    .filter((one) => moment(one.knownAt, "UTC") <= known)
    .sort((left, right) => left.ordinal - right.ordinal)
    .map((one) => one.settlement);
  const kept = closed.find((settlement) => settlement.period === wanted.name);
  if (kept !== undefined) return kept;
  const last = closed.at(-1);
  const firstOpen = periodAt(last === undefined ? moment(from, zone) : moment(last.to, "UTC"), length, zone);
  if (wanted.from < firstOpen.from) {
    throw refuseTerms(
      "period-outside",
      `${book.agreement} begins in ${firstOpen.name}: there is nothing to settle for ${period}`,
    );
  }
  return settleUpTo(book, closed, firstOpen, wanted);
}

/** Caps count what was paid before, so open periods before the one asked about are settled on the way. */
function settleUpTo(
  book: Book,
  closed: readonly Settlement[],
  firstOpen: Period,
  wanted: Period,
): Settlement {
  const { zone, period: length } = book.frame;
  const hasCaps = book.wordings.some(({ terms }) => terms.clauses.some((clause) => clause.kind === "cap"));
  const before = [...closed];
  let at = firstOpen;
  for (let count = 1; at.from < wanted.from; count += 1) {
    if (count > PERIODS_MAX) {
      throw refuseTerms(
        "period-outside",
        `${wanted.name} is more than ${PERIODS_MAX} periods after ${firstOpen.name}`,
      );
    }
    if (hasCaps) before.push(settleOne(book, before, at, at === firstOpen ? closed : []));
    at = periodAfter(at, length, zone);
  }
  return settleOne(book, before, wanted, wanted.from === firstOpen.from ? closed : []);
}

function settleOne(
  book: Book,
  before: readonly Settlement[],
  period: Period,
  correcting: readonly Settlement[],
): Settlement {
  const own = clauseIds(book).flatMap((id) => ownLine(book, lastWording(book, id), period));
  const corrections = correcting.flatMap((settlement) => correctionsOf(book, settlement, correcting));
  const lines = [...own, ...corrections];
  const all = [...lines, ...capLines(book, period, lines, before)];
  return {
    ...{ agreement: book.agreement, period: period.name, currency: book.frame.currency },
    ...{ from: momentText(period.from), to: momentText(period.to) },
    lines: all,
    owed: netted(all, book.frame),
  };
}

/** What a clause comes to for one period, uncorrected and uncapped; nothing where nothing speaks of it. */
function ownLine(book: Book, clause: Clause, period: Period): Line[] {
  const sides = sidesOf(clause);
  if (sides === null) return [];
  const line = (kind: LineKind, due: Due, settles: Line["settles"], because: string): Line[] =>
    due.pieces.length === 0
      ? []
      : [
          {
            ...{ clause: clause.id, kind, ...sides, settles, earnedIn: period.name, because },
            amount: minorText(toMinor(due.amount, book.frame), book.frame.digits),
            derivation: due.pieces,
          },
        ];
  switch (clause.kind) {
    case "share":
      return line(
        "share",
        shareDue(book, clause.id, period),
        "owed",
        `share of revenue earned in ${period.name}`,
      );
    case "commitment":
      return line(
        "commitment",
        commitmentDue(book, clause.id, period),
        "owed",
        "what is missing of the commitment",
      );
    case "investment":
      return line(
        "result",
        investmentDue(book, clause, period),
        "shown",
        `part of the result of ${clause.company}`,
      );
    case "licence": {
      const due = royaltyDue(book, clause.id, period);
      if (due === null) return [];
      const use = {
        units: exactText(due.units),
        cost: money(book, due.cost),
        imputed: money(book, due.imputed),
      };
      // By what it came to: a later wording that is free of royalties makes no earlier use so.
      const free = due.amount.equals(zero);
      return line("royalty", due, free ? "shown" : "owed", free ? "royalty-free use" : "royalty by use").map(
        (one) => ({ ...one, use }),
      );
    }
    case "cap":
      return [];
    default:
      return clause satisfies never;
  }
}

/** What a closed period comes to now, less what was settled for it then and since. */
function correctionsOf(book: Book, settlement: Settlement, closed: readonly Settlement[]): Line[] {
  const { zone, period: length, digits } = book.frame;
  const period = periodNamed(settlement.period, length, zone);
  return clauseIds(book).flatMap((id) => {
    const settledLines = closed.flatMap((one) =>
      one.lines.filter((line) => line.clause === id && line.earnedIn === period.name && line.kind !== "cap"),
    );
    const clause = lastWording(book, id);
    const now = ownLine(book, clause, period)[0];
    const model = now ?? settledLines[0];
    if (model === undefined) return [];
    const settled = settledLines.reduce((total, line) => total + minorFromText(line.amount, digits), 0n);
    const due = now === undefined ? 0n : minorFromText(now.amount, digits);
    const { use, ...line } = model;
    const isOwed = [model, ...settledLines].some(({ settles }) => settles === "owed");
    const more = useLeft(book, now?.use ?? noUse, settledLines);
    if (due === settled && more === null) return [];
    return [
      {
        ...line,
        settles: isOwed ? ("owed" as const) : line.settles,
        ...(use === undefined || more === null ? {} : { use: more }),
        amount: minorText(due - settled, digits),
        corrects: { settled: minorText(settled, digits), now: minorText(due, digits) },
        because: `correction of ${period.name}, which is closed`,
        derivation: now?.derivation ?? [],
      },
    ];
  });
}

type Use = NonNullable<Line["use"]>;
const noUse: Use = { units: "0", cost: "0", imputed: "0" };

/** What use there was beyond what was shown of it; null where nothing is left to show. */
function useLeft(book: Book, now: Use, settled: readonly Line[]): Use | null {
  const left = (field: keyof Use): Exact =>
    exact(now[field]).sub(sum(settled.map((line) => exact((line.use ?? noUse)[field]))));
  const [units, cost, imputed] = [left("units"), left("cost"), left("imputed")];
  if ([units, cost, imputed].every((value) => value.equals(zero))) return null;
  return { units: exactText(units), cost: money(book, cost), imputed: money(book, imputed) };
}

function money(book: Book, amount: Due["amount"]): string {
  return minorText(toMinor(amount, book.frame), book.frame.digits);
}
