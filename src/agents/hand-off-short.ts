import type { Json } from "../kernel/index.ts";
import { callLine, rowKind } from "./hand-off-lines.ts";
import type { Staged } from "./workshop.ts";

/** Staged work as a note tells it that has no room for every call. */
export type Shortened = { readonly calls: readonly string[]; readonly rows: readonly string[] };

/** The latest calls are told whole: what was just done is what comes next. */
const LATEST = 10;
/** What a table's keys may take. */
const KEYS_CHARS_MAX = 600;
/** A value so short stands in any sentence. */
const VALUE_CHARS_MIN = 2;
const INTEGER_KEY = /^\((\d{1,15})\)$/;

/**
 * Staged calls and rows in short: how many of each tool and table, with the keys. Whole are the calls that
 * something still to be done speaks of, by any value that they were given or answered, and the latest.
 */
export function shortened({ calls, changeSet }: Staged, open: readonly string[]): Shortened {
  const asked = open.map((what) => ` ${wordsOf(what)} `);
  const told = calls.filter(
    ({ input, output }, at) =>
      at >= calls.length - LATEST || valuesIn([input, output ?? null]).some((one) => isSaid(asked, one)),
  );
  const whole = new Set(told);
  const counts = countBy(calls.filter((call) => !whole.has(call)).map((call) => call.tool));
  const tables = Map.groupBy(changeSet.rows, (row) => `${rowKind(row)} ${row.table}`);
  return {
    calls: [
      ...[...counts].map(
        ([tool, count]) => `${tool}: ${count} calls more, which made rows that are named below`,
      ),
      ...told.map(callLine),
    ],
    rows: [...tables].map(
      ([name, rows]) => `${name}: ${rows.length} rows, ${keysOf(rows.map((row) => row.key))}`,
    ),
  };
}

function countBy(names: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

/** Keys, runs of whole numbers as their ends. */
function keysOf(keys: readonly string[]): string {
  const numbers = keys.flatMap((key) => INTEGER_KEY.exec(key)?.[1] ?? []).map(Number);
  const others = keys.filter((key) => !INTEGER_KEY.test(key));
  const parts = [...runsOf(numbers.toSorted((a, b) => a - b)), ...others];
  const text = parts.join(", ");
  if (text.length <= KEYS_CHARS_MAX) return `keys ${text}`;
  return `keys ${text.slice(0, text.lastIndexOf(", ", KEYS_CHARS_MAX))} and more, to be looked at`;
}

function runsOf(sorted: readonly number[]): readonly string[] {
  const runs: [number, number][] = [];
  for (const one of sorted) {
    const last = runs.at(-1);
    if (last !== undefined && one === last[1] + 1) last[1] = one;
    else runs.push([one, one]);
  }
  return runs.map(([from, to]) => (from === to ? `(${from})` : `(${from}) to (${to})`));
}

function wordsOf(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, " ")
    .trim();
}

function isSaid(asked: readonly string[], value: string): boolean {
  const words = wordsOf(value);
  return words.length >= VALUE_CHARS_MIN && asked.some((what) => what.includes(` ${words} `));
}

function valuesIn(value: Json): readonly string[] {
  if (typeof value === "string") return [value];
  if (typeof value === "number") return [String(value)];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(valuesIn) : [];
}
