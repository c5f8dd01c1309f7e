/**
 * What the inventory knows, found in the notice: our circuits, and through them the carrier.
 */
import { cellKey, headersOf } from "./fields.ts";
import type { Line, Page } from "./page.ts";
import { type Doubt, type Evidence, type Knowledge, quoteOf } from "./types.ts";
import { wordsIn } from "./words.ts";

/** One place where one of our circuits is named. */
export type Sighting = {
  readonly carrier: string;
  readonly circuitId: string;
  readonly line: Line;
  readonly cell: number;
  readonly start: number;
  readonly end: number;
  /** The id fills its whole cell or line, as in a list or a table. */
  readonly alone: boolean;
};

export type Affected = {
  readonly carrier: string | undefined;
  readonly circuits: readonly string[];
  readonly sightings: readonly Sighting[];
  /** Ids in the same places and of the same form that are not ours. */
  readonly strangers: readonly string[];
  readonly doubts: readonly Doubt[];
  readonly evidence: readonly Evidence[];
};

const CIRCUIT_WORDS = wordsIn(
  String.raw`\b`,
  [
    "circuits?|ckt|services?|sid|lines?|links?|connections?|ports?|assets?|serial|objects?",
    "cables?|segments?|systems?|waves?|vlan|vc|lag|products?|affected|impacted|id|ids",
  ],
  String.raw`\b`,
  "i",
);
const OTHER_WORDS = wordsIn(
  String.raw`\b`,
  [
    "account|acct|customer (?:id|no|number)|phone|tel|fax|mobile|order|invoice|po|case|ticket",
    "contract|zip|postal|address|asn?|version|port speed|clli",
  ],
  String.raw`\b[^|]{0,12}$`,
  "i",
);
const NOT_AFFECTED = wordsIn(
  String.raw`\b`,
  [
    "not (?:be )?(?:affected|impacted|included)|unaffected|excluded",
    "no longer (?:affected|impacted|part)|removed from",
  ],
  String.raw`\b`,
  "i",
);

/** Ids that say little by themselves: mere numbers and mere words need a place for circuits. */
const weak = (circuitId: string): boolean => /^\d+$/.test(circuitId) || !/\d/.test(circuitId);

const squash = (text: string): string => text.replaceAll(/\s+/g, "").toLowerCase();
const runsOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

/** Finds the carrier and our circuits; sure only when they are one carrier's and each is plainly named. */
export function readInventory(
  page: Page,
  knowledge: Knowledge,
  strangersKnown: ReadonlySet<string>,
): Affected {
  const sightings = sightingsIn(page, knowledge);
  const named = carriersNamed(page, knowledge);
  const { carrier, doubts } = chooseCarrier(sightings, named);
  if (carrier === undefined)
    return { carrier, circuits: [], sightings: [], strangers: [], doubts, evidence: [] };
  const own = sightings.filter((sighting) => sighting.carrier === carrier);
  const circuits = [...new Set(own.map((sighting) => sighting.circuitId))];
  const strangers = strangersBeside(page, own, knowledge);
  const strange = strangers.filter((id) => !strangersKnown.has(formOf(id)));
  return {
    carrier,
    circuits,
    sightings: own,
    strangers,
    doubts: [...doubts, ...circuitDoubts(page, own, circuits, carrier, knowledge, strange)],
    evidence: [
      { field: "carrier", value: carrier, quote: quoteOf(own[0]?.line.text ?? ""), by: "inventory" },
      ...circuits.map((value) => ({
        field: "circuits",
        value,
        quote: quoteOf(own.find((sighting) => sighting.circuitId === value)?.line.text ?? ""),
        by: "inventory",
      })),
    ],
  };
}

