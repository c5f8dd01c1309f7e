/**
 * Moments with what the notice says about them: the label that names each, and its role.
 */
import { cellKey, headersOf, looksLikeLabel } from "./fields.ts";
import { type Moment, momentsIn } from "./moments.ts";
import type { Line, Page } from "./page.ts";
import { wordsIn } from "./words.ts";

type Role = "start" | "end" | "none";

export type Stamp = {
  readonly moment: Moment;
  readonly line: Line;
  readonly cell: number;
  /** The words that name it, nearest first: before it, its column, its neighbour, the lines above. */
  readonly labels: readonly string[];
  readonly role: Role;
  /** The words between it and the moment before it in the same cell; undefined for the first. */
  readonly between: string | undefined;
  /** The words after it, up to the next moment in the cell. */
  readonly after: string;
};

const START = wordsIn(
  String.raw`\b`,
  [
    String.raw`start(?:s|ing|ed)?|begin(?:s|ning)?|began|from|commenc\w*|opens?|opening|d[ée]but|inicio`,
    "inizio|beginn|anfang|von|between|desde|van",
  ],
  String.raw`\b`,
  "gi",
);
const END = wordsIn(
  String.raw`\b`,
  [
    "end(?:s|ing|ed)?|finish(?:es|ing)?|complet(?:ion|es|ed|e)|until|till|to|through|thru",
    String.raw`clos(?:e|es|ing)|stop|fin|ende|fine|fim|bis|hasta|tot|finaliz\w*`,
  ],
  String.raw`\b`,
  "gi",
);

/** What a label says last decides: in "from A to" the end has the word. */
function roleOf(label: string): Role {
  const start = lastOf(label, START);
  const end = lastOf(label, END);
  if (start === end) return "none";
  return start > end ? "start" : "end";
}

function lastOf(text: string, pattern: RegExp): number {
  let last = -1;
  for (const match of text.matchAll(pattern)) last = match.index;
  return last;
}

const LABEL_TAIL = 70;
const STAMPS_MAX = 400;

/** Every dated or timed moment of the page in reading order; the flag says that there were too many. */
export function stampsOf(page: Page): { readonly stamps: readonly Stamp[]; readonly truncated: boolean } {
  const headers = headersOf(page);
  const stamps: Stamp[] = [];
  for (const line of page.lines) {
    if (!/\d/.test(line.text)) continue;
    for (const [cell, text] of line.cells.entries()) {
      const moments = momentsIn(text);
      moments.forEach((moment, at) => {
        const before = text.slice(moments[at - 1]?.end ?? 0, moment.start);
        const labels = labelsOf(
          page,
          line,
          cell,
          at === 0 ? before : text.slice(0, moments[0]?.start),
          headers,
        );
        const named = labels.find((label) => roleOf(label) !== "none");
        stamps.push({
          moment,
          line,
          cell,
          labels,
          role: at === 0 ? roleOf(named ?? "") : roleOf(before),
          between: at === 0 ? undefined : before,
          after: text.slice(moment.end, moments[at + 1]?.start ?? moment.end + LABEL_TAIL),
        });
      });
    }
    if (stamps.length > STAMPS_MAX) return { stamps: [], truncated: true };
  }
  return { stamps, truncated: false };
}

function labelsOf(
  page: Page,
  line: Line,
  cell: number,
  before: string,
  headers: ReadonlyMap<string, string>,
): string[] {
  const own = before.replaceAll(/[\s:|(–-]+$/g, "").trim();
  if (own !== "") return [own.slice(-LABEL_TAIL)];
  const labels: string[] = [];
  const header = headers.get(cellKey(line, cell));
  if (header !== undefined) labels.push(header);
  const beside = line.cells
    .slice(0, cell)
    .findLast((text) => text !== "" && (cell === 1 || !/\d{2}/.test(text)));
  if (beside !== undefined && header === undefined) labels.push(beside);
  if (labels.length === 0) {
    const above = aboveOf(page, line);
    if (above !== "") labels.push(above);
  }
  return labels;
}

/** The label-like line above, with the one over it when that is a part of the same label. */
function aboveOf(page: Page, line: Line): string {
  const above = page.lines[line.index - 1];
  if (above === undefined || above.part !== line.part || !looksLikeLabel(strip(above.text))) return "";
  const near = strip(above.text);
  const higher = page.lines[line.index - 2];
  const part = /^[([]/.test(near) || near.split(" ").length <= 1;
  if (!part || higher === undefined || !looksLikeLabel(strip(higher.text))) return near;
  return `${strip(higher.text)} ${near}`;
}

const strip = (text: string): string => text.replaceAll(/^\s*\||[:\s|]+$/g, "").trim();
