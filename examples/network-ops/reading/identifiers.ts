/**
 * The maintenance id: named by its label, by the subject, or by "please reference ...".
 *
 * Numbers are everywhere in a notice, and an account number read as an id was the costliest mistake
 * of a first trial. So a value needs a label that names the work, or two places that agree, and every
 * other id-like value in such a place makes it doubtful.
 */
import { fieldsOf } from "./fields.ts";
import { mask, type Page } from "./page.ts";
import { momentsIn } from "./moments.ts";
import { type Anchor, type Doubt, type Evidence, quoteOf } from "./types.ts";
import { wordsIn } from "./words.ts";

export type Identified = {
  readonly ids: readonly string[];
  readonly doubts: readonly Doubt[];
  readonly evidence: readonly Evidence[];
};

/** A value that can be the id, and how strongly its place says so. */
type Claim = {
  readonly id: string;
  readonly strength: "strong" | "plain" | "mention";
  readonly place: Anchor["place"];
  readonly before: string;
  readonly quote: string;
  readonly by: string;
};

const WORK =
  String.raw`(?:planned\s+|scheduled\s+|emergency\s+|network\s+|global\s+|service\s+)*` +
  String.raw`(?:maintenances?|maint\.?|mnt|maintenance\s+(?:notification|event|window|activity|` +
  String.raw`request|work)|works?|work\s*order|planned\s*works?|` +
  String.raw`change(?:\s+(?:request|control|order|management))?|event|notification|outage|activity|` +
  String.raw`pw|crq?|chg|mop|gcr|wo)`;
const NUMBER =
  String.raw`(?:\s+[a-z]{2,4}(?=\s))?(?:\s*(?:ticket|case|reference|ref\.?|request|record|tracking|` +
  String.raw`job))*\s*(?:id(?:entifier)?|no\.?|nr\.?|num(?:ber)?|#|reference|ref\.?|ticket|` +
  String.raw`code)\s*(?:number|no\.?|id|#)?`;
