/**
 * What only shows when the fields are laid beside each other: a status that the dates deny, a status word
 * about something else, circuits that belong to one of several windows.
 *
 * Nothing is read here; each finding is a doubt about what was read.
 */
import type { Notice, Status } from "../notice.ts";
import { idsIn } from "./identifiers.ts";
import type { Sighting } from "./inventory.ts";
import type { Page } from "./page.ts";
import { sentencesOf } from "./sentences.ts";
import type { StatusFound } from "./status.ts";
import type { Doubt } from "./types.ts";
import type { WindowsFound } from "./windows.ts";
import { wordsIn } from "./words.ts";

type Read = {
  readonly page: Page;
  readonly notice: Notice;
  readonly status: StatusFound;
  readonly found: WindowsFound;
  readonly sightings: readonly Sighting[];
  /** The maintenance id and the circuits: ids that a sentence about this work may name. */
  readonly own: readonly string[];
};

/** All doubts that need more than one field to be seen. */
export function crossDoubts(read: Read): Doubt[] {
  const status = [...aboutOther(read), ...goesOn(read), ...undated(read), ...untimely(read)];
  return [
    ...status.map((because): Doubt => ({ field: "status", because })),
    ...mixedRows(read).map((because): Doubt => ({ field: "circuits", because })),
  ];
}

/** A part, a step, an order or a history: done or cancelled of these says nothing of the whole. */
const PART = wordsIn(
  String.raw`\b`,
  [
    String.raw`phases?|partly|partially|part(?= of (?:this|the|it)\b)|stages?|steps?|surveys?|half|halves`,
    String.raw`(?<!work |change |maintenance )orders?(?! to\b)|history|created|first|second|preparat\w+`,
    String.raw`preliminary|site (?:visit|access)|by mistake|mistakenly|replac(?:es|ed by|ing)|supersed\w+`,
    String.raw`(?:cancell?ed|completed|closed) in error|related|linked|no longer cancell?ed|some of|if`,
  ],
  String.raw`\b`,
  "i",
);
const ASIDE_LABEL =
  /^\W*(?:reason|related|replaces|supersedes|linked|parent|history|log|remarks?|background)\b[^:]*:/i;

const isTurn = (status: Status | undefined): status is Status =>
  status !== undefined && status !== "CONFIRMED";

/** The word that decided stands in no place that is surely about this maintenance. */
function aboutOther({ status, own }: Read): string[] {
  if (!isTurn(status.status) || status.doubts.length > 0) return [];
  const mine = own.map((id) => id.toLowerCase());
  const known = (id: string): boolean =>
    mine.some((one) => one.includes(id.toLowerCase()) || id.toLowerCase().includes(one));
  const told = status.claims.filter((claim) => claim.status === status.status);
  const plain = told.some((claim) => {
    if (claim.from === "field") return true;
    if (PART.test(claim.quote) || ASIDE_LABEL.test(claim.quote)) return false;
    return claim.from === "subject" || idsIn(claim.quote).every(known);
  });
  return plain || told.length === 0 ? [] : ["a status is told of something that may not be this maintenance"];
}

const GOES_ON = new RegExp(
  String.raw`(?<!\b(?:not|cannot|won't|unable to|no longer|never) (?:be able to )?)\b(?:proceed(?:s|ing)?|` +
    String.raw`go(?:es|ing)? ahead|go(?:es)? on|work continues|reinstated|un-?cancell?ed|as ` +
    String.raw`(?:originally )?(?:planned|scheduled))\b`,
  "i",
);
const CONDITION = /\b(?:if|once|when|whether|unless|until|before|may|might|should|could|prior to|before)\b/i;

/** A cancelled or finished maintenance that also goes ahead. */
function goesOn({ page, status }: Read): string[] {
  if (status.status !== "CANCELLED" && status.status !== "COMPLETED") return [];
  const other = sentencesOf(page, ({ part }) => part === "top").some(
    ({ text }) => GOES_ON.test(text) && !CONDITION.test(text),
  );
  return other ? ["the notice also says that the work goes on"] : [];
}

const NEW_DATE = new RegExp(
  String.raw`\bnew (?:date|time|window|schedule)s?(?: and times?)? (?:follows|(?:will|is to|to) (?:be |` +
    String.raw`follow))|\b(?:will|to) (?:announce|advise|communicate|provide|inform \w+ of) (?:\w+ )?` +
    String.raw`(?:a|the) new\b|\bnew (?:date|time|window) (?:is )?(?:tbd|tba|to be)`,
  "i",
);

/** Moved, but to when is not told yet. */
function undated({ page, status }: Read): string[] {
  const moved = status.status === "RE-SCHEDULED";
  return moved && page.lines.some((line) => line.part !== "quoted" && NEW_DATE.test(line.text))
    ? ["the new date is still to come"]
    : [];
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Work may begin some hours before its window. */
const EARLY_MAX = 12 * HOUR;
/** A notice of a plan reaches us before its start, or soon after its end. */
const LATE_MAX = 3 * DAY;
/** A header further from the window is not the notice's own: it was forwarded or kept, and sent again. */
const OWN_MAX = 60 * DAY;
/** About a year off is a slip in the year. */
const YEAR_OFF = [330 * DAY, 400 * DAY] as const;

/** What is begun, done or still to come by its words, and not by the day the mail was sent. */
function untimely({ notice, status, found }: Read): string[] {
  const sent = notice.sentAt === undefined ? Number.NaN : Date.parse(notice.sentAt);
  const starts = found.windows.map((window) => window.startsAt);
  const ends = found.windows.map((window) => window.endsAt);
  if (Number.isNaN(sent) || starts.length === 0) return [];
  const first = Math.min(...starts);
  const early = first - sent;
  const late = sent - Math.max(...ends);
  if (early < OWN_MAX && status.status === "COMPLETED" && early > 0)
    return ["it is said to be done before its start"];
  if (early < OWN_MAX && status.status === "IN-PROCESS" && early > EARLY_MAX)
    return ["it is said to be running before its start"];
  const over = status.status === "COMPLETED" || status.status === "CANCELLED";
  const past = (late > LATE_MAX && late < OWN_MAX) || (late > YEAR_OFF[0] && late < YEAR_OFF[1]);
  return !over && past ? ["its time was long over when it was announced"] : [];
}

/** Several windows with circuits between them: each may belong to one window only. */
function mixedRows({ found, sightings }: Read): string[] {
  const circuits = new Set(sightings.map((sighting) => sighting.circuitId));
  if (found.windows.length < 2 || circuits.size < 2) return [];
  const lines = found.windows.flatMap((window) => window.slots.map((slot) => slot.range.line));
  const first = Math.min(...lines);
  const last = Math.max(...lines);
  const between = sightings.some(({ line }) => line.index >= first && line.index <= last);
  return between ? ["the circuits may each belong to one window only"] : [];
}
