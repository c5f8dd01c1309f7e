/**
 * How hard each circuit is hit: from its row, from a field about impact, from sentences about impact.
 *
 * A word such as `outage` decides only in a place that speaks of impact on the reader, not in one
 * that speaks of what is avoided, of other customers, or of a condition.
 */
import type { Impact } from "../notice.ts";
import { type Field, fieldsOf } from "./fields.ts";
import type { Sighting } from "./inventory.ts";
import { mask, type Page } from "./page.ts";
import { sentencesOf } from "./sentences.ts";
import { type Doubt, type Evidence, quoteOf } from "./types.ts";
import { type Degree, degreeOf, DEPENDS, isImpact } from "./degree.ts";
import { wordsIn } from "./words.ts";

/** A phrase about impact, in a form that a lesson can know again. */
export type ImpactClaim = {
  readonly degree: Degree;
  readonly cue: string;
  readonly quote: string;
  readonly from: "row" | "field" | "sentence";
  readonly circuitId?: string;
  /** The sentence speaks to the reader: "your service". */
  readonly direct: boolean;
};

export type Impacts = {
  readonly impactOf: ReadonlyMap<string, Impact>;
  readonly claims: readonly ImpactClaim[];
  readonly doubts: readonly Doubt[];
  readonly evidence: readonly Evidence[];
};

/** "Impact: minor" is an answer whose scale only the carrier knows. */
const GRADED_LABEL =
  /^(?:service |customer |expected |client |business )*impact(?: level| type| severity| category)?$/;
const POSITIVE_DURATION = new RegExp(
  String.raw`^(?:up to |max(?:imum)?\.? |approx\w*\.? |about |around |ca\.? |~ ?|<=? ?|` +
    String.raw`[1-9] ?x ?)*0*[1-9]\d*(?:\.\d+)?\s?\(?(?:s|` +
    String.raw`sec\w*|min\w*|m|h|hrs?|hours?)\)?(?:\(s\))?\b[^a-z]*(?:\d+\s?(?:min\w*|sec\w*))?\.?$`,
  "i",
);
const LEGEND = /\b(?:legend|colou?r (?:explanation|code|key)|key to|definitions?|explanation of)\b/i;
const LEGEND_LINES = 8;
const FIELD_LABEL = wordsIn(
  String.raw`\b`,
  [
    "impact|effect|service[- ]affecting|affecting|outage|interruption|degree|downtime|influence",
    String.raw`severity of impact|auswirkung\w*|incidence|afectaci[oó]n|impacto|offline|disconnection`,
  ],
  String.raw`\b`,
  "i",
);
const FIELD_NOT = wordsIn(
  String.raw`\b`,
  [
    "duration|start|end|time|date|window|circuits?|services? impacted|impacted services?",
    "affected services?|services? affected|locations?|assets?|products?|ids?",
    "other|protected|unprotected|redundant|without|if|customers?(?! impact)|sites?|devices?|list",
  ],
  String.raw`\b`,
  "i",
);
/** Conditions, other readers, purposes and aftermath: not what happens to our circuits. */
const BESIDE = wordsIn(
  String.raw`\b`,
  [
    "if you|if your|if there|in the event|should you|in case|unless",
    "customers? (?:with|without)|for (?:those|customers)|unprotected|protected|redundant|dual",
    String.raw`avoid\w*|prevent\w*|minimi[sz]e|restor\w+|resol\w+|remove|in order to|reason|after the`,
    "following the|apologi[sz]e|inconvenience|regret|feel free|contact|still|previous|history",
    "definition|means|other|purpose|simulation|tickets?",
  ],
  String.raw`\b`,
  "i",
);
const SPEAKS = wordsIn(
  String.raw`\b`,
  [
    String.raw`will|may|might|could|can|should|would|shall|expect\w*|anticipat\w*|is|are|possible`,
    "going to|during",
  ],
  String.raw`\b`,
  "i",
);
/** Shorter lines are labels and table heads; a bare "Hard down" belongs to a row or a field. */
const SENTENCE_WORDS_MIN = 4;
const VALUE_WORDS_MAX = 30;

