/**
 * What the notice announces: planned, moved, cancelled, begun or done.
 *
 * Only the subject, the opening and a field named status can say so. A word in a condition or a wish
 * ("if it is cancelled", "requested to reschedule") says nothing, and an update that does not say what
 * it updates is left to a person.
 */
import type { Status } from "../notice.ts";
import { fieldsOf } from "./fields.ts";
import { mask, type Line, type Page } from "./page.ts";
import { sentencesOf } from "./sentences.ts";
import { type Doubt, type Evidence, quoteOf } from "./types.ts";

export type StatusClaim = {
  readonly status: Status | "UNCLEAR";
  readonly cue: string;
  readonly quote: string;
  readonly from: "subject" | "opening" | "field";
};

export type StatusFound = {
  readonly status: Status | undefined;
  readonly claims: readonly StatusClaim[];
  readonly doubts: readonly Doubt[];
  readonly evidence: readonly Evidence[];
};

const CANCELLED = /\b(?:cancel(?:l?ed|l?ation|s)?|annul\w*|called off|withdrawn|aborted)\b/i;
const COMPLETED =
  /\b(?:complet(?:ed|ion)(?! (?:by|within|before|during|in the|between))|concluded|finished|closed|is (?:now )?over|end of (?:window|maintenance)|has ended)\b/i;
const MOVED = /\b(?:re-?schedul(?:ed|e|ing)|postponed?|postponement|moved to|new dates?|revised (?:\w+ )?dates?)\b/i;
const BEGUN = /\b(?:in[- ]progress|underway|under way|has (?:now )?(?:started|begun|commenced)|have (?:now )?(?:started|begun|commenced)|now (?:started|begun|active|ongoing)|ongoing)\b/i;
const TENTATIVE = /\b(?:tentative(?:ly)?|provisional(?:ly)?|preliminary|to be confirmed|tbc)\b/i;
const UNCLEAR =
  /\b(?:updat(?:e|ed|es)|amend(?:ed|ment)|revis(?:ed|ion)|extend(?:ed|sion)|extension|chang(?:ed|es) (?:to|in)|correct(?:ed|ion)|on hold|failed|rolled back|roll-?back|(?:will |is |about to )?(?:start|begin|commenc)\w* (?:soon|shortly|momentarily)|commencing|suspended|delayed|followup|follow-up|escalat\w+)\b/i;
const STARTS = /(?:\bstart(?:ed|ing|s)?\b|\bbegin(?:s|ning)?\b|\bcommence\w*\b)/i;
const PLANNED =
  /\b(?:planned|scheduled|emergency|urgent|demand|upcoming|routine|preventive|preventative|essential|unscheduled|service)(?:[ -]\w+){0,4}? (?:maintenances?|works?|outage|activit\w+|event|change|upgrade|intervention|notification|operation)\b|\bmaintenance (?:notification|notice|announcement|advisory|alert|work|window)\b|\b(?:reminder|announcement)\b|\bwill (?:be )?(?:perform\w*|carry|carrying|carried|conduct\w*|undertak\w*|execut\w*|upgrad\w*|replac\w*)\b/i;
const REMINDER = /\breminder\b/i;
/** A status word inside one of these says what could be, not what is. */
const UNREAL =
  /\b(?:if|should|may|might|would|could|can|cannot|possible|request\w*|please|once|when|until|upon|unless|not|before|whether|need to|want to|able to|after|in the event|any changes|reason|to (?:cancel|reschedule|complete|postpone)|will be (?:completed|rescheduled|cancelled|canceled|re-scheduled|finished))\b/i;

const OPENING_LINES = 14;
const FIELD_LABEL =
  /^(?:(?:maintenance|current|event|ticket|change|notification|notice|work|request|activity|new|overall|case)\s+)*(?:status|state|type|stage|phase)$/i;

const FIELD_VALUES: readonly (readonly [RegExp, Status])[] = [
  [/^(?:cancel|annul|withdrawn)/i, "CANCELLED"],
  [/^(?:complete|completed|closed|finished|done|resolved|ended)/i, "COMPLETED"],
  [/^(?:re-?schedul|postpone)/i, "RE-SCHEDULED"],
  [/^(?:in[- ]progress|in[- ]process|started|ongoing|underway|implementing|active|begun)/i, "IN-PROCESS"],
  [/^(?:tentative|proposed|provisional|draft)/i, "TENTATIVE"],
  [/^(?:scheduled|planned|confirmed|approved|new|initial|reminder|announced|pending)/i, "CONFIRMED"],
];

