/** Notices as web pages: carriers who build mail in a page editor. */
import type { MailContent } from "./mail.ts";
import { circuitsOf, spell, type Work, type WorkCircuit } from "./work.ts";

type Row = readonly string[];

/** Tejo Transit: one table of labels and values, one of circuits, local times with the zone's name. */
export function tejoPage(work: Work): MailContent {
  const rows: Row[] = [
    ["Reference", work.id],
    ["Status", { ...TEJO_STATUS }[work.status]],
    ...work.windows.flatMap(({ start, end }): Row[] => [
      ["Start", spell(start, "yyyy-LL-dd HH:mm")],
      ["End", spell(end, "yyyy-LL-dd HH:mm")],
    ]),
    ...(work.windows.length > 0 ? [["Time zone", work.windows[0]?.start.zoneName ?? ""]] : []),
    ["Location", work.city],
    ["Reason", work.reason],
  ];
  const circuits = circuitsOf(work).map(({ circuitId, impact }) => [
    circuitId,
    "10G wave",
    TEJO_IMPACT[impact],
  ]);
  const list = circuits.length === 0 ? "" : table([["Circuit ID", "Service", "Impact"], ...circuits]);
  return {
    subject: `Tejo Transit - ${TEJO_SUBJECT[work.status]} ${work.id}`,
    text: "This message is best read in a mail program that shows HTML.\n",
    html: frame(
      "Tejo Transit",
      `<p>Dear customer,</p><p>${TEJO_INTRO[work.status]}</p>${table(rows)}${
        list === "" ? "" : "<p>Affected services:</p>"
      }${list}<p>Our network operations centre is at your service at any hour: +351 555 0100.</p>`,
      "Tejo Transit S.A., Rua das Fibras 12, 1000-001 Lisboa. VAT PT500000000.",
    ),
  };
}

const TEJO_STATUS: Readonly<Record<Work["status"], string>> = {
  TENTATIVE: "Tentative",
  CONFIRMED: "Confirmed",
  "RE-SCHEDULED": "Rescheduled",
  CANCELLED: "Cancelled",
  "IN-PROCESS": "In progress",
  COMPLETED: "Completed",
};
const TEJO_SUBJECT: typeof TEJO_STATUS = {
  TENTATIVE: "Provisional maintenance",
  CONFIRMED: "Planned maintenance",
  "RE-SCHEDULED": "Rescheduled maintenance",
  CANCELLED: "Cancelled maintenance",
  "IN-PROCESS": "Maintenance in progress",
  COMPLETED: "Completed maintenance",
};
const TEJO_INTRO: typeof TEJO_STATUS = {
  TENTATIVE: "we are considering the maintenance described below.",
  CONFIRMED: "we will carry out the maintenance described below.",
  "RE-SCHEDULED": "the maintenance described below has been rescheduled. Only the new times count.",
  CANCELLED: "the maintenance described below has been cancelled and will not take place.",
  "IN-PROCESS": "the maintenance described below is in progress.",
  COMPLETED: "the maintenance described below has been completed.",
};
const TEJO_IMPACT: Readonly<Record<WorkCircuit["impact"], string>> = {
  "NO-IMPACT": "No impact",
  "REDUCED-REDUNDANCY": "Loss of redundancy",
  DEGRADED: "Degraded service",
  OUTAGE: "Outage",
};

/** Kumo Exchange: a row for each window and circuit, times with their offset. */
export function kumoPage(work: Work): MailContent {
  const rows = work.windows.flatMap(({ start, end, circuits }, place) =>
    circuits.map(({ circuitId, impact }) => [
      String(place + 1),
      circuitId,
      spell(start, "yyyy/LL/dd HH:mm 'JST (UTC+9)'"),
      spell(end, "yyyy/LL/dd HH:mm 'JST (UTC+9)'"),
      KUMO_IMPACT[impact],
    ]),
  );
  const list = rows.length === 0 ? "" : table([["No.", "Port", "From", "To", "Service impact"], ...rows]);
  const cancelled = work.status === "CANCELLED";
  return {
    subject: `[Kumo Exchange] ${cancelled ? "CANCELLATION of" : "Notice of"} maintenance ${work.id}`,
    html: frame(
      "Kumo Exchange 保守連絡",
      `<p>Maintenance number: <b>${work.id}</b></p><p>${
        cancelled
          ? "We have cancelled this maintenance. No work will be done on your ports. ご了承ください。"
          : `Status: ${TEJO_STATUS[work.status]}. The work: ${work.reason} (${work.city}).`
      }</p>${list}`,
      "Kumo Exchange K.K., Chiyoda-ku, Tokyo. Account 88120. Do not reply to this mail.",
    ),
  };
}

const KUMO_IMPACT: typeof TEJO_IMPACT = {
  "NO-IMPACT": "No impact expected",
  "REDUCED-REDUNDANCY": "Redundancy lost",
  DEGRADED: "Packet loss, degraded",
  OUTAGE: "Link down (outage)",
};

function table(rows: readonly Row[]): string {
  const [first, ...rest] = rows;
  const cells = (row: Row, tag: string): string =>
    row
      .map((cell) => `<${tag} style="padding:4px 8px;border:1px solid #ccc">${escapeHtml(cell)}</${tag}>`)
      .join("");
  const head = first !== undefined && first.length > 2;
  return `<table cellspacing="0">${
    first === undefined ? "" : `<tr>${cells(first, head ? "th" : "td")}</tr>`
  }${rest.map((row) => `<tr>${cells(row, "td")}</tr>`).join("\n")}</table>`;
}

/** The layout that page editors make: tables in tables, hidden preview text, an image that counts readers. */
function frame(title: string, body: string, foot: string): string {
  return `<!doctype html><html><head><meta charset="utf-8">
<style>td{font-family:sans-serif}</style></head><body>
<div style="display:none">View this notice in your browser</div>
<table width="600" align="center"><tr><td bgcolor="#234"><h1>${escapeHtml(title)}</h1></td></tr>
<tr><td>${body}</td></tr>
<tr><td><small>${escapeHtml(foot)}</small>
<img src="https://mail.example/o.gif" width="1" height="1"></td></tr></table>
</body></html>`;
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
