/**
 * Notices changed so that a careless reader goes wrong: for tests.
 *
 * Each mutation takes something away that a value stood on, or adds something that contradicts it. A
 * reader may then ask; if it is sure, it must be sure of what is still true.
 */
import type { Notice, Statement } from "../notice.ts";
import { wordsIn } from "./words.ts";

export type Mutant = {
  readonly name: string;
  readonly notice: Notice;
  /** True when being sure of this statement would still be right. */
  readonly allows: (statement: Statement) => boolean;
};

type Change = (text: string) => string;

const ZONES = wordsIn(
  String.raw`\s*[([]?\s*\b`,
  ["UTC|GMT|CES?T|E[SD]?T|C[SD]T|M[SD]T|P[SD]T|BST|JST|Z|Pacific|Eastern|Central|Mountain", "MDT|BRT"],
  String.raw`\b(?:[+-]\d+)?\s*(?:\([A-Z][a-z]+ [A-Za-z ]+\))?\s*[)\]]?`,
  "g",
);
const IMPACTS = wordsIn(
  String.raw`.*\b`,
  ["impact|outage|hard down|interruption|unavailable|loss of|downtime|affect|disruption|degrad|influence"],
  String.raw`\w*.*`,
  "gi",
);

const HARM = /\b(?:outage|hard down|total loss of service|loss of service)\b/gi;
const OTHER_HARM = /\b(?:interrupt\w*|downtime|unavailable|go down|service affecting|disrupt\w*|down)\b/i;

const both = (notice: Notice, change: Change): Notice => ({
  ...notice,
  ...(notice.subject === undefined ? {} : { subject: change(notice.subject) }),
  text: change(notice.text),
});
const body = (notice: Notice, change: Change): Notice => ({ ...notice, text: change(notice.text) });
const head = (notice: Notice, subject: string): Notice => ({ ...notice, subject });

/** All mutants of a notice whose reading is known to be `truth`. */
export function mutantsOf(notice: Notice, truth: Statement): Mutant[] {
  const all = [...robbed(notice, truth), ...contradicted(notice, truth), ...disturbed(notice, truth)];
  return all.filter(
    (mutant) => mutant.notice.text !== notice.text || mutant.notice.subject !== notice.subject,
  );
}

const never = (): boolean => false;
const otherId = (id: string): string => id.replace(/\d(?=\D*$)/, (digit) => String((Number(digit) + 3) % 10));
const sameWindow = (a: Statement, b: Statement): boolean =>
  windowsOf(a) === windowsOf(b) && a.maintenanceId === b.maintenanceId;