export function statusClaims(page: Page): StatusClaim[] {
  const claims: StatusClaim[] = [];
  if (page.subject !== "") claims.push(...claimsIn(page.subject, "subject"));
  const opening = openingOf(page);
  for (const { text } of sentencesOf(page, (line) => opening.has(line))) claims.push(...claimsIn(text, "opening"));
  for (const field of fieldsOf(page)) {
    if (!FIELD_LABEL.test(field.label) || field.line.part === "quoted") continue;
    const status = FIELD_VALUES.find(([pattern]) => pattern.test(field.value))?.[1];
    const typed = /type$/.test(field.label) && status === "CONFIRMED";
    if (status !== undefined && !typed)
      claims.push({ status, cue: `field: ${mask(field.label)}: ${mask(field.value)}`, quote: field.line.text, from: "field" });
  }
  return claims;
}

/** The first lines that are not greetings, up to the first block of fields, tables or lists. */
function openingOf(page: Page): ReadonlySet<Line> {
  const lines = page.lines.filter((line) => line.part === "top");
  return new Set(lines.slice(0, OPENING_LINES).filter((line) => !line.tabular || line.cells.filter(Boolean).length < 3));
}

function claimsIn(text: string, from: "subject" | "opening"): StatusClaim[] {
  const claims: StatusClaim[] = [];
  const label = /^[^:]{2,40}:\s/.exec(text)?.[0] ?? "";
  const add = (status: StatusClaim["status"]): void => {
    claims.push({ status, cue: mask(text), quote: text, from });
  };
  const real = from === "subject" || (!UNREAL.test(text) && !/reason|description|note:/i.test(label));
  if (real) {
    if (CANCELLED.test(text)) add("CANCELLED");
    if (COMPLETED.test(text)) add("COMPLETED");
    if (MOVED.test(text)) add("RE-SCHEDULED");
    if (BEGUN.test(text)) add("IN-PROCESS");
    if (TENTATIVE.test(text)) add("TENTATIVE");
    const title = from === "subject" || text.split(" ").length <= 5;
    if (claims.length === 0 && !REMINDER.test(text))
      if (UNCLEAR.test(text) || (title && STARTS.test(text) && !/:/.test(text))) add("UNCLEAR");
  }
  if (claims.length === 0 && (PLANNED.test(text) || REMINDER.test(text))) add("CONFIRMED");
  return claims;
}

/** What lessons say about cues: one status each. */
export type StatusLessons = ReadonlyMap<string, Status>;

/** One status when all that speak agree; a plan that is also cancelled is cancelled. */
export function readStatus(page: Page, lessons: StatusLessons): StatusFound {
  const claims = statusClaims(page);
  const evidence = claims.map((claim) => ({ field: "status", value: claim.status, quote: quoteOf(claim.quote), by: claim.from }));
  const doubt = (because: string, status?: Status): StatusFound => ({
    status,
    claims,
    doubts: [{ field: "status", because, candidates: [...new Set(claims.map((claim) => claim.status))] }],
    evidence,
  });
  const turns = new Set(claims.map((claim) => claim.status).filter((status) => status !== "CONFIRMED" && status !== "UNCLEAR"));
  const taught = new Set(claims.flatMap((claim) => (claim.status === "UNCLEAR" || claims.length === 1 ? (lessons.get(claim.cue) ?? []) : [])));
  const fields = new Set(claims.filter((claim) => claim.from === "field").map((claim) => claim.status));
  if (turns.size > 1) return doubt("the notice names several statuses");
  const [turn] = turns;
  if (turn !== undefined) {
    if (fields.size > 0 && !fields.has(turn)) return doubt("the status field says otherwise", turn);
    return { status: turn, claims, doubts: [], evidence };
  }
  if (claims.some((claim) => claim.status === "UNCLEAR")) {
    const [known] = taught;
    if (taught.size === 1 && known !== undefined) return { status: known, claims, doubts: [], evidence };
    return doubt("an update does not say what it changes");
  }
  if (claims.some((claim) => claim.status === "CONFIRMED")) return { status: "CONFIRMED", claims, doubts: [], evidence };
  return doubt("nothing says what is announced");
}