/** Every phrase about impact on the page. */
export function impactClaims(page: Page, sightings: readonly Sighting[]): ImpactClaim[] {
  const claims: ImpactClaim[] = rowClaims(page, sightings);
  for (const field of fieldsOf(page)) {
    if (legend(page, field.line.index)) continue;
    const lasting = durationClaim(field);
    if (lasting !== undefined) claims.push(lasting);
    if (!FIELD_LABEL.test(field.label) || FIELD_NOT.test(field.label)) continue;
    if (field.value.split(" ").length > VALUE_WORDS_MAX || field.label.split(" ").length > 6) continue;
    if (field.form === "below" && BESIDE.test(field.value)) continue;
    const yes = /^yes\b/i.test(field.value)
      ? /affecting|impacting/i.test(field.label)
        ? "AFFECTING"
        : "SOME"
      : /^(?:no|none|nil)\b\.?$/i.test(field.value)
        ? "NO-IMPACT"
        : undefined;
    const whole = field.form === "colon" || field.line.cells.filter((cell) => cell !== "").length === 2;
    const graded =
      GRADED_LABEL.test(field.label) &&
      whole &&
      field.form !== "below" &&
      /^\p{L}[\p{L} -]{1,40}$/u.test(field.value);
    const degree =
      yes ??
      (DEPENDS.test(field.value) ? "UNCLEAR" : degreeOf(field.value)) ??
      (graded ? "UNCLEAR" : undefined);
    const cue = `${mask(field.label)}: ${mask(field.value)}`;
    claims.push({ degree, cue, quote: field.line.text, from: "field", direct: true });
  }
  for (const { text, line } of sentencesOf(page, ({ part }) => part !== "attachment")) {
    if (legend(page, line.index)) continue;
    if (text.split(" ").length < SENTENCE_WORDS_MIN && line.part !== "subject") continue;
    if (BESIDE.test(text) || (line.part !== "subject" && !SPEAKS.test(text))) continue;
    const degree = degreeOf(text);
    if (degree === undefined) continue;
    if (fieldsLike(text)) continue;
    const direct = /\b(?:you|your|yours|customers?|services? listed|circuits? listed|following)\b/i.test(
      text,
    );
    claims.push({ degree, cue: mask(text), quote: text, from: "sentence", direct });
  }
  return claims;
}

/** True in the lines under a legend: they explain words, and say nothing of this notice. */
function legend(page: Page, index: number): boolean {
  return page.lines
    .slice(Math.max(0, index - LEGEND_LINES), index + 1)
    .some((line) => LEGEND.test(line.text));
}

/** "Outage duration: 360 minutes" is an outage; "impact: 300 min" is an impact of some degree. */
function durationClaim(field: Field): ImpactClaim | undefined {
  if (!POSITIVE_DURATION.test(field.value)) return undefined;
  const cue = `${mask(field.label)}: #`;
  const claim = { cue, quote: field.line.text, from: "field", direct: true } as const;
  if (/\b(?:outage|downtime|interruption|unavailability|offline|disconnection)\b/i.test(field.label))
    return { ...claim, degree: "OUTAGE" };
  if (/\b(?:service|expected|customer) (?:\w+ )*impact\b|\bimpact (?:duration|time)?$/i.test(field.label))
    return { ...claim, degree: "LASTING" };
  return undefined;
}

const fieldsLike = (text: string): boolean => {
  const label = /^([^:]{2,40}):/.exec(text)?.[1] ?? "";
  return FIELD_LABEL.test(label) && label.split(" ").length <= 6;
};

