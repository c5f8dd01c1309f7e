/**
 * What the notice announces: planned, moved, cancelled, begun or done.
 *
 * Only the subject, the opening and a field named status can say so. A word in a condition or a wish
 * ("if it is cancelled", "requested to reschedule") says nothing, and an update that does not say what
 * it updates is left to a person.
 */
import type { Status } from "../notice.ts";
import { fieldsOf } from "./fields.ts";
import { momentsIn } from "./moments.ts";
import { mask, type Line, type Page } from "./page.ts";
import { sentencesOf } from "./sentences.ts";
import { type Doubt, type Evidence, quoteOf } from "./types.ts";
import { wordsIn } from "./words.ts";

export type StatusClaim = {
  readonly status: Status | "UNCLEAR";
  readonly cue: string;
  readonly quote: string;
  readonly from: "subject" | "opening" | "field" | "body";
};

export type StatusFound = {
  readonly status: Status | undefined;
  readonly claims: readonly StatusClaim[];
  readonly doubts: readonly Doubt[];
  readonly evidence: readonly Evidence[];
};

const CANCELLED = wordsIn(
  String.raw`\b`,
  [
    "cancell?ed|cancell?ation(?! (?:policy|fee|charge))|annulled|called off|withdrawn|aborted",
    String.raw`(?:maintenance|works?|event|activity)(?: \w+)? will not take place(?=[.!]|$)`,
  ],
  String.raw`(?!\w)`,
  "i",
);
const COMPLETED = wordsIn(
  String.raw`\b`,
  [
    "completed(?! (?:by|within|before|during|in the|between))",
    String.raw`(?:is|are|now|maintenance|work) complete\b|completion (?:notice|notification|of)`,
    "concluded|finished|(?:has|have|been|is|now) closed|(?:is|are) (?:now )?over",
    "end of (?:window|maintenance)|has ended",
  ],
  String.raw`\b`,
  "i",
);
const MOVED = wordsIn(
  String.raw`\b`,
  [
    "re-?scheduled|(?:maintenance|work|works|window|date)s? (?:has|have|was|were|is)(?: been)? moved",
    "moved (?:this|the) (?:maintenance|works?) to a (?:later|earlier|new) date",
    "(?:maintenance|works?) (?:has|have) been brought forward",
  ],
  String.raw`\b`,
  "i",
);
const BEGUN = new RegExp(
  String.raw`\b(?:(?:is|are) (?:now |currently )?(?:in[- ]progress|underway|under way)|(?:has|` +
    String.raw`have) (?:now )?(?:started|begun|commenced)|now (?:started|begun|active)|` +
    String.raw`(?:are|is) starting now)\b`,
  "i",
);
const TENTATIVE = /\b(?:tentative(?:ly)?|provisional(?:ly)?|to be confirmed|tbc)\b/i;
/** In a subject or a title a bare word is enough: "CANCEL", "Reschedule notification", "In progress". */
const TITLE_TURNS: readonly (readonly [RegExp, Status])[] = [
  [/\b(?:cancel|cancels)\b/i, "CANCELLED"],
  [
    /^\W*(?:\[[^\]]*\]\W*)*(?:complete|completion|closed)\b|[-–:]\s*(?:complete|completion|closed)\W*$/i,
    "COMPLETED",
  ],
  [/\b(?:re-?schedule|re-?scheduling)\b/i, "RE-SCHEDULED"],
  [/\b(?:in[- ]progress|underway)\b|[-–:]\s*started\W*$|^\W*starting now\b/i, "IN-PROCESS"],
];
/** Words that turn a plan into something else, each with what it turns into. */
const TURNS: readonly (readonly [RegExp, Status])[] = [
  [CANCELLED, "CANCELLED"],
  [COMPLETED, "COMPLETED"],
  [MOVED, "RE-SCHEDULED"],
  [BEGUN, "IN-PROCESS"],
  [TENTATIVE, "TENTATIVE"],
];
/** Facts told in the body, far from the opening: not enough to decide, enough to doubt. */
const TOLD = wordsIn(
  String.raw`\b(?:has|have|had|was|were|is|are|been)(?: now| been| also| successfully| already)* `,
  [String.raw`cancel|complet|re-?schedul|postpon|start(?:ed)?\b|begun|commenc|conclud|finish|closed`],
  "",
  "i",
);
/** Something changed, and the words do not say what. */
const UNCLEAR = wordsIn(
  "",
  [
    String.raw`\b(?:updat(?:e|ed|es)|amend(?:ed|ment)|revis(?:ed|ion)|extend(?:ed|sion)|extension|` +
      String.raw`correct(?:ed|ion))\b`,
    String.raw`\bchang(?:ed|es) (?:to|in)\b|\b(?:has|have) changed\b|\bnew (?:dates?|times?|windows?|` +
      String.raw`schedule)\b`,
    String.raw`\b(?:on hold|suspended|delayed|postponed?|postponement|put off|no longer|subject to|` +
      String.raw`will not take place)\b`,
    String.raw`\b(?:failed|unsuccessful\w*|incomplete|rolled back|roll-?back|could not be|` +
      String.raw`unable to complete|success\w*)\b`,
    String.raw`\b(?:(?:will |is |about to )?(?:start|begin|commenc)\w* (?:soon|shortly|momentarily)|` +
      String.raw`commencing)\b`,
    String.raw`\b(?:is|are) (?:now )?(?:starting|beginning|about to)\b|\btook place\b|\bfollow-?up\b|` +
      String.raw`\bescalat\w+\b`,
    String.raw`\b(?:was|were|not) (?:performed|carried out|conducted|executed|implemented|completed)\b`,
    String.raw`\b(?:closure|ended|finali[sz]ed|restored|all clear|withdraw\w*|revoked|void|rejected|` +
      String.raw`declined)\b`,
    String.raw`\b(?:draft|proposal|superseded)\b|^\W*re:|\b(?:plan\w*|intend\w*|going) to ` +
      String.raw`(?:re-?schedule|cancel|` +
      String.raw`postpone|move (?:this|the|it))\b`,
  ],
  "",
  "i",
);
const STARTS = /(?:\bstart(?:ed|ing|s)?\b|\bbegin(?:s|ning)?\b|\bcommence\w*\b)/i;
const PLANNED = new RegExp(
  String.raw`\b(?:planned|scheduled|emergency|urgent|demand|upcoming|routine|preventive|preventative|` +
    String.raw`essential|unscheduled|service)(?:[ -]\w+){0,4}? (?:maintenances?|works?|outage|` +
    String.raw`activit\w+|event|change|upgrade|intervention|notification|operation)\b|` +
    String.raw`\bmaintenance (?:notification|notice|announcement|advisory|alert|work|window)\b|` +
    String.raw`\b(?:change|event|works?) (?:notification|notice)\b|\bconstruction works?\b|` +
    String.raw`\b(?:we are |we're |is )` +
    String.raw`planning (?:a |an )?(?:\w+ )?(?:maintenance|works?)\b|` +
    String.raw`\b(?:reminder|announcement)\b|\bwill (?:be )?(?:perform\w*|carry|carrying|carried|` +
    String.raw`conduct\w*|undertak\w*|execut\w*|upgrad\w*|replac\w*)\b`,
  "i",
);
const REMINDER = /\breminder\b/i;
/** A status word close behind one of these says what could be, not what is. */
const UNREAL = wordsIn(
  String.raw`\b`,
  [
    "if|should|may|might|could|can|cannot|once|when|whenever|until|upon|unless|whether",
    String.raw`request\w*|in the event|possible|possibly|any|not|never|before|while|during`,
    "cancellation of (?:your|the) (?:service|order)|will be|must be|to be|need to|want to",
    String.raw`able to|have to|right to|(?<!advised |informed |notified |note )that .{0,20}\bto`,
    "order to|planned to|expected to|try to|to",
  ],
  String.raw`\b\W*(?:\w+\W+){0,3}$`,
  "i",
);
/** A sentence that opens so is a condition as a whole. */
const CONDITION = wordsIn(
  String.raw`^\W*`,
  [
    "if|should|in the event|in case|once|when|whenever|unless|upon|until|after",
    "please (?:contact|call|let)",
  ],
  String.raw`\b`,
  "i",
);