/** Every circuit of the inventory on the page, with token boundaries; inner spaces may differ. */
function sightingsIn(page: Page, knowledge: Pick<Knowledge, "circuits">): Sighting[] {
  const words = new Set(page.lines.flatMap((line) => runsOf(line.text)));
  const headers = headersOf(page);
  const sightings: Sighting[] = [];
  for (const { carrier, circuitId } of knowledge.circuits) {
    const runs = runsOf(circuitId);
    if (runs.length === 0 || !runs.every((run) => words.has(run))) continue;
    const pattern = patternOf(circuitId);
    for (const line of page.lines) {
      // A bar can stand inside no id, so that cells are searched one by one.
      for (const [cell, text] of line.cells.entries())
        for (const match of text.matchAll(pattern)) {
          const start = match.index;
          const end = start + match[0].length;
          const alone = text.replaceAll(/^[-•*–·\s]+|[\s,.;]+$/g, "").length <= match[0].length;
          const sighting = { carrier, circuitId, line, cell, start, end, alone };
          if (counts(sighting, page, headers)) sightings.push(sighting);
        }
    }
  }
  return withoutInner(sightings);
}

function patternOf(circuitId: string): RegExp {
  const body = circuitId
    .trim()
    .split(/\s+/)
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`))
    .join(String.raw`\s*`);
  const before = /^[\p{L}\p{N}]/u.test(circuitId) ? String.raw`(?<![\p{L}\p{N}]|[\p{L}\p{N}][-_/.])` : "";
  const after = /[\p{L}\p{N}]$/u.test(circuitId) ? String.raw`(?![\p{L}\p{N}]|[-_/.][\p{L}\p{N}])` : "";
  return new RegExp(before + body + after, weak(circuitId) ? "gu" : "giu");
}

/** A weak id counts only in a place for circuits; no id counts in a place for something else. */
function counts(sighting: Sighting, page: Page, headers: ReadonlyMap<string, string>): boolean {
  const { line, cell, start, circuitId } = sighting;
  const before = (line.cells[cell] ?? "").slice(Math.max(0, start - 40), start);
  const header = headers.get(cellKey(line, cell)) ?? "";
  if (OTHER_WORDS.test(before) || OTHER_WORDS.test(header))
    return !weak(circuitId) && !OTHER_WORDS.test(header);
  if (!weak(circuitId)) return true;
  if (CIRCUIT_WORDS.test(before) || CIRCUIT_WORDS.test(header)) return true;
  const above = page.lines.slice(Math.max(0, line.index - 6), line.index).map((other) => other.text);
  return sighting.alone && above.some((text) => CIRCUIT_WORDS.test(text) && text.length < 120);
}

function withoutInner(sightings: readonly Sighting[]): Sighting[] {
  return sightings.filter(
    (one) =>
      !sightings.some(
        (other) =>
          other.line === one.line &&
          other.cell === one.cell &&
          other.start <= one.start &&
          other.end >= one.end &&
          other.end - other.start > one.end - one.start,
      ),
  );
}

/** Carriers whose name stands on the page, as words or inside a mail domain. */
export function carriersNamed(
  page: Page,
  knowledge: Pick<Knowledge, "carriers">,
): ReadonlyMap<string, number> {
  const named = new Map<string, number>();
  const text = page.lines
    .map((line) => line.text)
    .join("\n")
    .toLowerCase();
  const domains = (text.match(/[@.][a-z0-9-]+(?:\.[a-z0-9-]+)+/g) ?? []).join(" ");
  for (const { name } of knowledge.carriers) {
    const lower = name.toLowerCase();
    const words = lower
      .replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`)
      .replaceAll(/\s+/g, String.raw`\s+`);
    const hits =
      text.match(new RegExp(String.raw`(?<![\p{L}\p{N}])${words}(?![\p{L}\p{N}])`, "gu"))?.length ?? 0;
    const inDomain = squash(lower).length > 3 && domains.includes(squash(lower)) ? 1 : 0;
    if (hits + inDomain > 0) named.set(name, hits + inDomain);
  }
  return named;
}

type CarrierChoice = { readonly carrier: string | undefined; readonly doubts: readonly Doubt[] };

