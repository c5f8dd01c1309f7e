/**
 * A notice laid out as lines and cells: the one form that every reading looks at.
 *
 * Layout that a mail client or a flattened table lost is rebuilt as far as it is certain: cells
 * between bars or tabs, a mail quoted below another, the headers of a raw message.
 */
import type { Notice } from "../notice.ts";
import { wordsIn } from "./words.ts";

/** Where a line stands; only `subject` and `top` can say what the notice is (new, cancelled ...). */
type Part = "subject" | "top" | "quoted" | "attachment";

export type Line = {
  readonly index: number;
  readonly part: Part;
  readonly text: string;
  readonly cells: readonly string[];
  /** True when the line came with bars or tabs: its cells belong to a table. */
  readonly tabular: boolean;
};

export type Page = {
  readonly lines: readonly Line[];
  readonly subject: string;
  /** When more text came than is read, nothing is sure. */
  readonly truncated: boolean;
};

/** Notices are pages, not books: more than this is not read, and never sure. */
const TEXT_MAX = 400_000;
const LINES_MAX = 8000;
const LINE_MAX = 4000;

/** Lays out subject, body and attachments that are not calendars. */
export function layOut(notice: Notice): Page {
  const lines: Line[] = [];
  const subject = tidy(notice.subject ?? "").slice(0, LINE_MAX);
  if (subject !== "") lines.push(toLine(subject, "subject", 0));
  let truncated = notice.text.length > TEXT_MAX || (notice.subject ?? "").length > LINE_MAX;
  const add = (text: string, part: Part): void => {
    if (lines.length >= LINES_MAX || text.length > LINE_MAX) truncated = true;
    else lines.push(toLine(text, part, lines.length));
  };
  const body = withoutCalendars(notice.text.slice(0, TEXT_MAX));
  for (const { text, part } of partsOf(body)) if (text !== "") add(text, part);
  for (const attachment of notice.attachments) {
    if (attachment.text.includes("BEGIN:VCALENDAR")) continue;
    if (attachment.text.length > TEXT_MAX) truncated = true;
    const csv = /csv|spreadsheet|excel/i.test(`${attachment.contentType} ${attachment.name}`);
    for (const text of attachment.text.slice(0, TEXT_MAX).split(/\r?\n/)) {
      const tidied = tidy(
        csv ? text.replaceAll(/[,;](?=(?:[^"]*"[^"]*")*[^"]*$)/g, " | ").replaceAll('"', "") : text,
      );
      if (tidied !== "") add(tidied, "attachment");
    }
  }
  return { lines, subject, truncated };
}

function toLine(text: string, part: Part, index: number): Line {
  const tabular = text.includes("|") || text.includes("\t");
  const cells = tabular
    ? text
        .replace(/^\s*\|/, "")
        .split(/[|\t]/)
        .map((cell) => cell.trim())
    : [text];
  return { index, part, text, cells, tabular };
}

/** Spaces of every width become one kind; invisible characters and emphasis marks go. */
function tidy(text: string): string {
  return text
    .normalize("NFC")
    .replaceAll(/[\u200b-\u200f\u2060\ufeff\u00ad]/g, "")
    .replaceAll(/[\u00a0\u2000-\u200a\u202f\u3000]/g, " ")
    .replaceAll(/[：]/g, ":")
    .replaceAll(/<\/?(?:b|strong|i|em|u|span|font|br|p|td|tr|div)\b[^<>]*>/gi, " ")
    .replaceAll(/(?<![A-Za-z0-9])\*{1,3}(?=\S)|(?<=\S)\*{1,3}(?![A-Za-z0-9*])/g, "")
    .replaceAll(/ {2,}/g, " ")
    .trim();
}

function withoutCalendars(text: string): string {
  if (!text.includes("BEGIN:VCALENDAR")) return text;
  return text.replaceAll(/BEGIN:VCALENDAR[^]*?(?:END:VCALENDAR|$)/g, "\n");
}

type Piece = { readonly text: string; readonly part: Part };

/** Splits a body into what its sender wrote on top and what is quoted below. */
function partsOf(body: string): Piece[] {
  const raw = withoutTransport(body.split(/\r?\n/)).map(tidy);
  const pieces: Piece[] = [];
  let quoted = false;
  let words = 0;
  let headerEnds = -1;
  raw.forEach((text, index) => {
    if (opensMail(raw, index)) {
      headerEnds = index + HEADER_LINES;
      quoted = words > FORWARD_WORDS_MAX && !forwards(raw, index);
      if (!quoted) pieces.splice(0, pieces.length, ...pieces.filter((piece) => tells(piece.text)));
    }
    const inner = text.replace(/^(?:> ?)+/, "");
    const part = quoted || inner !== text ? "quoted" : "top";
    if (part === "top") words += isHeader(text) || CAUTION.test(text) ? 0 : text.split(" ").length;
    const dated = index <= headerEnds && /^(?:Date|Gesendet|Datum|Envoyé):/i.test(inner);
    if (!isHeader(inner) && !dated) pieces.push({ text: inner, part });
  });
  return pieces;
}

const HEADER_LINES = 5;
/** Above a mail header, up to this many words are a signature or a covering note, not a notice. */
const FORWARD_WORDS_MAX = 8;
const HEADER =
  /^(?:From|Sent|Date|To|Cc|Bcc|Reply-To|Subject|Importance|Von|Gesendet|An|Betreff|De|Envoyé|Objet):/i;
/** What a mail gateway puts above every message is nobody's words. */
const CAUTION = wordsIn(
  String.raw`\b`,
  [
    "external|originated outside|outside (?:of )?(?:the|your) organi[sz]ation|do not click",
    "original message",
  ],
  String.raw`\b`,
  "i",
);
/** "From: 01:00" and "To: 05:00" are a window, not a mail's header. */
const isHeader = (text: string): boolean =>
  /^(?:Cc|Bcc|Reply-To|Sent|Importance):/i.test(text) ||
  (/^(?:From|To):/i.test(text) && !/\d{1,2}[:.]\d{2}/.test(text));
const tells = (text: string): boolean => /cancel|postpone|reschedul|complet|maintenance|started/i.test(text);

function opensMail(lines: readonly string[], index: number): boolean {
  const line = (lines[index] ?? "").replace(/^(?:> ?)+/, "");
  if (!/^(?:From|Von|De):/i.test(line)) return false;
  const next = lines.slice(index + 1, index + 5).filter((text) => HEADER.test(text.replace(/^(?:> ?)+/, "")));
  return next.length >= 2;
}

function forwards(lines: readonly string[], index: number): boolean {
  const above = lines.slice(Math.max(0, index - 3), index).join(" ");
  return /forwarded message|begin forwarded|weitergeleitete/i.test(above);
}

const TRANSPORT =
  /^(?:Received|Return-Path|Authentication-Results|DKIM-Signature|Message-ID|MIME-Version|X-[\w-]+):/i;

/** Drops the header block of a raw message that was saved as text; keeps its bodies. */
function withoutTransport(lines: readonly string[]): readonly string[] {
  const header = lines.slice(0, 40).filter((line) => TRANSPORT.test(line)).length;
  if (header < 3) return lines;
  const starts = lines.findIndex((line, index) => index > 0 && /^Content-type:/i.test(line));
  return lines
    .slice(Math.max(starts, 0))
    .filter((line) => !/^(?:Content-[\w-]+:|\s*charset=|--[\w=.-]{8,}$)/i.test(line));
}

/** Words with everything that varies between two notices of one form taken out. */
export function mask(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^\s|()[\]:;,]*\d[^\s|()[\]:;,]*/g, "#")
    .replaceAll(/\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b/g, "#")
    .replaceAll(/\b(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\b/g, "#")
    .replaceAll(/\b(?:am|pm)\b/g, "#")
    .replaceAll(/[\s#]*#[\s#]*/g, " # ")
    .replaceAll(/\s+/g, " ")
    .trim();
}
