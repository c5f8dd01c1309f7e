/** Attachments as text: tables as CSV, calendars as they are, everything else by name only. */
import { messageOf } from "factotum/kernel";
import { unzipSync } from "fflate";
import type { Attachment as MailPart } from "mailparser";
import type { Attachment } from "../notice.ts";
import { decodeText } from "./decode.ts";
import { flattenHtml } from "./flatten.ts";

/** Longer attachments are named but not read. */
export const ATTACHMENT_CHARS_MAX = 1_000_000;
/** A spreadsheet may unpack to this many bytes: a zip of zeros unpacks to any size. */
export const SHEET_BYTES_MAX = 50 * 1024 * 1024;
/** Rows of a sheet that are read. */
export const SHEET_ROWS_MAX = 10_000;

const TEXT_NAME = /\.(?:csv|tsv|txt|ics|ical|ifb)$/i;
const SHEET_NAME = /\.xlsx$/i;
const SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/**
 * One attachment as the desk's parts speak of it. What cannot be read keeps its name, with empty
 * text, and a note says why.
 */
export async function attachmentOf(part: MailPart, name: string, notes: string[]): Promise<Attachment> {
  const { contentType } = part;
  const read = await textOf(part, name, notes);
  if (read.length <= ATTACHMENT_CHARS_MAX) return { name, contentType, text: read };
  notes.push(`attachment ${name} was not read: it has more than ${ATTACHMENT_CHARS_MAX} characters`);
  return { name, contentType, text: "" };
}

/** Each text once: calendars often come both as a part of the body and as a file. */
export function uniqueAttachments(attachments: readonly Attachment[]): Attachment[] {
  const seen = new Set<string>();
  return attachments.filter(({ text }) => {
    if (text === "") return true;
    const fresh = !seen.has(text);
    seen.add(text);
    return fresh;
  });
}

async function textOf(part: MailPart, name: string, notes: string[]): Promise<string> {
  if (part.contentType === SHEET_TYPE || SHEET_NAME.test(name)) {
    try {
      return await sheetsToCsv(part.content);
    } catch (error) {
      notes.push(`attachment ${name} was not read: ${messageOf(error)}`);
      return "";
    }
  }
  if (!part.contentType.startsWith("text/") && !TEXT_NAME.test(name)) {
    if (part.contentType !== "application/ics") return "";
  }
  const decoded = decodeText(part.content, charsetOf(part));
  if (decoded.note !== null) notes.push(`attachment ${name}: ${decoded.note}`);
  return part.contentType === "text/html" ? flattenHtml(decoded.text) : decoded.text.replaceAll("\r\n", "\n");
}

function charsetOf(part: MailPart): string | undefined {
  const header = part.headers.get("content-type");
  if (typeof header !== "object" || !("params" in header) || typeof header.params !== "object")
    return undefined;
  const charset: unknown = Object.entries(header.params).find(([key]) => key === "charset")?.[1];
  return typeof charset === "string" ? charset : undefined;
}

/** Every sheet as CSV, one after another; dates as ISO 8601 without a zone, as a sheet has none. */
async function sheetsToCsv(content: Buffer): Promise<string> {
  let unpacked = 0;
  unzipSync(content, {
    filter: (file) => {
      unpacked += file.originalSize;
      return false;
    },
  });
  if (unpacked > SHEET_BYTES_MAX) throw new Error(`it unpacks to ${unpacked} bytes`);
  // Few mails bring one, and the library takes a while to load.
  const { default: readSheets } = await import("read-excel-file/node");
  const sheets = await readSheets(content);
  const texts = sheets.map(({ data }) => {
    if (data.length > SHEET_ROWS_MAX) throw new Error(`it has ${data.length} rows`);
    return data
      .map((row) =>
        row
          .slice(0, row.findLastIndex((cell) => cell !== null) + 1)
          .map(cellToCsv)
          .join(","),
      )
      .join("\n");
  });
  return texts.filter((text) => text !== "").join("\n\n");
}

function cellToCsv(cell: unknown): string {
  if (cell === null || cell === undefined) return "";
  if (cell instanceof Date) return cell.toISOString().slice(0, 19).replace("T", " ");
  const text = typeof cell === "string" ? cell.trim() : JSON.stringify(cell);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
