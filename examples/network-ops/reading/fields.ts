/**
 * Label and value pairs, in the four ways that notices write them: `Label: value`, a label with its
 * value on the next line, a cell beside a cell, and a column under its header.
 */
import type { Line, Page } from "./page.ts";

export type Field = {
  /** Lower case, without its colon. */
  readonly label: string;
  /** As it was written. */
  readonly name: string;
  readonly value: string;
  readonly line: Line;
  readonly form: "colon" | "cell" | "below" | "column";
};

const named = (name: string, value: string, line: Line, form: Field["form"]): Field => ({
  label: name.toLowerCase(),
  name,
  value,
  line,
  form,
});

const LABEL_LENGTH_MAX = 70;
const COLON = /^(?<label>[^:]{1,70}?)\s*:(?!\/\/|\d)\s*(?<value>.*)$/u;

/** A text that can be a label: words, few, no sentence. */
export function looksLikeLabel(text: string): boolean {
  const words = text.split(" ").length;
  return (
    text.length > 0 &&
    text.length <= LABEL_LENGTH_MAX &&
    words <= 8 &&
    /\p{L}/u.test(text) &&
    !/\d{3}|(?<!\b(?:ref|no|nr|num|id))[.!?]$/i.test(text)
  );
}

/** Every label and value on the page; one value may stand under several labels. */
export function fieldsOf(page: Page): Field[] {
  const headers = headersOf(page);
  const fields: Field[] = [];
  page.lines.forEach((line, at) => {
    if (line.part === "subject") return;
    line.cells.forEach((cell, column) => {
      if (cell === "") return;
      fields.push(...colonFields(page, line, at, column));
      const header = headers.get(cellKey(line, column));
      if (header !== undefined) fields.push(named(header.replace(/\s*:$/, ""), cell, line, "column"));
    });
    fields.push(...belowFields(page, line, at), ...pairFields(line, headers));
  });
  return fields;
}

function colonFields(page: Page, line: Line, at: number, column: number): Field[] {
  const match = COLON.exec(line.cells[column] ?? "");
  const label = match?.groups?.["label"]?.trim() ?? "";
  if (match === null || !/\p{L}/u.test(label)) return [];
  const value = match.groups?.["value"]?.trim() ?? "";
  if (value !== "") return [named(label, value, line, "colon")];
  const beside = line.cells.slice(column + 1).find((cell) => cell !== "");
  if (beside !== undefined) return [named(label, beside, line, "cell")];
  const next = page.lines[at + 1];
  const below = next?.cells.find((cell) => cell !== "");
  if (next === undefined || below === undefined || next.part !== line.part) return [];
  return [named(label, below, next, "below")];
}

/** `| Start date | 14 May`: a row of two cells whose first is a label. */
function pairFields(line: Line, headers: ReadonlyMap<string, string>): Field[] {
  const filled = line.cells.map((text, column) => ({ text, column })).filter(({ text }) => text !== "");
  const [label, value] = filled;
  if (!line.tabular || filled.length !== 2 || label === undefined || value === undefined) return [];
  if (label.text.includes(":") || !looksLikeLabel(label.text) || headers.has(cellKey(line, value.column)))
    return [];
  return [named(label.text, value.text, line, "cell")];
}

/** `Maintenance` / `ID` / `11111`: a short line, or two, with the value under it. */
function belowFields(page: Page, line: Line, at: number): Field[] {
  if (line.tabular || line.text.includes(":")) return [];
  const above = page.lines[at - 1];
  if (above === undefined || above.tabular || above.part !== line.part || !looksLikeLabel(above.text))
    return [];
  if (above.text.includes(":")) return [];
  const fields: Field[] = [named(above.text, line.text, line, "below")];
  const higher = page.lines[at - 2];
  if (higher !== undefined && !higher.tabular && higher.part === line.part && looksLikeLabel(higher.text))
    if (above.text.split(" ").length <= 3 && higher.text.split(" ").length <= 4 && !higher.text.includes(":"))
      fields.push(named(`${higher.text} ${above.text}`, line.text, line, "below"));
  return fields;
}

