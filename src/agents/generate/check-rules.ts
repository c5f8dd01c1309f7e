import type { Column, Table } from "../../postgres/index.ts";

/** What CHECK constraints and the type say of a column's values, as far as JSON Schema can say it too. */
export type ValueRules = {
  readonly min?: number;
  readonly minExclusive?: number;
  readonly max?: number;
  readonly maxExclusive?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly values?: readonly string[];
};

/**
 * Reads the rules of a column out of its type, its domain and the table's checks. Only plain forms are read
 * (`price > 0`, `code ~ '^[A-Z]+$'`, `state = ANY (ARRAY['a', 'b'])`, `length(name) <= 20`, joined by AND);
 * whatever else a check says, Postgres still holds to it.
 */
export function rulesOf(column: Column, table: Pick<Table, "checks">): ValueRules {
  const own = table.checks.filter((check) => check.columns.length === 1 && check.columns[0] === column.name);
  const quoted = column.name.replaceAll('"', '""');
  const parts = [
    ...own.flatMap((check) => atomsOf(check.definition, [column.name, `"${quoted}"`])),
    ...(column.type.domain?.checks ?? []).flatMap((check) => atomsOf(check, ["VALUE"])),
  ];
  return [...lengthOf(column), ...parts].reduce(narrower, {});
}

/** A name in an atom stands for the column; it becomes this, so that one pattern fits all. */
const SUBJECT = "\u0001";
const NUMBER = String.raw`\(?'?(-?\d+(?:\.\d+)?)'?(?:::[\w ]+)?\)?`;
const CAST = String.raw`(?:::[\w ]+)?`;
const COMPARED = new RegExp(`^\\(?${SUBJECT}\\)?${CAST} (>=|>|<=|<) ${NUMBER}$`);
const MEASURED = new RegExp(
  `^(?:char_length|character_length|length)\\(\\(?${SUBJECT}\\)?${CAST}\\) (>=|>|<=|<|=) (\\d+)$`,
);
const LISTED = new RegExp(
  `^\\(?${SUBJECT}\\)?${CAST} = ANY \\(\\(?ARRAY\\[(.*)\\]\\)?(?:::[\\w \\[\\]]+)?\\)$`,
);
const MATCHED = new RegExp(`^\\(?${SUBJECT}\\)?${CAST} ~ '((?:[^']|'')*)'(?:::text)?$`);
const LITERAL = /'((?:[^']|'')*)'(?:::[\w ]+)?/g;

function atomsOf(definition: string, names: readonly string[]): readonly ValueRules[] {
  const inner = /^CHECK \((.*)\)(?: NOT VALID| NO INHERIT)*$/s.exec(definition)?.[1];
  if (inner === undefined || /\bOR\b|\bNOT\b|\bCASE\b/.test(inner.replaceAll(LITERAL, "''"))) return [];
  return conjuncts(inner).map((atom) => ruleOf(named(atom, names)));
}

/** Puts the subject in for the column's name where it stands as a word of its own. */
function named(atom: string, names: readonly string[]): string {
  return names.reduce((text, name) => {
    const word = name.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
    return text.replaceAll(new RegExp(`(?<![\\w"'])${word}(?![\\w"'])`, "g"), SUBJECT);
  }, atom);
}

/** The parts of a condition joined by AND at its outermost level. */
function conjuncts(condition: string): readonly string[] {
  const text = unwrapped(condition.trim());
  const parts: string[] = [];
  let [depth, quoted, start] = [0, false, 0];
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === "'") quoted = !quoted;
    if (quoted) continue;
    if (text[at] === "(" || text[at] === "[") depth += 1;
    if (text[at] === ")" || text[at] === "]") depth -= 1;
    if (depth === 0 && text.startsWith(" AND ", at)) {
      parts.push(text.slice(start, at));
      start = at + 5;
    }
  }
  if (parts.length === 0) return [text];
  return [...parts, text.slice(start)].flatMap(conjuncts);
}

/** Takes away brackets around the whole. */
function unwrapped(text: string): string {
  if (!text.startsWith("(") || !text.endsWith(")")) return text;
  let depth = 0;
  for (let at = 0; at < text.length - 1; at += 1) {
    if (text[at] === "(") depth += 1;
    if (text[at] === ")") depth -= 1;
    if (depth === 0) return text;
  }
  return unwrapped(text.slice(1, -1).trim());
}

function ruleOf(atom: string): ValueRules {
  const compared = COMPARED.exec(atom);
  if (compared !== null) return bound(compared[1] ?? "", Number(compared[2]));
  const measured = MEASURED.exec(atom);
  if (measured !== null) return length(measured[1] ?? "", Number(measured[2]));
  const listed = LISTED.exec(atom)?.[1];
  if (listed !== undefined) {
    const values = [...listed.matchAll(LITERAL)].map((match) => unquoted(match[1] ?? ""));
    return listed.replaceAll(LITERAL, "").replaceAll(/[\s,()]/g, "") === "" ? { values } : {};
  }
  const pattern = MATCHED.exec(atom)?.[1];
  return pattern === undefined || !isPlainPattern(unquoted(pattern)) ? {} : { pattern: unquoted(pattern) };
}

function bound(operator: string, value: number): ValueRules {
  switch (operator) {
    case ">=":
      return { min: value };
    case ">":
      return { minExclusive: value };
    case "<=":
      return { max: value };
    default:
      return { maxExclusive: value };
  }
}

function length(operator: string, value: number): ValueRules {
  switch (operator) {
    case ">=":
      return { minLength: value };
    case ">":
      return { minLength: value + 1 };
    case "<=":
      return { maxLength: value };
    case "<":
      return { maxLength: Math.max(0, value - 1) };
    default:
      return { minLength: value, maxLength: value };
  }
}

/** What means the same to Postgres and to JSON Schema: no classes by name, no escapes but of signs. */
function isPlainPattern(pattern: string): boolean {
  if (/\[\[|\(\?|\\[a-zA-Z]|\*\?|\+\?|\*\*/.test(pattern.replaceAll(String.raw`\d`, "0"))) return false;
  try {
    return new RegExp(pattern, "u").source !== "";
  } catch {
    return false;
  }
}

const unquoted = (text: string): string => text.replaceAll("''", "'");

function lengthOf({ type }: Column): readonly ValueRules[] {
  const maxLength = /^character(?: varying)?\((\d+)\)/.exec(type.name)?.[1];
  return maxLength === undefined ? [] : [{ maxLength: Number(maxLength) }];
}

/** Both hold: of two bounds the tighter one, of two lists what is in both. */
function narrower(a: ValueRules, b: ValueRules): ValueRules {
  const least = (x: number | undefined, y: number | undefined): number | undefined =>
    x === undefined ? y : y === undefined ? x : Math.min(x, y);
  const most = (x: number | undefined, y: number | undefined): number | undefined =>
    x === undefined ? y : y === undefined ? x : Math.max(x, y);
  const values =
    a.values === undefined ? b.values : a.values.filter((one) => b.values?.includes(one) ?? true);
  const merged = {
    min: most(a.min, b.min),
    minExclusive: most(a.minExclusive, b.minExclusive),
    max: least(a.max, b.max),
    maxExclusive: least(a.maxExclusive, b.maxExclusive),
    minLength: most(a.minLength, b.minLength),
    maxLength: least(a.maxLength, b.maxLength),
    pattern: a.pattern ?? b.pattern,
    values,
  };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined));
}