/** "Planned work notification: 4711 - Cancelled" is a title for all its colon. */
const TITLE_LABEL = new RegExp(
  String.raw`^\W*(?:planned |scheduled |emergency |network )*(?:maintenance|works?|` +
    String.raw`change)(?: \w+)? (?:notification|notice|announcement|alert)\b[^:]*:\s*$`,
  "i",
);
/** Of another maintenance. */
const OTHERS = /\b(?:previous(?:ly)?|other|earlier|prior|former(?:ly)?|last|related|another|past)\b/i;
/** A sentence that announces a plan. */
const ANNOUNCES = wordsIn(
  String.raw`\b`,
  [
    String.raw`will (?:soon )?(?:be )?(?:perform|carry|carri|conduct|undertak|execut|implement|upgrad|` +
      String.raw`replac|commenc|working|doing)\w*`,
    "will take place|will need to|needs? to perform|must perform|(?:plans?|intends?) to|going to",
    "(?:has|have) (?:been )?(?:scheduled|planned|identified)|(?:we are|we're|is) planning",
    "(?:is|are) (?:scheduled|planned|performing|conducting)",
    String.raw`(?:inform\w*|advis\w*|notif\w*|aware|reminder|announcement|notice) (?:you )?(?:of|about|` +
      String.raw`that|for)`,
    String.raw`notification|reminder|announcement|will start in|will begin in|(?:begin|commence|` +
      String.raw`start)s? in \d+`,
  ],
  "",
  "i",
);
/** A sentence about the work that announces nothing and changes nothing. */
const NEUTRAL = wordsIn(
  String.raw`\b`,
  [
    String.raw`below|following|details?|contact|question\w*|apologi\w*|inconvenience|thank|` +
      String.raw`understanding|impact\w*|affect\w*`,
    String.raw`purpose|reason|in order to|improve\w*|necessary|required|location|duration|unavailab\w*|` +
      String.raw`interrupt\w*|outage`,
    String.raw`down|redundancy|quote|refer\w*|services?|circuits?|team|nature of|designated|access|via`,
    "all times|time ?zone|highest levels|ongoing effort|committed|valued customer|portal|attach|attached",
    "if|should|once|when",
  ],
  String.raw`\b`,
  "i",
);
const ABOUT = /\b(?:maintenances?|works?|activity|activities|windows?|event|dates?|times?|schedule)\b/i;
const PROSE_WORDS_MIN = 5;
/** Titles have no verb: "Network maintenance notice of May". */
const VERB =
  /\b(?:is|are|was|were|has|have|had|will|must|we|cannot|won't|do|does|did|be|been|continues?|remains?)\b/i;

const OPENING_LINES = 14;
const TITLE_LINES = 3;
const TITLE_WORDS_MAX = 6;
const FIELD_LABEL = new RegExp(
  String.raw`^(?:(?:maintenance|current|event|ticket|change|notification|notice|work|request|` +
    String.raw`activity|new|overall|case)\s+)*(?:status|state|type|stage|phase)$`,
  "i",
);

const FIELD_VALUES: readonly (readonly [RegExp, Status])[] = [
  [/^(?:cancel|annul|withdrawn)/i, "CANCELLED"],
  [/^(?:complete|completed|closed|finished|done|resolved|ended)/i, "COMPLETED"],
  [/^(?:re-?schedul|postpone)/i, "RE-SCHEDULED"],
  [/^(?:in[- ]progress|in[- ]process|started|ongoing|underway|implementing|begun)/i, "IN-PROCESS"],
  [/^(?:tentative|proposed|provisional|draft)/i, "TENTATIVE"],
  [/^(?:scheduled|planned|confirmed|approved|new|initial|reminder|announced|pending)/i, "CONFIRMED"],
];

export function statusClaims(page: Page): StatusClaim[] {
  const claims: StatusClaim[] = [];
  if (page.subject !== "") claims.push(...claimsIn(page.subject, "subject", true));
  const opening = openingOf(page);
  const titles = new Set([...opening].slice(0, TITLE_LINES));
  const log = staleLog(page);
  for (const { text, line } of sentencesOf(page, ({ part }) => part === "top")) {
    if (log.has(line)) continue;
    if (opening.has(line)) {
      const title = titles.has(line) && text.split(" ").length <= TITLE_WORDS_MAX;
      claims.push(...claimsIn(text, "opening", title));
    } else if (TOLD.test(text)) claims.push(...claimsIn(text, "body"));
  }
  for (const field of fieldsOf(page)) {
    if (!FIELD_LABEL.test(field.label) || field.line.part === "quoted") continue;
    const status = FIELD_VALUES.find(([pattern]) => pattern.test(field.value))?.[1];
    const column = field.form === "column" || field.label.endsWith("status");
    if (
      status === undefined &&
      column &&
      field.label.endsWith("status") &&
      field.value.split(" ").length <= 4
    )
      claims.push({
        status: "UNCLEAR",
        cue: `field: ${mask(field.label)}: ${mask(field.value)}`,
        quote: field.line.text,
        from: "field",
      });
    const typed = field.label.endsWith("type") && status === "CONFIRMED";
    if (status !== undefined && !typed)
      claims.push({
        status,
        cue: `field: ${mask(field.label)}: ${mask(field.value)}`,
        quote: field.line.text,
        from: "field",
      });
  }
  return claims;
}

/** Dated entries of a history: all but the newest are past. */
function staleLog(page: Page): ReadonlySet<Line> {
  const entries: { readonly line: Line; readonly at: number }[] = [];
  for (const line of page.lines) {
    const [moment] = momentsIn(line.text.slice(0, 80));
    if (moment?.day?.year === undefined || moment.clock === undefined || moment.start > 3) continue;
    if (!/^\s*[-–:]\s*\p{L}/u.test(line.text.slice(moment.end))) continue;
    const { year, month, day } = moment.day;
    entries.push({ line, at: Date.UTC(year, month - 1, day, 0, moment.clock.minutes, moment.clock.seconds) });
  }
  const newest = Math.max(...entries.map((entry) => entry.at));
  return new Set(entries.filter((entry) => entry.at < newest).map((entry) => entry.line));
}

const LEGAL =
  /\b(?:confidential\w*|disclaimer|privileged|unsubscribe|in error|copyright|all rights reserved)\b|©/i;

/** The first lines that are not greetings, up to the first block of fields, tables or lists. */
function openingOf(page: Page): ReadonlySet<Line> {
  const lines = page.lines.filter((line) => line.part === "top" && !LEGAL.test(line.text));
  return new Set(
    lines.slice(0, OPENING_LINES).filter((line) => !line.tabular || line.cells.filter(Boolean).length < 3),
  );
}

function claimsIn(text: string, from: "subject" | "opening" | "body", title = false): StatusClaim[] {
  const claims: StatusClaim[] = [];
  const label = /^[^:]{2,40}:\s/.exec(text)?.[0] ?? "";
  const add = (status: StatusClaim["status"]): void => {
    claims.push({ status, cue: mask(text), quote: text, from });
  };
  // Of "Expected completion: 05:00" only the value could tell a fact, and only in words.
  const said = from === "subject" ? text : text.slice(label.length);
  const named = label === "" || said.split(" ").length >= 4 || TITLE_LABEL.test(label);
  const told = from === "subject" || (named && !/reason|description|note:|purpose|detail/i.test(label));
  const whole = from === "subject" || (!CONDITION.test(text) && !OTHERS.test(text));
  if (told && whole) {
    for (const [pattern, status] of title ? [...TURNS, ...TITLE_TURNS] : TURNS)
      if (real(said, pattern, from) && !claims.some((claim) => claim.status === status)) add(status);
    const starts = title && !REMINDER.test(said) && real(said, STARTS, from) && !/:/.test(text);
    const strange = from === "opening" && label === "" && strangeTurn(text);
    if (claims.length === 0 && (real(said, UNCLEAR, from) || starts || strange)) add("UNCLEAR");
  }
  // "Planned maintenance: dates amended" is short, and says that something changed.
  const hint =
    !told &&
    !/\d/.test(said) &&
    [...TURNS.map(([pattern]) => pattern), UNCLEAR].some((one) => one.test(said));
  if (claims.length === 0 && hint) add("UNCLEAR");
  if (claims.length === 0 && (PLANNED.test(text) || REMINDER.test(text)) && from !== "body") add("CONFIRMED");
  return claims;
}

/** A sentence about the work in words that are not known: it may turn the plan into something else. */
function strangeTurn(text: string): boolean {
  if (text.split(" ").length < PROSE_WORDS_MIN || !ABOUT.test(text)) return false;
  if (!VERB.test(text) || momentsIn(text).length > 0) return false;
  return !ANNOUNCES.test(text) && !NEUTRAL.test(text);
}

/** The pattern stands in the text as a fact: not behind a condition, a wish or a denial. */
function real(text: string, pattern: RegExp, from: StatusClaim["from"]): boolean {
  for (const match of text.matchAll(new RegExp(pattern.source, "gi"))) {
    const before = text.slice(Math.max(0, match.index - 60), match.index);
    if (from === "subject" || !UNREAL.test(before)) return true;
  }
  return false;
}

/** What lessons say about cues: one status each. */
export type StatusLessons = ReadonlyMap<string, Status>;

/** One status when all that speak agree; a plan that is also cancelled is cancelled. */
export function readStatus(page: Page, lessons: StatusLessons): StatusFound {
  const claims = statusClaims(page);
  const evidence = claims.map((claim) => ({
    field: "status",
    value: claim.status,
    quote: quoteOf(claim.quote),
    by: claim.from,
  }));
  const doubt = (because: string, status?: Status): StatusFound => ({
    status,
    claims,
    doubts: [{ field: "status", because, candidates: [...new Set(claims.map((claim) => claim.status))] }],
    evidence,
  });
  const turnsFrom = (from: (claim: StatusClaim) => boolean): Set<Status> =>
    new Set(
      claims
        .filter(from)
        .flatMap(({ status }) => (status === "CONFIRMED" || status === "UNCLEAR" ? [] : [status])),
    );
  const turns = turnsFrom((claim) => claim.from !== "body");
  const late = turnsFrom((claim) => claim.from === "body");
  const taught = new Set(
    claims.flatMap((claim) =>
      claim.status === "UNCLEAR" || claims.length === 1 ? (lessons.get(claim.cue) ?? []) : [],
    ),
  );
  const fields = new Set(claims.filter((claim) => claim.from === "field").map((claim) => claim.status));
  // What is completed has begun before: both words in one notice mean the later, if its field agrees.
  if (
    turns.size === 2 &&
    turns.has("IN-PROCESS") &&
    turns.has("COMPLETED") &&
    fields.size === 1 &&
    fields.has("COMPLETED")
  )
    turns.delete("IN-PROCESS");
  const warned = claims.some(({ cue, status }) => {
    const taughtStatus = lessons.get(cue);
    if (taughtStatus === undefined || status === "UNCLEAR" || taughtStatus === status) return false;
    return status !== "CONFIRMED" || turns.size === 0;
  });
  if (warned) return doubt("an earlier notice with these words was resolved otherwise");
  if (turns.size > 1) return doubt("the notice names several statuses");
  const [turn] = turns;
  if (turn !== undefined) {
    const otherwise = [...fields].some((status) => status !== turn);
    if (otherwise) return doubt("the status field says otherwise", turn);
    return { status: turn, claims, doubts: [], evidence };
  }
  if (late.size > 0) return doubt("a status is told late in the text, not at its opening");
  if (claims.some((claim) => claim.status === "UNCLEAR")) {
    const [known] = taught;
    if (taught.size === 1 && known !== undefined) return { status: known, claims, doubts: [], evidence };
    return doubt("an update does not say what it changes");
  }
  if (claims.some((claim) => claim.status === "CONFIRMED"))
    return { status: "CONFIRMED", claims, doubts: [], evidence };
  return doubt("nothing says what is announced");
}
