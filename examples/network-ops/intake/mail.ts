/** One mail, as bytes from anywhere, becomes one `Notice`; or a clear reason why not. */
import { InputError, messageOf } from "factotum/kernel";
import { type Attachment as MailPart, type ParsedMail, simpleParser } from "mailparser";
import type { Attachment, Notice } from "../notice.ts";
import { attachmentOf, uniqueAttachments } from "./attachments.ts";
import { decodeText, markOf } from "./decode.ts";
import { flattenHtml, tidyLines } from "./flatten.ts";

/** Larger messages are refused unread: notices are kilobytes, and memory is finite. */
export const MESSAGE_BYTES_MAX = 25 * 1024 * 1024;
/** Longer HTML is refused: flattening it would hold up the queue. */
export const HTML_CHARS_MAX = 5_000_000;
/** Deeper HTML is refused: parsing takes the square of the depth, and people's mail stays under 50. */
export const HTML_DEPTH_MAX = 1_000;
/** Longer text is refused, never cut: a cut notice could say the opposite of the whole one. */
export const TEXT_CHARS_MAX = 1_000_000;
/** Messages inside messages inside messages: deeper ones are only named. */
export const NESTING_MAX = 3;

/** A notice with what is known of the mail that brought it. */
export type ReceivedNotice = Notice & {
  readonly messageId?: string;
  /** Address in `From`, in lower case. */
  readonly from?: string;
  /** What had to be guessed or left out, a sentence each; empty for a clean mail. */
  readonly notes: readonly string[];
};

const FORWARDED = /^\s*(?:fwd?|wg|tr|rv|enc)\s*:/i;
const MAIL_HEADER =
  /^(?:from|to|date|subject|received|message-id|mime-version|content-type|return-path)\s*:/im;

/**
 * Reads one mail. Of a text and an HTML version the richer is taken; HTML is flattened with its
 * tables kept; CSV, calendar and spreadsheet attachments come as text, others by name only; a mail
 * that only forwards another counts as the other one.
 *
 * @throws {InputError} `message-empty`, `message-too-large`, `message-too-long`, `not-a-mail`,
 *   `message-unreadable`
 */
export async function readMail(bytes: Uint8Array): Promise<ReceivedNotice> {
  return readNested(bytes, 1);
}

async function readNested(bytes: Uint8Array, depth: number): Promise<ReceivedNotice> {
  const notes: string[] = [];
  const raw = rawOf(bytes, notes);
  const mail = await parse(raw, notes);
  const parts = await readParts(mail, depth, notes);
  const own = textOf(mail);
  const text = [own, ...parts.nested.map(quote)].filter((piece) => piece !== "").join("\n\n");
  if (text.length > TEXT_CHARS_MAX)
    throw new InputError({
      code: "message-too-long",
      message:
        `the message has ${text.length} characters of text and the desk reads at most ${TEXT_CHARS_MAX}; ` +
        "no notice is that long, so look at it by hand",
    });
  if (text === "" && parts.attachments.every((part) => part.text.trim() === "") && !mail.subject?.trim())
    throw new InputError({
      code: "message-empty",
      message: "the message has no subject, no text and no readable attachment; ask the sender for it again",
    });
  if (text.includes("\ufffd")) notes.push("some characters could not be decoded and show as \ufffd");
  // A mail that only passes another on speaks with the other's subject and date.
  const inner = parts.nested.length === 1 && FORWARDED.test(mail.subject ?? "") ? parts.nested[0] : undefined;
  const subject = inner?.subject ?? cleaned(mail.subject);
  const sentAt = inner?.sentAt ?? sentAtOf(mail);
  const from = mail.from?.value[0]?.address?.toLowerCase();
  return {
    ...(subject === undefined ? {} : { subject }),
    ...(sentAt === undefined ? {} : { sentAt }),
    text,
    attachments: parts.attachments,
    ...(mail.messageId === undefined ? {} : { messageId: mail.messageId }),
    ...(from === undefined ? {} : { from }),
    notes,
  };
}

/** The bytes as a mail parser wants them, after the checks that need no parser. */
function rawOf(bytes: Uint8Array, notes: string[]): Buffer {
  if (bytes.byteLength > MESSAGE_BYTES_MAX)
    throw new InputError({
      code: "message-too-large",
      message:
        `the message has ${bytes.byteLength} bytes and the desk takes at most ${MESSAGE_BYTES_MAX}; ` +
        "save it without its large attachments",
    });
  const mark = markOf(bytes);
  let raw = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (mark === "utf-8") raw = raw.subarray(3);
  else if (mark !== null) {
    raw = Buffer.from(decodeText(bytes).text, "utf8");
    notes.push(`the file was saved as ${mark}`);
  }
  if (raw.toString("latin1").trim() === "")
    throw new InputError({ code: "message-empty", message: "the message is empty; export it again" });
  const head =
    raw
      .subarray(0, 64 * 1024)
      .toString("latin1")
      .trimStart()
      .split(/\r?\n\r?\n/, 1)[0] ?? "";
  if (!MAIL_HEADER.test(head))
    throw new InputError({
      code: "not-a-mail",
      message:
        "no mail header (From, Date, Subject, ...) stands at its top; export the mail with its headers",
    });
  return raw;
}