/** Phrases in a circuit's own row, or in the cells or lines just after it. */
function rowClaims(page: Page, sightings: readonly Sighting[]): ImpactClaim[] {
  const claims: ImpactClaim[] = [];
  for (const { line, cell, circuitId, alone, end } of sightings) {
    const beside = line.cells.filter((_, at) => at > cell);
    const rest = line.tabular ? "" : (line.cells[cell] ?? "").slice(end);
    const below = alone && (!line.tabular || line.cells.filter((text) => text !== "").length === 1);
    const next = below ? nextCells(page, line.index, sightings) : [];
    for (const phrase of [...beside, rest.replace(/^[\s:,–(-]+/, ""), ...next]) {
      const told = phrase.split(" ").length > 12 || BESIDE.test(phrase) ? undefined : degreeOf(phrase);
      const degree = told ?? (HINT.test(phrase.replaceAll(ALWAYS, " ")) ? "UNCLEAR" : undefined);
      if (degree === undefined || degree === "SOME" || degree === "AFFECTING") continue;
      claims.push({
        degree,
        cue: `row: ${mask(phrase)}`,
        quote: `${circuitId}: ${phrase}`,
        from: "row",
        circuitId,
        direct: true,
      });
      break;
    }
  }
  return claims;
}

/** Words beside a circuit that speak of how it fares, in a way that is not understood. */
const HINT = wordsIn(
  String.raw`\b`,
  [
    String.raw`(?:un)?protected|redundan\w+|down|outages?|downtime|impact\w*|(?:un|non-?)?affect\w*`,
    String.raw`switch(?:ed|ing)?|hits?|hitless|loss|degrad\w*|flap\w*|interrupt\w*|offline|unavail\w*`,
    String.raw`at risk|latency|disrupt\w*|diver(?:se|sity)|resilien\w*|re-?rout\w*|fail-?over|none`,
  ],
  String.raw`\b`,
  "i",
);

/** "The affected services": says which, not how hard. */
const LISTED = /\b(?:affect|impact)\w*/gi;
/** What a service is at any time, however hard it is hit now. */
const ALWAYS = /\bunprotected\b|^\W*no (?:resilience|protection)\W*$/gi;

const ROW_REACH = 3;

function nextCells(page: Page, index: number, sightings: readonly Sighting[]): string[] {
  const cells: string[] = [];
  for (let at = index + 1; at <= index + ROW_REACH; at += 1) {
    const line = page.lines[at];
    if (line === undefined || sightings.some((sighting) => sighting.line === line)) break;
    if (line.text.includes(":")) break;
    cells.push(...line.cells.filter((text) => text !== ""));
  }
  return cells;
}

/** What lessons say about phrases: one impact each, else nothing. */
export type ImpactLessons = ReadonlyMap<string, Impact>;

/** Weighs the claims for every circuit; agreement is sure, anything else a doubt. */
export function readImpacts(
  page: Page,
  circuits: readonly string[],
  sightings: readonly Sighting[],
  lessons: ImpactLessons,
): Impacts {
  const plain = impactClaims(page, sightings);
  // A word about impact that is not understood is no silence.
  const hinted = page.lines.some(
    ({ part, text }) => part !== "attachment" && HINT.test(text.replaceAll(LISTED, " ")),
  );
  const silent = plain.length === 0 && !hinted ? lessons.get(SILENT) : undefined;
  const claims = [...plain, ...(silent === undefined ? [] : [silence(silent)])].map((claim) => {
    const taught = lessons.get(claim.cue);
    return taught === undefined ? claim : { ...claim, degree: taught, direct: true };
  });
  const impactOf = new Map<string, Impact>();
  const doubts = new Map<string, Doubt>();
  const general = generalDegree(page, claims);
  for (const circuitId of circuits) {
    const { impact, because } = forCircuit(circuitId, claims, general);
    if (impact !== undefined) impactOf.set(circuitId, impact);
    if (because !== undefined) doubts.set(because, { field: "impact", because });
  }
  const evidence = claims
    .filter((claim) => isImpact(claim.degree))
    .map((claim) => ({
      field: "impact",
      value: String(claim.degree),
      quote: quoteOf(claim.quote),
      by: claim.from,
    }));
  return { impactOf, claims, doubts: [...doubts.values()], evidence };
}

/** The cue of a notice that says nothing of impact: a lesson can tell what the carrier means by that. */
export const SILENT = "(nothing about impact)";

const silence = (degree: Impact): ImpactClaim => ({
  degree,
  cue: SILENT,
  quote: "",
  from: "field",
  direct: true,
});

type General = {
  readonly field: Degree;
  readonly sentence: Degree;
  readonly clash: boolean;
  readonly outage: boolean;
};

/** With one of these on the page, "service affecting" can be less than an outage. */
const SOFT = wordsIn(
  String.raw`\b`,
  [
    String.raw`redundan\w+|resilien\w+|diversity|protect(?:ed|ion)|degrad\w+|latency|packet loss`,
    String.raw`flap\w*|switch(?:ing)? hits?|at[- ]risk|hitless|intermittent\w*`,
    String.raw`no (?:\w+ ){0,2}(?:impact|outage|downtime)|non[- ]service`,
    String.raw`not (?:\w+ ){0,3}(?:impact|affect)\w*`,
  ],
  String.raw`\b`,
  "i",
);

/** What fields say together, and what sentences say together. */
function generalDegree(page: Page, claims: readonly ImpactClaim[]): General {
  const fields = claims.filter((claim) => claim.from === "field").map((claim) => claim.degree);
  const sentences = claims.filter((claim) => claim.from === "sentence");
  const field = together(fields);
  const sentence = together(sentences.map((claim) => claim.degree));
  const said = sentences
    .filter((claim) => claim.direct && isImpact(claim.degree))
    .map((claim) => claim.degree);
  const spared = field === "NO-IMPACT" && isImpact(sentence) && sentence !== field;
  const clash = spared || (isImpact(field) && said.some((degree) => degree !== field));
  const plainly = [field, sentence].some((degree) => degree === "AFFECTING" || degree === "LASTING");
  const soft = page.lines.some((line) => line.part !== "attachment" && SOFT.test(line.text));
  return {
    field,
    sentence,
    clash,
    outage:
      plainly &&
      !soft &&
      ![field, sentence].some((degree) => degree === "RISK" || degree === "UNCLEAR" || isImpact(degree)),
  };
}

/** One degree when all agree; "some impact" agrees with any degree but none. */
function together(degrees: readonly Degree[]): Degree {
  const exact = new Set(degrees.filter(isImpact));
  if (exact.size > 1) return "UNCLEAR";
  const [only] = exact;
  if (only !== undefined) {
    if (only === "NO-IMPACT" && degrees.some((degree) => degree !== undefined && degree !== only))
      return "UNCLEAR";
    return degrees.includes("UNCLEAR") ? "UNCLEAR" : only;
  }
  if (degrees.includes("UNCLEAR")) return "UNCLEAR";
  if (degrees.includes("RISK")) return "RISK";
  return degrees.find((degree) => degree === "LASTING" || degree === "AFFECTING") ?? degrees.find(Boolean);
}

type Weighed = { readonly impact: Impact | undefined; readonly because: string | undefined };

function forCircuit(circuitId: string, claims: readonly ImpactClaim[], general: General): Weighed {
  const rows = claims.filter((claim) => claim.circuitId === circuitId).map((claim) => claim.degree);
  const row = together(rows);
  if (general.clash) return { impact: undefined, because: "the impact is stated in two ways" };
  if (isImpact(row)) {
    const other = isImpact(general.field) ? general.field : undefined;
    if (other !== undefined && other !== row && rows.length === 1 && row !== "NO-IMPACT")
      return { impact: row, because: "the circuit's row and the notice name different impacts" };
    if (row === "NO-IMPACT" && ((other !== undefined && other !== row) || general.sentence === "OUTAGE"))
      return { impact: row, because: "the circuit's row and the notice name different impacts" };
    return { impact: row, because: undefined };
  }
  if (row === "UNCLEAR")
    return { impact: undefined, because: "the circuit's impact is not one that is known" };
  if (row === "RISK")
    return { impact: undefined, because: "the circuit is at risk, which says no impact for certain" };
  if (isImpact(general.field)) return { impact: general.field, because: undefined };
  if (
    isImpact(general.sentence) &&
    general.field !== "RISK" &&
    general.field !== "UNCLEAR" &&
    general.sentence !== "NO-IMPACT"
  )
    return { impact: general.sentence, because: undefined };
  if (general.sentence === "NO-IMPACT" && general.field === undefined)
    return { impact: general.sentence, because: undefined };
  if (general.outage) return { impact: "OUTAGE", because: undefined };
  return { impact: undefined, because: "the impact is not stated for certain" };
}