/** A label that names the work and says that a number follows. */
const STRONG_LABEL = new RegExp(
  String.raw`^(?:our\s+|the\s+|internal\s+|vendor\s+)?${WORK}${NUMBER}\s*[.#]*$`,
  "i",
);
/** A label for some number of theirs: enough only when a second place agrees. */
const PLAIN_LABEL = new RegExp(
  String.raw`^(?:our\s+|your\s+)?(?:(?:tracking|trouble|noc|ticket|case|reference|ref\.?|request|` +
    String.raw`incident|job|task|project|change|maintenance|maint|work\s*order|planned\s*works?|event|` +
    String.raw`notification)[\s-]*)+(?:id|no\.?|nr\.?|number|#|reference|ref\.?|ticket)*\s*[.#]*$`,
  "i",
);
/** A label for a number in some language or trade: enough when the subject names the same number. */
const AGREED_LABEL = wordsIn(
  String.raw`(?:^|[^\p{L}])`,
  [
    "number|no|nr|nummer|n[úu]mero|num[ée]ro|ref|reference|referencia|r[ée]f[ée]rence|referenz|id",
    "identification",
    String.raw`case|caso|call|chamado|operation|intervention|bulletin|event|ticket|tt|crn|ot|work|wartung\w*`,
    "trabajo|trabalho|maintenance|mantenimiento|manuten[çc][ãa]o|travaux|[A-Z]{2,4}",
  ],
  String.raw`(?=$|[^\p{L}])|^\p{L}+nummer$`,
  "iu",
);
const FOREIGN_OTHER = wordsIn(
  "",
  [
    "kund|client|cust|contra|vertrag|auftrag|pedido|commande|factur|rechnung|konto|cuenta",
    String.raw`orden(?! de trabajo)|conta\b`,
  ],
  "",
  "i",
);
const WORK_ONLY = new RegExp(String.raw`^${WORK}$`, "i");
/** `NTX#`: letters that only the carrier can explain; they need the subject's agreement. */
const ACRONYM = /^[A-Z]{2,6}(?:[\s-]?(?:ID|No\.?|Number|#))?\s*#?$/;
const OTHER_LABEL = wordsIn(
  String.raw`\b`,
  [
    "account|acct|customer|client|ban|billing|order|so|po|invoice|contract|circuit|ckt|cid",
    "service|sid|line|site|location|clli|asset|serial|port|phone|tel|fax|pin|zip|asn?|vlan",
    "product|date|time|start|end|duration|window|status|type|priority|urgency|reason",
    "description|impact|previous|old|original|related|parent|linked|incident|contact|company",
    String.raw`name|address|version|rev\w*|sequence`,
  ],
  String.raw`\b`,
  "i",
);
/** Letters, digits and a few joints; a digit at least, and not too short to be told from a count. */
const ID = /^[A-Za-z0-9](?:[A-Za-z0-9_./#-]*[A-Za-z0-9])?/;
const PHONE = /^(?:\d{1,4}[-.])?\d{2,4}[-.]\d{3}[-.]\d{2,4}$|^\d{3}[-.]\d{4}$|^[01][-.]\d{3}/;
const ID_LENGTH_MIN = 4;
const ID_LENGTH_MAX = 40;

/** The id of the value's first word, if it can be an id at all. */
function idIn(value: string): string | undefined {
  const word = value.replace(/^[\s[(#:"'<*]+/, "").split(/[\s,;|()[\]"'<>]/)[0] ?? "";
  const id = ID.exec(word)?.[0] ?? "";
  return canBeId(id) ? id : undefined;
}

function canBeId(id: string): boolean {
  if (id.length < ID_LENGTH_MIN || id.length > ID_LENGTH_MAX || !/\d/.test(id)) return false;
  if (momentsIn(id).some((moment) => moment.day !== undefined || moment.clock !== undefined)) return false;
  if (PHONE.test(id)) return false;
  return !wordsIn(
    "",
    [
      String.raw`^(?:\d{1,3}\.){3}\d{1,3}$|^\+|www\.|\.com\b`,
      String.raw`^\d+(?:st|nd|rd|th|hrs?|min\w*|gbps|mbps|g|gb|mb|x7)$|^20[0-4]\d$`,
    ],
    "",
    "i",
  ).test(id);
}

/**
 * @param taken ids that are something else for certain: our circuits
 * @param anchors places where this carrier's ids stood before, from lessons
 */
export function readIdentifiers(
  page: Page,
  taken: ReadonlySet<string>,
  anchors: readonly Anchor[],
): Identified {
  const claims = claimsOn(page).filter((claim) => !taken.has(claim.id.toLowerCase()));
  const taught = taughtBy(page, anchors, taken);
  const strong = distinct(claims.filter((claim) => claim.strength === "strong"));
  const plain = distinct(claims.filter((claim) => claim.strength !== "mention"));
  const inSubject = subjectIds(page).filter((id) => !taken.has(id.toLowerCase()));
  const doubt = (because: string, candidates: readonly string[]): Identified => ({
    ids: candidates.slice(0, 1),
    doubts: [{ field: "maintenanceId", because, candidates }],
    evidence: claims.map(evidenceOf),
  });
  const [known] = taught;
  if (known !== undefined && taught.length === 1) {
    // Where the subject never named the id before, another number there is nothing new.
    const titled = anchors.some((anchor) => anchor.place === "subject");
    const others = inSubject.filter((other) => titled && other !== known && looksLike(other, known));
    return others.length === 0
      ? found(taught, claims, "lesson")
      : doubt("a second id of the same form is named", [known, ...others]);
  }
  if (strong.length > 1) return doubt("several maintenance ids are named", strong);
  const [id] = strong;
  if (id !== undefined) {
    const rivals = plain.filter((other) => other !== id);
    const agreed = inSubject.includes(id);
    if (rivals.length > 0 && !agreed)
      return doubt("another id is named beside the maintenance id", [id, ...rivals]);
    if (rivals.some((other) => inSubject.includes(other)))
      return doubt("the subject names another number too", [id, ...rivals]);
    const longer = inSubject.filter((other) => other !== id && other.includes(id));
    if (longer.length > 0) return doubt("the subject names a longer form of the id", [id, ...longer]);
    const strange = inSubject.filter((other) => other !== id && !id.includes(other) && looksLike(other, id));
    if (strange.length > 0) return doubt("the subject names another id", [id, ...strange]);
    if (rivals.some((other) => looksLike(other, id)))
      return doubt("a second id of the same form is named", [id, ...rivals]);
    return found([id], claims, "label");
  }
  if (unread(page)) return doubt("the maintenance id is written in an unknown way", distinct(claims));
  const twice = distinct(claims).filter((other) => inSubject.includes(other));
  const rivals = distinct(claims).filter((other) => !twice.includes(other));
  if (twice.length === 1 && rivals.length === 0 && stands(page, twice[0] ?? "", claims, taken))
    return found(twice, claims, "subject and body");
  // One number in the whole notice, under a label for a ticket, and a subject without any other.
  const [sole] = plain;
  if (sole !== undefined && distinct(claims).length === 1 && inSubject.length === 0)
    return found([sole], claims, "only label");
  if (twice.length + rivals.length > 0)
    return doubt("no place names the id for certain", [...twice, ...rivals]);
  return doubt("no maintenance id is named", inSubject);
}

function found(ids: readonly string[], claims: readonly Claim[], by: string): Identified {
  const own = claims.filter((claim) => ids.includes(claim.id)).map(evidenceOf);
  const evidence =
    own.length > 0 ? own : ids.map((value) => ({ field: "maintenanceId", value, quote: value, by }));
  return { ids, doubts: [], evidence };
}

const evidenceOf = (claim: Claim): Evidence => ({
  field: "maintenanceId",
  value: claim.id,
  quote: quoteOf(claim.quote),
  by: claim.by,
});

const distinct = (claims: readonly Claim[]): string[] => [...new Set(claims.map((claim) => claim.id))];

/** Two ids of one form are rivals: letters by letters, and digits in about the same number. */
function looksLike(a: string, b: string): boolean {
  return formOfId(a) === formOfId(b);
}

/** The letters stay, since they are the carrier's prefix; digits and their number do not. */
const formOfId = (id: string): string => id.replaceAll(/\d+/g, "9");

/** Digits that a number of the subject alone must have: a device or a site is named with fewer. */
const ALONE_DIGITS_MIN = 6;

/** The subject's number is the only one of its form, stands under no other label, and is not a device's. */
function stands(page: Page, id: string, claims: readonly Claim[], taken: ReadonlySet<string>): boolean {
  const alone = !claims.some((claim) => claim.id === id && claim.place === "body");
  if (alone && id.replaceAll(/\D/g, "").length < ALONE_DIGITS_MIN) return false;
  if (fieldsOf(page).some(({ label, value }) => idIn(value) === id && OTHER_LABEL.test(label) && alone))
    return false;
  return !placesOf(page).some(
    (place) =>
      place.id !== id && looksLike(place.id, id) && !taken.has(place.id.toLowerCase()) && /\p{L}/u.test(id),
  );
}

/** A label that names the work's id, over a value that has digits and is no id. */
function unread(page: Page): boolean {
  return fieldsOf(page).some(
    ({ label, value, form }) =>
      form !== "below" && STRONG_LABEL.test(label.trim()) && /\d/.test(value) && idIn(value) === undefined,
  );
}

/** All claims on the page. */
function claimsOn(page: Page): Claim[] {
  const claims: Claim[] = [];
  for (const field of fieldsOf(page)) {
    const label = field.label
      .replaceAll(/[*_()[\]:]+/g, " ")
      .replaceAll(/\s+/g, " ")
      .trim();
    const id = idIn(field.value);
    if (id === undefined || OTHER_LABEL.test(label.replace(/#.*$/, "").replace(/\bwork\s*order\b/, "")))
      continue;
    const strength = label.split(" / ").some((part) => STRONG_LABEL.test(part.trim()))
      ? "strong"
      : (PLAIN_LABEL.test(label) || WORK_ONLY.test(label) || acronymAgrees(page, field.name.trim(), id)) &&
          field.line.part !== "attachment"
        ? "plain"
        : AGREED_LABEL.test(label) && !FOREIGN_OTHER.test(label) && page.subject.includes(id)
          ? "mention"
          : undefined;
    if (strength === undefined || (field.form === "below" && field.value.split(" ").length > 3)) continue;
    claims.push({
      id,
      strength,
      place: "body",
      before: mask(label),
      quote: field.line.text,
      by: `label "${label}"`,
    });
  }
  for (const line of page.lines)
    claims.push(...proseClaims(line.text, line.part === "subject" ? "subject" : "body"));
  return claims;
}

/** The subject gives the same letters and the same number: "(Notification NTX#: 4711)" above "NTX: 4711". */
function acronymAgrees(page: Page, name: string, id: string): boolean {
  const letters = ACRONYM.exec(name) === null ? undefined : /^[A-Z]{2,6}/.exec(name)?.[0];
  if (letters === undefined) return false;
  const at = page.subject.indexOf(id);
  return (
    at > 0 && new RegExp(String.raw`\b${letters}(?:[\s#:.-]|No|ID|Number)*$`).test(page.subject.slice(0, at))
  );
}

const IN_PROSE = new RegExp(
  String.raw`(?<![A-Za-z])(?<label>${WORK}${NUMBER}` +
    String.raw`)\s*(?:is|[:.#-])*\s*#?\s*(?<id>(?=[A-Za-z0-9_./-]*\d)[A-Za-z0-9][A-Za` +
    String.raw`-z0-9_./-]*[A-Za-z0-9])`,
  "gi",
);
/** "planned work VL-00323": letters and digits right after the work's name. */
const BARE = new RegExp(
  String.raw`(?<![A-Za-z])(?:[Mm]aintenance|[Ww]orks?|[Cc]hange|[Ee]vent|MAINTENANCE|WORKS?|EVENT)\s+(?<id>` +
    String.raw`(?=[A-Za-z0-9_./-]*\d)[A-Z][A-Za-z0-9_./-]*[A-Za-z0-9])`,
  "g",
);
const MENTION = new RegExp(
  String.raw`\b(?:reference|quote|quoting|mention(?:ing)?|include the|ticket|case|` +
    String.raw`ref\.?)\b[:\s#]*(?:the\s+)?(?:ticket|number|id|reference|maintenance|case|\s|#|` +
    String.raw`:)*[[(]?(?<id>(?=[A-Za-z0-9_./-]*\d)[A-Za-z0-9][A-Za-z0-9_./-]*[A-Za-z0-9])`,
  "gi",
);

/** Before a number of something else. */
const OTHER_BEFORE =
  /\b(?:account|client|customer|your|circuit|order|previous|original|reschedule of|replaces|supersedes)\W*$/i;

function proseClaims(text: string, place: Anchor["place"]): Claim[] {
  const claims: Claim[] = [];
  const push = (match: RegExpMatchArray, strength: Claim["strength"], by: string): void => {
    const id = match.groups?.["id"] ?? "";
    const before = text.slice(Math.max(0, (match.index ?? 0) - 30), match.index);
    if (!canBeId(id) || OTHER_BEFORE.test(before)) return;
    claims.push({ id, strength, place, before: mask(match.groups?.["label"] ?? by), quote: text, by });
  };
  for (const match of text.matchAll(IN_PROSE)) push(match, "strong", "words before it");
  for (const match of text.matchAll(BARE)) push(match, "mention", "named after the work");
  for (const match of text.matchAll(MENTION)) push(match, "mention", "to be referenced");
  return claims;
}

const subjectIds = (page: Page): string[] => idsIn(page.subject);

/** Words of the text that can be ids. */
export function idsIn(text: string): string[] {
  const words = text.split(/[\s,;|()[\]"'<>*:#]+/);
  return [
    ...new Set(words.map((word) => word.replaceAll(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, "")).filter(canBeId)),
  ];
}

/** Ids that stand where this carrier's ids stood before, in the same form. */
function taughtBy(page: Page, anchors: readonly Anchor[], taken: ReadonlySet<string>): string[] {
  const ids = new Set<string>();
  for (const anchor of anchors)
    for (const place of placesOf(page))
      if (
        place.place === anchor.place &&
        place.before === anchor.before &&
        formOfId(place.id) === anchor.form
      )
        if (!taken.has(place.id.toLowerCase())) ids.add(place.id);
  return [...ids];
}

/** Every id-like word with the masked words before it. */
export function placesOf(page: Page): (Anchor & { readonly id: string })[] {
  const places: (Anchor & { readonly id: string })[] = [];
  for (const line of page.lines) {
    const above = page.lines[line.index - 1]?.part === line.part ? page.lines[line.index - 1]?.text : "";
    for (const [cell, text] of line.cells.entries())
      for (const match of text.matchAll(/[A-Za-z0-9](?:[A-Za-z0-9_./-]*[A-Za-z0-9])?/g)) {
        if (!canBeId(match[0])) continue;
        const own = mask(text.slice(0, match.index)).slice(-40);
        const beside = mask(line.cells[cell - 1] ?? "").slice(-40);
        const before = own !== "" ? own : beside !== "" ? `| ${beside}` : `/ ${mask(above ?? "").slice(-40)}`;
        const place = line.part === "subject" ? "subject" : "body";
        places.push({ place, before, form: formOfId(match[0]), id: match[0] });
      }
  }
  return places;
}