export const cellKey = (line: Line, column: number): string => `${line.index}/${column}`;

/** For each cell of a table its column's header; inline rows and one cell a line. */
export function headersOf(page: Page): Map<string, string> {
  const headers = new Map<string, string>();
  let header: readonly string[] = [];
  for (const line of page.lines) {
    const filled = line.cells.filter((cell) => cell !== "");
    if (!line.tabular || filled.length < 2) {
      if (!line.tabular) header = [];
      continue;
    }
    const coloned = filled.some((cell) => cell.endsWith(":"));
    if (
      (filled.length > 2 || (!coloned && headsTwo(page, line))) &&
      filled.every((cell) => looksLikeLabel(cell) && !/:\s*\S/.test(cell) && !/\d{2}/.test(cell))
    ) {
      header = line.cells;
      continue;
    }
    if (Math.abs(header.length - line.cells.length) > 1) continue;
    line.cells.forEach((cell, column) => {
      const name = header[column];
      if (cell !== "" && name !== undefined && name !== "") headers.set(cellKey(line, column), name);
    });
  }
  for (const run of columnRuns(page)) addVertical(run, headers);
  return headers;
}

/** Two words in a row head a table when values follow; else they are a label and its value. */
function headsTwo(page: Page, line: Line): boolean {
  const next = page.lines[line.index + 1];
  const first = next?.cells.find((cell) => cell !== "");
  return next?.tabular === true && first !== undefined && /\d/.test(first);
}

type Cell = { readonly line: Line; readonly column: number; readonly text: string };

/** Runs of lines that hold one cell each: a table whose rows were broken up. */
function columnRuns(page: Page): Cell[][] {
  const runs: Cell[][] = [];
  let run: Cell[] = [];
  for (const line of page.lines) {
    const column = line.cells.findIndex((cell) => cell !== "");
    const filled = line.cells.filter((cell) => cell !== "").length;
    if (line.tabular && filled === 1) run.push({ line, column, text: line.cells[column] ?? "" });
    else if (run.length > 0) {
      runs.push(run);
      run = [];
    }
  }
  return [...runs, run].filter((cells) => cells.length >= 3);
}

const HEADERISH = new RegExp(
  String.raw`\b(?:name|id|ids|location|loc|type|duration|number|no|status|impact|bandwidth|address|` +
    String.raw`account|product|serial|service|circuit|customer|order|start|end|date|time|reference|ref|` +
    String.raw`code|port|site|clli|city|country|a|z|speed|uuid|profile|asset|pon)\b|#`,
  "i",
);

/** The header is as many cells as read like one; where the run is whole rows of that, the more certain. */
function addVertical(run: readonly Cell[], headers: Map<string, string>): void {
  const values = run.findIndex(({ text }) => !looksLikeLabel(text) || /\d{2}/.test(text));
  // "Reference", "PW-1", "Start", ...: labels and values by turns, as two columns were broken up.
  if (values === 1 && run.length % 2 === 0)
    run.forEach(({ line, column }, at) => {
      const label = run[at - 1]?.text ?? "";
      if (at % 2 === 1 && looksLikeLabel(label)) headers.set(cellKey(line, column), label);
    });
  if (values < 2) return;
  // A first row may open with words too ("ACME INC"): then the header ends where its vocabulary ends.
  const fits = (width: number): boolean =>
    run.slice(0, width).every(({ text }) => HEADERISH.test(text)) &&
    run.slice(width, values).every(({ text }) => !HEADERISH.test(text));
  const widths = Array.from({ length: values - 1 }, (_, at) => values - at);
  const width = widths.find((one) => run.length % one === 0 && fits(one)) ?? values;
  const exact = run.length % width === 0;
  run.slice(width, exact ? run.length : width * 2).forEach(({ line, column }, at) => {
    const name = run[at % width]?.text;
    if (name !== undefined) headers.set(cellKey(line, column), name);
  });
}
