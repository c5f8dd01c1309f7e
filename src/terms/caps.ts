import type { ClauseOf } from "./agreement.ts";
import type { Book } from "./book.ts";
import { exact, minorFromText, minorText, toMinor } from "./exact.ts";
import { segmentsOf } from "./in-force.ts";
import type { Line, Settlement } from "./settlement.ts";
import { clausesOf } from "./shares.ts";
import { overlap, type Period } from "./when.ts";

/**
 * What caps keep from the lines of a period. What was ever paid under a cap stays between 0 and the cap: more
 * is not paid, a claw-back makes room again, and nobody gives back more than they got. A cap that was lowered
 * below what was paid takes nothing back by itself, and lets claw-backs be paid whole.
 */
export function capLines(
  book: Book,
  period: Period,
  lines: readonly Line[],
  before: readonly Settlement[],
): readonly Line[] {
  return clausesOf(book, "cap").flatMap(({ id }) => {
    const clause = segmentsOf(book, id, "cap").findLast(
      (segment) => overlap(segment, period) !== null,
    )?.clause;
    const model = lines.find((line) => clause?.clauses.includes(line.clause));
    return clause === undefined || model === undefined
      ? []
      : capLine(book, { clause, model, period, lines, before });
  });
}

function capLine(
  book: Book,
  at: {
    readonly clause: ClauseOf<"cap">;
    readonly model: Line;
    readonly period: Period;
    readonly lines: readonly Line[];
    readonly before: readonly Settlement[];
  },
): readonly Line[] {
  const { frame } = book;
  const { clause, model } = at;
  const add = (lines: readonly Line[]): bigint =>
    lines
      .filter((line) => line.clause === clause.id || clause.clauses.includes(line.clause))
      .reduce((total, line) => total + minorFromText(line.amount, frame.digits), 0n);
  const due = add(at.lines);
  const paid = toMinor(exact(clause.paidBefore), frame) + add(at.before.flatMap((one) => one.lines));
  const cap = toMinor(exact(clause.amount), frame);
  const room = cap > paid ? cap - paid : 0n;
  const capped = due > room ? room : due;
  const pays = capped < -paid ? -paid : capped;
  if (pays === due) return [];
  const text = (minor: bigint): string => minorText(minor, frame.digits);
  return [
    {
      ...{ clause: clause.id, kind: "cap", from: model.from, to: model.to, settles: "owed" },
      ...{ earnedIn: at.period.name, amount: text(pays - due), derivation: [] },
      because: `${text(paid)} paid of at most ${text(cap)}: ${text(due)} due, ${text(pays)} payable`,
    },
  ];
}
