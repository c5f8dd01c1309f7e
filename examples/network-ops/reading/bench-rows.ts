/**
 * Rows of a notice file as notices, as an inventory, and as the statements that were expected.
 *
 * One row is `{ id, provider, subject, date, text, attachments, expected }`; the text of an attachment
 * may stand inside `text` behind a line `[attachment NAME]`.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { type Attachment, Impact, type Notice, type Statement, Status } from "../notice.ts";
import type { Knowledge } from "./types.ts";

const Expected = z.object({
  account: z.string().nullish(),
  circuits: z.array(z.object({ circuit_id: z.string(), impact: Impact })),
  start: z.number(),
  end: z.number(),
  maintenance_id: z.string(),
  status: Status,
  stamp: z.number().nullish(),
  sequence: z.number().nullish(),
  summary: z.string().nullish(),
});

export const NoticeRow = z.object({
  id: z.string(),
  provider: z.string(),
  kinds: z.array(z.string()).optional(),
  subject: z.string().nullish(),
  date: z.string().nullish(),
  text: z.string(),
  attachments: z.array(z.unknown()).optional(),
  expected: z.array(Expected),
});
export type NoticeRow = z.infer<typeof NoticeRow>;

/** Parses a file of rows, one JSON object a line. */
export function parseRows(jsonl: string): NoticeRow[] {
  return jsonl
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => NoticeRow.parse(JSON.parse(line)));
}

const INLINE = /^\[attachment ([^\]\n]+)\]\s*$/gm;

/** The row as the desk receives it: subject, date, text and attachments, nothing of what was expected. */
export function toNotice(row: NoticeRow): Notice {
  const attachments: Attachment[] = [];
  for (const item of row.attachments ?? []) {
    const found = z
      .object({ name: z.string(), text: z.string(), contentType: z.string().optional() })
      .safeParse(item);
    if (found.success) attachments.push(attachment(found.data.name, found.data.text));
  }
  const marks = [...row.text.matchAll(INLINE)];
  const text = row.text.slice(0, marks[0]?.index ?? row.text.length);
  marks.forEach((mark, at) => {
    const start = mark.index + mark[0].length;
    attachments.push(attachment(mark[1] ?? "", row.text.slice(start, marks[at + 1]?.index).trim()));
  });
  const sent = row.date === null || row.date === undefined ? Number.NaN : Date.parse(row.date);
  return {
    ...(row.subject === null || row.subject === undefined ? {} : { subject: row.subject }),
    ...(Number.isNaN(sent) ? {} : { sentAt: new Date(sent).toISOString() }),
    text,
    attachments,
  };
}

const attachment = (name: string, text: string): Attachment => ({
  name,
  contentType: /\.csv$/i.test(name) ? "text/csv" : /\.ics$/i.test(name) ? "text/calendar" : "text/plain",
  text,
});

/** What was expected of the row, one statement for each maintenance id. */
export function expectedOf(row: NoticeRow): Statement[] {
  const statements = new Map<string, Statement>();
  for (const expected of row.expected) {
    const before = statements.get(expected.maintenance_id);
    const window = {
      startsAt: new Date(expected.start * 1000).toISOString(),
      endsAt: new Date(expected.end * 1000).toISOString(),
      circuits: expected.circuits.map(({ circuit_id, impact }) => ({
        circuitId: collapse(circuit_id),
        impact,
      })),
    };
    statements.set(expected.maintenance_id, {
      carrier: row.provider,
      maintenanceId: expected.maintenance_id,
      status: expected.status,
      windows: [...(before?.windows ?? []), window],
    });
  }
  return [...statements.values()];
}

export const collapse = (text: string): string => text.replaceAll(/\s+/g, " ").trim();

/**
 * The inventory of a file: every circuit expected in it, under its row's provider, and as many again
 * that are in no notice. A decoy keeps the form of the circuit that it stands beside.
 */
export function inventoryOf(rows: readonly NoticeRow[]): Pick<Knowledge, "carriers" | "circuits"> {
  const circuits = new Map<string, { carrier: string; circuitId: string }>();
  for (const row of rows)
    for (const statement of expectedOf(row))
      for (const window of statement.windows)
        for (const { circuitId } of window.circuits)
          circuits.set(`${row.provider}\n${circuitId}`, { carrier: row.provider, circuitId });
  const texts = rows.map((row) => `${row.subject ?? ""}\n${row.text}`).join("\n");
  for (const { carrier, circuitId } of [...circuits.values()])
    for (let salt = 0; salt < DECOY_TRIES; salt += 1) {
      const decoy = decoyOf(circuitId, salt);
      if (texts.includes(decoy) || circuits.has(`${carrier}\n${decoy}`)) continue;
      circuits.set(`${carrier}\n${decoy}`, { carrier, circuitId: decoy });
      break;
    }
  return {
    carriers: [...new Set(rows.map((row) => row.provider))].map((name) => ({ name })),
    circuits: [...circuits.values()],
  };
}

const DECOY_TRIES = 40;

/** Another id of the same form; an id without digits gets a number behind it. */
function decoyOf(circuitId: string, salt: number): string {
  const digest = createHash("sha256").update(`${salt}/${circuitId}`).digest();
  let at = 0;
  const changed = circuitId.replaceAll(/\d/g, () => String((digest[at++ % digest.length] ?? 0) % 10));
  return changed === circuitId ? `${circuitId}-${((digest[0] ?? 0) % 90) + 10}` : changed;
}