function chooseCarrier(sightings: readonly Sighting[], named: ReadonlyMap<string, number>): CarrierChoice {
  const strong = new Map<string, number>();
  for (const sighting of sightings) {
    const points = weak(sighting.circuitId) ? 0 : 1;
    strong.set(sighting.carrier, (strong.get(sighting.carrier) ?? 0) + points);
  }
  const candidates = [...strong.keys()];
  const doubt = (because: string): Doubt => ({ field: "carrier", because, candidates });
  if (candidates.length === 0) return { carrier: undefined, doubts: [doubt("no circuit of ours is named")] };
  const both = candidates.filter((name) => named.has(name));
  const [only] = both.length === 1 ? both : candidates;
  if (both.length === 1 || candidates.length === 1) {
    const sure = named.has(only ?? "") || (strong.get(only ?? "") ?? 0) > 0;
    return { carrier: only, doubts: sure ? [] : [doubt("only a short number points to the carrier")] };
  }
  const names = both.length > 1 ? both : candidates;
  const best = names.toSorted((a, b) => (named.get(b) ?? 0) - (named.get(a) ?? 0))[0];
  return { carrier: best, doubts: [doubt("circuits of several carriers are named")] };
}

/** The form of an id: its letters and digits by class, run by run. */
export const formOf = (id: string): string =>
  id
    .replaceAll(/\s+/g, "")
    .replaceAll(/\d+/g, (run) => `9{${run.length}}`)
    .replaceAll(/\p{L}+/gu, "A");

/** Ids that fill a cell or line near our circuits, look just like them, and are not in the inventory. */
function strangersBeside(page: Page, own: readonly Sighting[], knowledge: Knowledge): string[] {
  const ours = new Set(knowledge.circuits.map(({ circuitId }) => squash(circuitId)));
  const strangers = new Set<string>();
  for (const sighting of own.filter(({ alone, circuitId }) => alone && /\d/.test(circuitId))) {
    const form = formOf(sighting.circuitId);
    const near = page.lines.slice(Math.max(0, sighting.line.index - 12), sighting.line.index + 13);
    for (const line of near)
      for (const [cell, text] of line.cells.entries()) {
        const id = text.replaceAll(/^[-•*–·\s]+|[\s,.;]+$/g, "");
        if (line.tabular && line.cells.length > 2 && cell !== sighting.cell) continue;
        if (formOf(id) === form && !ours.has(squash(id))) strangers.add(id);
      }
  }
  return [...strangers];
}

function circuitDoubts(
  page: Page,
  own: readonly Sighting[],
  circuits: readonly string[],
  carrier: string,
  knowledge: Knowledge,
  strangers: readonly string[],
): Doubt[] {
  const doubts: Doubt[] = [];
  const doubt = (because: string, candidates: readonly string[]): void => {
    doubts.push({ field: "circuits", because, candidates });
  };
  if (strangers.length > 0) doubt("ids like our circuits are not in the inventory", strangers);
  const apart = page.lines.filter((line) => NOT_AFFECTED.test(line.text) && !line.tabular);
  const spared = circuits.filter((circuitId) =>
    apart.some((line) => line.text.match(patternOf(circuitId)) !== null),
  );
  if (spared.length > 0) doubt("a circuit may be named as not affected", spared);
  const text = page.lines.map((line) => squash(line.text)).join("\n");
  const found = new Set(circuits);
  const glued = knowledge.circuits
    .filter(
      (circuit) => circuit.carrier === carrier && !found.has(circuit.circuitId) && !weak(circuit.circuitId),
    )
    .filter(({ circuitId }) => text.includes(squash(circuitId)))
    .filter(({ circuitId }) => !circuits.some((other) => squash(other).includes(squash(circuitId))));
  if (glued.length > 0)
    doubt(
      "a circuit's id stands inside a longer word",
      glued.map(({ circuitId }) => circuitId),
    );
  return doubts;
}
