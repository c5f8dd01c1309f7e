/**
 * Measures the reader alone on a file of notices: `node measure.ts FILE.jsonl [--taught] [--scramble SEED]`.
 *
 * The same definitions as the desk's bench: *wrong* is anything sure that differs from what was
 * expected, *resolved* is everything sure and equal, *asked* is any doubt.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Statement } from "../notice.ts";
import { collapse, expectedOf, inventoryOf, type NoticeRow, parseRows, toNotice } from "./bench-rows.ts";
import { learn } from "./learn.ts";
import { hasShapeOf } from "./lessons.ts";
import { readNotice } from "./read.ts";
import { scramble } from "./scramble.ts";
import type { Knowledge, Lesson, Reading } from "./types.ts";
import { underivable } from "./underivable.ts";

/** What became of one row. */
export type Measured = {
  readonly id: string;
  readonly provider: string;
  readonly outcome: "resolved" | "asked" | "wrong";
  readonly differences: readonly string[];
  readonly doubts: readonly string[];
  /** A notice of the same carrier and form was taught before this one was read. */
  readonly taughtBefore: boolean;
};

export function measure(rows: readonly NoticeRow[], options: { readonly taught: boolean }): Measured[] {
  const inventory = inventoryOf(rows);
  const lessons: Lesson[] = [];
  return rows.map((row) => {
    const notice = toNotice(row);
    const knowledge: Knowledge = { ...inventory, lessons };
    const expected = expectedOf(row);
    const reading = readNotice(notice, knowledge);
    const measured = judge(
      row,
      reading,
      expected,
      lessons.some((lesson) => lesson.carrier === row.provider && hasShapeOf(notice, lesson)),
    );
    if (options.taught && measured.outcome === "asked") lessons.push(...learn(notice, expected, knowledge));
    return measured;
  });
}

function judge(
  row: NoticeRow,
  reading: Reading,
  expected: readonly Statement[],
  taughtBefore: boolean,
): Measured {
  const doubts = reading.doubts.map((doubt) => `${doubt.field}: ${doubt.because}`);
  const skip = underivable(row);
  const differences =
    doubts.length > 0
      ? []
      : differencesOf(reading.statements, expected, new Set(skip.map(({ field }) => field)));
  const outcome = doubts.length > 0 ? "asked" : differences.length > 0 ? "wrong" : "resolved";
  return { id: row.id, provider: row.provider, outcome, differences, doubts, taughtBefore };
}

/** Every way in which what would be committed differs from what was expected. */
export function differencesOf(
  got: readonly Statement[],
  expected: readonly Statement[],
  skip: ReadonlySet<string>,
): string[] {
  const flat = (statements: readonly Statement[]): string[] =>
    statements
      .flatMap((statement) =>
        statement.windows.map((window) =>
          [
            collapse(statement.carrier),
            skip.has("maintenanceId") ? "-" : collapse(statement.maintenanceId),
            skip.has("status") ? "-" : statement.status,
            skip.has("window") ? "-" : `${seconds(window.startsAt)}/${seconds(window.endsAt)}`,
            [
              ...new Set(
                window.circuits.map(
                  ({ circuitId, impact }) => `${circuitKey(circuitId)}=${skip.has("impact") ? "-" : impact}`,
                ),
              ),
            ]
              .sort()
              .join(","),
          ].join(" · "),
        ),
      )
      .sort();
  const a = flat(got);
  const b = flat(expected);
  return a.join("\n") === b.join("\n") ? [] : [`got ${a.join(" ; ")}`, `expected ${b.join(" ; ")}`];
}

const seconds = (at: string): number => Math.floor(Date.parse(at) / 1000);
const circuitKey = (id: string): string => collapse(id).toLowerCase();

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      taught: { type: "boolean", default: false },
      scramble: { type: "string" },
      verbose: { type: "boolean", default: false },
    },
  });
  const [file] = positionals;
  if (file === undefined)
    throw new Error("usage: node measure.ts FILE.jsonl [--taught] [--scramble SEED] [--verbose]");
  const read = parseRows(readFileSync(file, "utf8"));
  const rows = values.scramble === undefined ? read : scramble(read, Number(values.scramble));
  const measured = measure(rows, { taught: values.taught });
  const count = (outcome: Measured["outcome"]): number =>
    measured.filter((one) => one.outcome === outcome).length;
  if (values.verbose)
    for (const one of measured)
      console.log([one.id, one.provider, one.outcome, ...one.differences, ...one.doubts].join("\n    "));
  const perCarrier = Object.fromEntries(
    [...Map.groupBy(measured, (one) => one.provider)].map(([name, all]) => [
      name,
      all.map((one) => ({ resolved: "+", asked: "?", wrong: "X" })[one.outcome]).join(""),
    ]),
  );
  console.log(
    JSON.stringify(
      {
        notices: measured.length,
        resolved: count("resolved"),
        asked: count("asked"),
        wrong: count("wrong"),
        shapeTaught: {
          notices: measured.filter((one) => one.taughtBefore).length,
          resolved: measured.filter((one) => one.taughtBefore && one.outcome === "resolved").length,
        },
        perCarrier,
        wrongCases: measured.filter((one) => one.outcome === "wrong"),
        underivable: rows.flatMap((row) => underivable(row).map((item) => ({ id: row.id, ...item }))),
      },
      null,
      1,
    ),
  );
}

if (import.meta.main) main();