/** What a value stood on is gone. */
function robbed(notice: Notice, truth: Statement): Mutant[] {
  const id = truth.maintenanceId;
  const escaped = id.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`);
  return [
    { name: "no zone is left", notice: both(notice, (text) => text.replaceAll(ZONES, " ")), allows: never },
    {
      name: "no word of impact is left",
      notice: both(notice, (text) => text.replaceAll(IMPACTS, "-")),
      allows: never,
    },
    {
      name: "the id is gone",
      notice: both(notice, (text) => text.replaceAll(new RegExp(escaped, "g"), "")),
      allows: never,
    },
    {
      name: "the id is an account number",
      notice: head(
        body(notice, (text) =>
          text.replaceAll(new RegExp(String.raw`.*${escaped}.*`, "g"), `Account number: ${id}`),
        ),
        "Planned maintenance",
      ),
      allows: never,
    },
    {
      name: "years are missing",
      notice: {
        ...both(notice, (text) => text.replaceAll(/([ \-/.,])20[12]\d\b(?!-)/g, "")),
        sentAt: "2015-01-01T00:00:00Z",
      },
      allows: (statement) => windowsOf(statement) === windowsOf(truth),
    },
  ];
}

/** Something else is said as well. */
function contradicted(notice: Notice, truth: Statement): Mutant[] {
  const other = otherId(truth.maintenanceId);
  return [
    {
      name: "a second maintenance id is named",
      notice: body(notice, (text) => `Maintenance ID: ${other}\n${text}`),
      allows: never,
    },
    {
      name: "the subject cancels",
      notice: head(notice, `CANCELLED: ${notice.subject ?? "maintenance"}`),
      allows: (statement) => statement.status === "CANCELLED" && sameWindow(statement, truth),
    },
    {
      name: "the end says that it was postponed",
      notice: body(notice, (text) => `${text}\nThe maintenance has been postponed until further notice.`),
      allows: (statement) =>
        statement.status === "RE-SCHEDULED" ||
        (statement.status === truth.status && truth.status !== "CONFIRMED"),
    },
    {
      name: "the opening says that it was cancelled",
      notice: body(notice, (text) => `Please note that this maintenance has been cancelled.\n${text}`),
      allows: (statement) => statement.status === "CANCELLED",
    },
    {
      name: "one time is an hour later",
      notice: both(notice, oneHourLater),
      allows: (statement) => windowsOf(statement) !== windowsOf(truth),
    },
    {
      name: "a second window stands below",
      notice: body(
        notice,
        (text) => `${text}\nAdditional window\nStart: 2031-02-03 01:00 UTC\nEnd: 2031-02-03 05:00 UTC`,
      ),
      allows: (statement) => statement.windows.length > 1,
    },
    {
      name: "all circuits are spared",
      notice: body(
        notice,
        (text) => `${text}\n${truth.windows[0]?.circuits[0]?.circuitId} will not be affected.`,
      ),
      allows: never,
    },
  ];
}

/** Things that must not matter, and words that change the meaning. */
function disturbed(notice: Notice, truth: Statement): Mutant[] {
  const other = otherId(truth.maintenanceId);
  return [
    {
      name: "an older mail is quoted below",
      notice: body(
        notice,
        (text) =>
          `${text}\nFrom: noc@example.net\nSent: 1 January 2020\nSubject: Planned maintenance\n` +
          `Maintenance ID: ${other}\n` +
          "Start: 2020-02-03 01:00 UTC\nEnd: 2020-02-03 05:00 UTC\nImpact: none",
      ),
      allows: (statement) => sameWindow(statement, truth) && same(statement, truth),
    },
    {
      name: "a signature with numbers",
      notice: body(
        notice,
        (text) =>
          `${text}\nJane Roe, NOC\nPhone: +1 555 0100 2000\nFax: 555-0100-2001\nISO 9001:2015, Est. 1987`,
      ),
      allows: (statement) => same(statement, truth),
    },
    {
      name: "harm becomes degradation",
      notice: both(notice, (text) => text.replaceAll(HARM, "degradation")),
      allows: (statement) =>
        impactsOf(statement) === "DEGRADED" || impactsOf(truth) !== "OUTAGE" || OTHER_HARM.test(notice.text),
    },
  ];
}

const windowsOf = (statement: Statement): string =>
  statement.windows
    .map(({ startsAt, endsAt }) => `${Date.parse(startsAt)}/${Date.parse(endsAt)}`)
    .sort()
    .join();

const impactsOf = (statement: Statement): string =>
  [...new Set(statement.windows.flatMap(({ circuits }) => circuits.map(({ impact }) => impact)))]
    .sort()
    .join();

const circuitsOf = (statement: Statement): string =>
  [
    ...new Set(
      statement.windows.flatMap(({ circuits }) =>
        circuits.map(({ circuitId, impact }) => `${circuitId.replaceAll(/\s+/g, "")}=${impact}`),
      ),
    ),
  ]
    .sort()
    .join();

/** Equal in everything that would be committed. */
function same(a: Statement, b: Statement): boolean {
  return (
    a.maintenanceId === b.maintenanceId &&
    a.status === b.status &&
    windowsOf(a) === windowsOf(b) &&
    circuitsOf(a) === circuitsOf(b)
  );
}

/** The first time that a start or a zone stands beside is moved by an hour; everything else stays. */
function oneHourLater(text: string): string {
  return text.replace(
    /((?<!original )(?:start|begin|utc|gmt|between|window|from)[^\n]{0,40}?\b)(\d{2}):(\d{2})\b/i,
    (_, lead: string, hour: string, minute: string) =>
      `${lead}${String((Number(hour) + 1) % 24).padStart(2, "0")}:${minute}`,
  );
}
