/** Puts a notice into a real message, with the parts, encodings and headers that mail servers make. */
import { createHash } from "node:crypto";

/** A file that comes with a message. */
export type MailFile = {
  readonly filename: string;
  readonly contentType: string;
  readonly content: string | Uint8Array;
};

/** What a message says, before it is encoded. */
export type MailContent = {
  readonly subject: string;
  readonly text?: string;
  readonly html?: string;
  /** An iCalendar text, sent as a part of the body and as a file, as calendars usually are. */
  readonly calendar?: string;
  readonly files?: readonly MailFile[];
  /** How the text is encoded; UTF-8 when not given. */
  readonly charset?: "iso-8859-1";
};

/** Who sends it, when, and the traces of its way here. */
export type Envelope = {
  readonly from: string;
  readonly sentAt: Date;
  /** A doubled message differs in the way it came. */
  readonly route: string;
};

const HERE = "Maintenance desk <maintenance@desk.example>";

/** The message as bytes; the same input gives the same bytes. */
export async function composeMail(content: MailContent, envelope: Envelope): Promise<Uint8Array> {
  const token = createHash("sha256")
    .update(JSON.stringify([content.subject, content.text, content.html, envelope]))
    .digest("hex")
    .slice(0, 24);
  const domain = /@([^>]+)/.exec(envelope.from)?.[1] ?? "mail.example";
  const { default: MailComposer } = await import("nodemailer/lib/mail-composer");
  const composer = new MailComposer({
    from: envelope.from,
    to: HERE,
    subject: content.subject,
    date: envelope.sentAt,
    messageId: `<${token}@${domain}>`,
    baseBoundary: token.slice(0, 16),
    headers: { Received: `from ${envelope.route} by mx.desk.example; ${envelope.sentAt.toUTCString()}` },
    ...(content.html === undefined ? {} : { html: content.html }),
    ...(content.text === undefined ? {} : textPart(content.text, content.charset)),
    ...(content.calendar === undefined
      ? {}
      : { icalEvent: { method: "PUBLISH", filename: "maintenance.ics", content: content.calendar } }),
    attachments: (content.files ?? []).map(({ filename, contentType, content: bytes }) => ({
      filename,
      contentType,
      content: typeof bytes === "string" ? bytes : Buffer.from(bytes),
    })),
  });
  return await new Promise((resolve, reject) => {
    composer.compile().build((error, message) => {
      if (error) reject(error);
      else resolve(message);
    });
  });
}

type TextPart =
  | { readonly text: string }
  | { readonly alternatives: { contentType: string; content: Buffer }[] };

function textPart(text: string, charset: MailContent["charset"]): TextPart {
  if (charset === undefined) return { text };
  return {
    alternatives: [{ contentType: `text/plain; charset=${charset}`, content: Buffer.from(text, "latin1") }],
  };
}
