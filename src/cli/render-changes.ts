import type { CardChange } from "../server/index.ts";
import { cleanLine } from "./clean-text.ts";
import type { Paint } from "./terminal.ts";

const SIGNS = { insert: "+", update: "~", delete: "-" } as const;
/** Long values are cut for the eye; `--json` has all of them. */
const VALUE_CHARS_MAX = 200;
const OUTBOX = "factotum.outbox";
const INDENT = "      ";

/** A diff, row by row: the table, the key, and each field as `before -> after`. */
export function renderChanges(changes: readonly CardChange[], paint: Paint): readonly string[] {
  return changes.flatMap((change) => renderChange(change, paint));
}

function renderChange(change: CardChange, paint: Paint): readonly string[] {
  if (change.table === OUTBOX && change.kind === "insert") return renderSending(change, paint);
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

/** An effect outside the database is no row to a person: it is what would be sent. */
function renderSending({ fields }: CardChange, paint: Paint): readonly string[] {
  const told = fields.filter(({ column }) => column !== "channel" && column !== "id");
  const said = told.filter(({ column, after }) => column !== "delay_seconds" || after !== "0");
  const width = Math.max(0, ...said.map((field) => field.column.length));
  const channel = fields.find((field) => field.column === "channel")?.after ?? "?";
  return [
    paint.cyan(`  > send to ${cleanLine(channel)}, once committed`),
    ...said.map(({ column, after }) => `${INDENT}${cleanLine(column).padEnd(width)}  ${shown(after)}`),
  ];
}

/** A value as Postgres text; what is no text at all stands out from an empty one. */
function shown(value: string | null): string {
  if (value === null) return "null";
  return value === "" ? '""' : cleanLine(value, VALUE_CHARS_MAX);
}
