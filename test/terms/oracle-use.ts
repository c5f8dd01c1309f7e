/** Use under licences, and purchases, for the oracle: by the day or the hour, as it works all else out. */
import type { TermEvent } from "factotum/terms";
import type { Oracle } from "./oracle.ts";
import { minus, NOTHING, plus, type Ratio, read, times } from "./oracle-arithmetic.ts";

/** What was used under a licence in a month, and what that comes to. */
export type Used = {
  readonly units: Ratio;
  readonly royalty: Ratio;
  readonly cost: Ratio;
  readonly imputed: Ratio;
};

/** Adds up every slice of every use whose model and licensee the licence names on that day. */
export function usedUnder(oracle: Oracle, id: string, month: string): Used {
  const [from, to] = oracle.spanOf(month);
  let used: Used = { units: NOTHING, royalty: NOTHING, cost: NOTHING, imputed: NOTHING };
  for (const event of oracle.events) {
    if (event.kind !== "use") continue;
    for (const slice of oracle.slices(event)) {
      if (slice.at < from || slice.at >= to) continue;
      const clause = oracle.clauseAt(id, slice.at);
      if (clause?.kind !== "licence" || clause.royaltyPerUnit === undefined || !names(clause, event))
        continue;
      const units = times(read(event.units), slice.weight);
      used = {
        units: plus(used.units, units),
        royalty: plus(used.royalty, times(units, read(clause.royaltyPerUnit))),
        cost: plus(used.cost, times(times(read(event.cost), slice.weight), oracle.fx(event, month))),
        imputed: plus(used.imputed, times(units, read(clause.imputedPerUnit ?? "0"))),
      };
    }
  }
  return used;
}

/** What some streams took in, refunds and restatements of whatever date counted. */
export function boughtIn(
  oracle: Oracle,
  streams: readonly string[],
  [from, to]: readonly [number, number],
  month: string,
): Ratio {
  let total = NOTHING;
  for (const event of oracle.events) {
    if (event.kind !== "revenue" || !streams.includes(event.stream)) continue;
    const changes = oracle.events
      .flatMap((one) => ("of" in one && one.of === event.id ? [one] : []))
      .sort((a, b) => Date.parse(a.at) - Date.parse(b.at) || (a.id < b.id ? -1 : 1));
    const restated = changes.findLast((one) => one.kind === "restatement");
    let amount = read(restated?.amount ?? event.amount);
    for (const one of changes) if (one.kind === "refund") amount = minus(amount, read(one.amount));
    for (const slice of oracle.slices(event)) {
      if (slice.at < from || slice.at >= to) continue;
      total = plus(total, times(times(amount, slice.weight), oracle.fx(event, month)));
    }
  }
  return total;
}

type Use = Extract<TermEvent, { kind: "use" }>;

function names(clause: { licensee: string; models: readonly string[] }, { model, licensee }: Use): boolean {
  return clause.licensee === licensee && clause.models.some((pattern) => isLike(pattern, model));
}

/** Whether a name is one of a pattern, in which a star at the end stands for anything. */
export function isLike(pattern: string, text: string): boolean {
  const escaped = pattern.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\\\*$/, ".*");
  return new RegExp(`^${escaped}$`, "s").test(text);
}
