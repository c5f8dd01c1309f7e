import Table from "cli-table3";
import type { Terminal } from "./terminal.ts";

/** A cell is text that is safe to print; numbers stand to the right. */
export type Column = { readonly title: string; readonly align?: "left" | "right" };

type Drawing = Pick<Terminal, "framed" | "paint">;

/** A table: with lines on a terminal, as aligned plain text in a pipe. Without titles no head is shown. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  { framed, paint }: Drawing,
): string {
  const headed = columns.some((column) => column.title !== "");
  if (!framed) return renderPlain(columns, headed ? [columns.map((one) => one.title), ...rows] : rows);
  const table = new Table({
    ...(headed && { head: columns.map((column) => paint.bold(column.title)) }),
    colAligns: columns.map((column) => column.align ?? "left"),
    style: { head: [], border: [], compact: true, "padding-left": 1, "padding-right": 1 },
  });
  table.push(...rows.map((row) => [...row]));
  return table.toString();
}

function renderPlain(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map((_, at) => Math.max(0, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    columns
      .map(({ align }, at) => {
        const cell = row[at] ?? "";
        return align === "right" ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0);
      })
      .join("  ")
      .trimEnd();
  return rows.map(line).join("\n");
}