/** Parses, and once more as Windows-1252 where what was declared as UTF-8 is not. */
async function parse(raw: Buffer, notes: string[]): Promise<ParsedMail> {
  const mail = await parseOnce(raw);
  const lost = replacements(mail);
  if (lost === 0) return mail;
  const relabelled = raw
    .toString("latin1")
    .replaceAll(
      /charset\s*=\s*"?(?:utf-?8|us-ascii|ascii|unknown-8bit|x-unknown)"?/gi,
      "charset=windows-1252",
    );
  const labelled = /charset\s*=/i.test(relabelled)
    ? relabelled
    : `Content-Type: text/plain; charset=windows-1252\r\n${relabelled}`;
  const again = await parseOnce(Buffer.from(labelled, "latin1"));
  if (replacements(again) >= lost) return mail;
  notes.push("the declared encoding was wrong; read as windows-1252");
  return again;
}

async function parseOnce(raw: Buffer): Promise<ParsedMail> {
  try {
    return await simpleParser(raw, {
      skipHtmlToText: true,
      skipTextToHtml: true,
      skipImageLinks: true,
      skipTextLinks: true,
      ignoreEmbedded: true,
      checksumAlgo: false,
    });
  } catch (error) {
    throw new InputError({
      code: "message-unreadable",
      message: `the message cannot be read as a mail: ${messageOf(error)}; export it again`,
      cause: error,
    });
  }
}

function replacements(mail: ParsedMail): number {
  return `${mail.text ?? ""}${mail.html === false ? "" : (mail.html ?? "")}`.split("\ufffd").length - 1;
}

type Nested = { readonly notice: ReceivedNotice; readonly name: string };
type Parts = { readonly nested: readonly ReceivedNotice[]; readonly attachments: Attachment[] };

async function readParts(mail: ParsedMail, depth: number, notes: string[]): Promise<Parts> {
  const nested: Nested[] = [];
  const attachments: Attachment[] = [];
  for (const part of mail.attachments) {
    const name = part.filename ?? nameOf(part);
    if (part.contentType === "message/rfc822" && depth < NESTING_MAX) {
      try {
        nested.push({ notice: await readNested(part.content, depth + 1), name });
      } catch (error) {
        notes.push(`the message attached as ${name} was left out: ${messageOf(error)}`);
      }
    } else attachments.push(await attachmentOf(part, name, notes));
  }
  for (const { notice } of nested) {
    attachments.push(...notice.attachments);
    notes.push(...notice.notes);
  }
  return { nested: nested.map(({ notice }) => notice), attachments: uniqueAttachments(attachments) };
}

function nameOf(part: MailPart): string {
  if (part.contentType === "text/calendar") return "calendar.ics";
  return part.contentType === "message/rfc822" ? "message.eml" : `unnamed (${part.contentType})`;
}

/** The text or the flattened HTML, whichever says more; on equal terms HTML with tables, else the text. */
function textOf(mail: ParsedMail): string {
  const plain = cleaned(mail.text) ?? "";
  const html = mail.html === false ? "" : (mail.html ?? "");
  if (html.trim() === "") return plain;
  if (html.length > HTML_CHARS_MAX)
    throw new InputError({
      code: "message-too-long",
      message:
        `the message has ${html.length} characters of HTML and the desk reads at most ${HTML_CHARS_MAX}; ` +
        "look at it by hand",
    });
  if (depthOf(html) > HTML_DEPTH_MAX)
    throw new InputError({
      code: "message-too-long",
      message: `the message nests HTML deeper than ${HTML_DEPTH_MAX} levels; look at it by hand`,
    });
  const flat = flattenHtml(html.replaceAll("\u0000", ""));
  const facts = { plain: factsOf(plain), flat: factsOf(flat) };
  if (facts.flat !== facts.plain) return facts.flat > facts.plain ? flat : plain;
  return plain === "" || flat.includes(" | ") ? flat : plain;
}

/** The deepest nesting of elements that must be closed; sloppy cells and paragraphs do not count. */
function depthOf(html: string): number {
  let depth = 0;
  let deepest = 0;
  for (const [, close] of html.matchAll(/<(\/?)(?:table|div|span|blockquote|font|center|ul|ol)\b/gi)) {
    depth = Math.max(0, depth + (close === "" ? 1 : -1));
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

/** How many different words hold a digit: ids, dates and times, which are what a notice is read for. */
function factsOf(text: string): number {
  return new Set(text.split(/[\s|;,<>()[\]]+/).filter((word) => /\d/.test(word))).size;
}

function quote(notice: ReceivedNotice): string {
  const head = [
    notice.from === undefined ? "" : `From: ${notice.from}`,
    notice.sentAt === undefined ? "" : `Date: ${notice.sentAt}`,
    notice.subject === undefined ? "" : `Subject: ${notice.subject}`,
  ].filter((line) => line !== "");
  return ["---------- Forwarded message ----------", ...head, "", notice.text].join("\n");
}

/** The `Date` header, else the time of the newest `Received` header. */
function sentAtOf(mail: ParsedMail): string | undefined {
  if (mail.date !== undefined && !Number.isNaN(mail.date.getTime())) return mail.date.toISOString();
  const received = mail.headerLines.find((header) => header.key === "received")?.line;
  const stamp = Date.parse(received?.split(";").at(-1)?.trim() ?? "");
  return Number.isNaN(stamp) ? undefined : new Date(stamp).toISOString();
}

function cleaned(text: string | undefined): string | undefined {
  const tidy = tidyLines((text ?? "").replaceAll("\u0000", ""));
  return tidy === "" ? undefined : tidy;
}
