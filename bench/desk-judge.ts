/** Holds what was committed against what was expected, and adds it up. */
import { collapse, expectedOf, type NoticeRow } from "../examples/network-ops/reading/bench-rows.ts";
import { underivable } from "../examples/network-ops/reading/underivable.ts";
import type { Handled } from "./desk-business.ts";

/**
 * Notices of the public development file whose label or text decides by convention: hashed ids, latency
 * called reduced redundancy, windows merged, a label that contradicts its text. Counted apart, too.
 */
const DISPUTED = new Set(
  ["008", "009", "010", "011", "014", "015", "017", "020", "036", "038", "050", "051", "055"].map(
    (number) => `cmp-${number}`,
  ),
);

/** The verdict on one notice. */
export type Judged = {
  readonly id: string;
  readonly provider: string;
  readonly outcome: "resolved" | "asked" | "refused" | "wrong";
  readonly differences: readonly string[];
  readonly questions: readonly string[];
  /** Whether a notice of its shape had been taught when it came. */
  readonly shapeTaught: boolean;
};

type Count = { notices: number; resolved: number; asked: number; refused: number; wrong: number };

/** One pass, as printed. */
export type Report = Count & {
  readonly questions: number;
  /** The same counts without the disputed notices, and of those whose shape had been taught before. */
  readonly undisputed: Count;
  readonly shapeTaught: Count;
  readonly perCarrier: { readonly [carrier: string]: Count };
  readonly wrongCases: readonly { readonly id: string; readonly differences: readonly string[] }[];
  readonly underivable: readonly { readonly id: string; readonly field: string; readonly reason: string }[];
  readonly questionsAsked: readonly { readonly id: string; readonly because: readonly string[] }[];
};

/** Judges one notice: whatever was committed must be expected, and resolved means all of it, unasked. */
export function judge(row: NoticeRow, handled: Handled): Judged {
  const differences = handled.committed.length === 0 ? [] : differencesOf(row, handled);
  const asked = handled.questions.length > 0;
  const outcome =
    differences.length > 0
      ? "wrong"
      : asked
        ? "asked"
        : handled.committed.length > 0
          ? "resolved"
          : "refused";
  return {
    id: row.id,
    provider: row.provider,
    outcome,
    differences,
    ...{ questions: handled.questions, shapeTaught: handled.shapeTaught },
  };
}

function differencesOf(row: NoticeRow, handled: Handled): readonly string[] {
  const skip = new Set(underivable(row).map(({ field }) => field));
  const line = (
    provider: string,
    id: string,
    status: string,
    from: string,
    to: string,
    circuits: string[],
  ): string =>
    [
      collapse(provider),
      skip.has("maintenanceId") ? "-" : collapse(id),
      skip.has("status") ? "-" : status,
      skip.has("window") ? "-" : `${Date.parse(from)}/${Date.parse(to)}`,
      skip.has("circuits") ? "-" : circuits.sort().join(","),
    ].join(" | ");
  const pair = (id: string, impact: string): string => `${collapse(id)}=${skip.has("impact") ? "-" : impact}`;
  const got = handled.committed.map((one) =>
    line(one.provider, one.maintenanceId, one.status, one.startsAt, one.endsAt, [
      ...new Set(one.circuits.map((circuit) => pair(circuit.circuitId, circuit.impact))),
    ]),
  );
  const wanted = expectedOf(row).flatMap((statement) =>
    statement.windows.map((window) =>
      line(statement.carrier, statement.maintenanceId, statement.status, window.startsAt, window.endsAt, [
        ...new Set(window.circuits.map((circuit) => pair(circuit.circuitId, circuit.impact))),
      ]),
    ),
  );
  const missing = wanted.filter((one) => !got.includes(one)).map((one) => `missing ${one}`);
  const strange = got.filter((one) => !wanted.includes(one)).map((one) => `committed ${one}`);
  return [...missing, ...strange];
}

/** Adds a pass up. */
export function report(rows: readonly NoticeRow[], judged: readonly Judged[]): Report {
  const perCarrier = Object.fromEntries(
    [...Map.groupBy(judged, (one) => one.provider)].map(([name, all]) => [name, count(all)]),
  );
  return {
    ...count(judged),
    questions: judged.reduce((sum, one) => sum + one.questions.length, 0),
    undisputed: count(judged.filter((one) => !DISPUTED.has(one.id))),
    shapeTaught: count(judged.filter((one) => one.shapeTaught)),
    perCarrier,
    wrongCases: judged
      .filter((one) => one.outcome === "wrong")
      .map(({ id, differences }) => ({ id, differences })),
    underivable: rows.flatMap((row) => underivable(row).map((item) => ({ id: row.id, ...item }))),
    questionsAsked: judged
      .filter((one) => one.questions.length > 0)
      .map(({ id, questions }) => ({ id, because: questions })),
  };
}

function count(judged: readonly Judged[]): Count {
  const of = (outcome: Judged["outcome"]): number => judged.filter((one) => one.outcome === outcome).length;
  return {
    notices: judged.length,
    ...{ resolved: of("resolved"), asked: of("asked"), refused: of("refused"), wrong: of("wrong") },
  };
}
