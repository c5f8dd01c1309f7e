import type { CardChange } from "../server/index.ts";
import { cleanLine } from "./clean-text.ts";
import type { Paint } from "./terminal.ts";

const SIGNS = { insert: "+", update: "~", delete: "-" } as const;
/** Long values are cut for the eye; `--json` has all of them. */
const VALUE_CHARS_MAX = 200;
const INDENT = "      ";

/** A diff, row by row: the table, the key, and each field as `before -> after`. */
export function renderChanges(changes: readonly CardChange[], paint: Paint): readonly string[] {
  return changes.flatMap((change) => renderChange(change, paint));
}

function renderChange(change: CardChange, paint: Paint): readonly string[] {
  const color = { insert: paint.green, update: paint.yellow, delete: paint.red }[change.kind];
  const key = Object.entries(change.key).map(([column, value]) => `${cleanLine(column)} ${shown(value)}`);
  const head = `  ${SIGNS[change.kind]} ${change.kind} ${cleanLine(change.table)} (${key.join(", ")})`;
  const width = Math.max(0, ...change.fields.map((field) => field.column.length));
  const fields = change.fields.map(({ column, before, after }) => {
    const name = `${INDENT}${cleanLine(column).padEnd(width)}  `;
    if (change.kind === "insert") return `${name}-> ${paint.green(shown(after))}`;
    if (change.kind === "delete") return `${name}${paint.red(shown(before))} ->`;
    return `${name}${paint.red(shown(before))} -> ${paint.green(shown(after))}`;
  });
  return [color(head), ...fields];
}

/** A value as Postgres text; what is no text at all stands out from an empty one. */
function shown(value: string | null): string {
  if (value === null) return "null";
  return value === "" ? '""' : cleanLine(value, VALUE_CHARS_MAX);
}
