/** Notices as plain text: carriers who fill in a form, and those who write a letter. */
import type { Impact, Status } from "../notice.ts";
import type { MailContent } from "./mail.ts";
import { csvFile, sheetFile } from "./sheets.ts";
import { circuitsOf, spell, type Work } from "./work.ts";

const IMPACT_WORDS: Readonly<Record<Impact, string>> = {
  "NO-IMPACT": "No impact",
  "REDUCED-REDUNDANCY": "Loss of redundancy",
  DEGRADED: "Degraded",
  OUTAGE: "Outage",
};
const STATUS_WORDS: Readonly<Record<Status, string>> = {
  TENTATIVE: "Tentative",
  CONFIRMED: "Confirmed",
  "RE-SCHEDULED": "Rescheduled",
  CANCELLED: "Cancelled",
  "IN-PROCESS": "In progress",
  COMPLETED: "Completed",
};

/** Skarvnet: hardly a word, the calendar says it all. */
export function skarvnetLetter(work: Work, calendar: string): MailContent {
  return {
    subject: `Skarvnet change ${work.id}`,
    text: "Dear customer,\n\nthe attached calendar has the details of this change.\n\nSkarvnet change desk\n",
    calendar,
  };
}

/** Bluewater Cable: labels and values, UTC. */
export function bluewaterLetter(work: Work): MailContent {
  const windows = work.windows.flatMap(({ start, end, circuits }, place) => [
    ...(work.windows.length > 1 ? [`WINDOW ${place + 1}`] : []),
    `Start:       ${spell(start.toUTC(), "dd-LLL-yyyy HH:mm 'UTC'")}`,
    `End:         ${spell(end.toUTC(), "dd-LLL-yyyy HH:mm 'UTC'")}`,
    "Services:",
    ...circuits.map(({ circuitId, impact }) => `  ${circuitId}   ${IMPACT_WORDS[impact]}`),
    "",
  ]);
  return {
    subject: `Bluewater Cable ${STATUS_WORDS[work.status].toUpperCase()}: ${work.id}`,
    text: [
      "BLUEWATER CABLE - MAINTENANCE NOTIFICATION",
      "==========================================",
      `Reference:   ${work.id}`,
      `Status:      ${STATUS_WORDS[work.status]}`,
      `Activity:    ${work.reason}, ${work.city}`,
      "",
      ...windows,
      "Bluewater Cable NOC | +44 20 5550 0142 | customer number 7734",
      "",
    ].join("\n"),
  };
}

/** Prairie Lambda: a form with twelve-hour times and the zone's abbreviation. */
export function prairieLetter(work: Work, extra = ""): MailContent {
  const windows = work.windows.flatMap(({ start, end, circuits }) => [
    `  Start Date/Time: ${spell(start, "LLLL d, yyyy h:mm a ZZZZ")}`,
    `  End Date/Time: ${spell(end, "LLLL d, yyyy h:mm a ZZZZ")}`,
    ...circuits.map(
      ({ circuitId, impact }) => `  Circuit: ${circuitId} - Expected impact: ${IMPACT_WORDS[impact]}`,
    ),
  ]);
  return {
    subject: `Prairie Lambda Maintenance Ticket ${work.id} [${STATUS_WORDS[work.status]}]`,
    text: [
      "Prairie Lambda Customer Notification",
      "",
      `  Maintenance Ticket: ${work.id}`,
      `  Status: ${STATUS_WORDS[work.status]}`,
      ...windows,
      `  Work: ${work.reason} near ${work.city}`,
      "",
      ...(extra === "" ? [] : [extra, ""]),
      "Call the Prairie Lambda service desk at 1-800-555-0117 with questions.",
      "",
    ].join("\n"),
  };
}

/** Alpenglas: two languages, Latin-1, and a list of circuits as CSV with offsets. */
export function alpenglasLetter(work: Work, before?: string): MailContent {
  const rows = work.windows.flatMap(({ start, end, circuits }) =>
    circuits.map(({ circuitId, impact }) => [
      circuitId,
      start.toFormat("yyyy-LL-dd'T'HH:mmZZ"),
      end.toFormat("yyyy-LL-dd'T'HH:mmZZ"),
      IMPACT_WORDS[impact],
    ]),
  );
  return {
    subject: `Alpenglas Wartung / maintenance ${work.id}: ${STATUS_WORDS[work.status]}`,
    text: [
      "Sehr geehrte Damen und Herren,",
      "",
      `Wartungsankündigung ${work.id}. Die betroffenen Leitungen finden Sie in der Beilage.`,
      "",
      `Maintenance ${work.id} of Alpenglas is ${STATUS_WORDS[work.status].toLowerCase()}.`,
      ...(before === undefined ? [] : [before]),
      "The circuits and times are in the attached list.",
      "",
      "Freundliche Grüsse aus Zürich",
      "Alpenglas AG",
      "",
    ].join("\n"),
    charset: "iso-8859-1",
    files: [
      {
        filename: `${work.id}.csv`,
        contentType: "text/csv",
        content: csvFile([["Circuit", "Start", "End", "Impact"], ...rows], ";"),
      },
    ],
  };
}

const UK_TIME = "HH:mm 'on' cccc d LLLL yyyy";

/** Redstone Metro: a letter in sentences; longer lists of circuits come as a spreadsheet. */
export async function redstoneLetter(work: Work, asSheet: boolean): Promise<MailContent> {
  const circuits = circuitsOf(work);
  const when = work.windows.map(
    ({ start, end }) =>
      `between ${spell(start, UK_TIME)} and ${spell(end, UK_TIME)} (${start.offset === 0 ? "GMT" : "BST"})`,
  );
  const impacts = circuits.map(({ circuitId, impact }) => `Circuit ${circuitId}: ${IMPACT_WORDS[impact]}.`);
  const list = asSheet ? ["The affected circuits are listed in the attached spreadsheet."] : impacts;
  const cancelled = work.status === "CANCELLED";
  const body = cancelled
    ? ["We are writing to let you know that this work has been cancelled. We apologise for the trouble."]
    : [
        `We will carry out planned work (${work.reason}, ${work.city}) ${when.join(", and ")}.`,
        ...list,
        "Please take the steps that you need to take in time.",
      ];
  const sheet = asSheet
    ? await sheetFile([
        ["Circuit reference", "Impact"],
        ...circuits.map(({ circuitId, impact }) => [circuitId, IMPACT_WORDS[impact]]),
      ])
    : undefined;
  return {
    subject: `Redstone Metro ${cancelled ? "cancellation of " : ""}planned work ${work.id}`,
    text: ["Dear customer,", "", ...body, "", "Yours,", "Redstone Metro service management", ""].join("\n"),
    ...(sheet === undefined
      ? {}
      : {
          files: [
            {
              filename: "circuits.xlsx",
              contentType: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
              content: sheet,
            },
          ],
        }),
  };
}
