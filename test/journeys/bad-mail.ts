/** Mail as nobody should send it, and somebody does. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** A mail of one part; `body` in the encoding that `type` states. */
function letter(subject: string, body: string, type = "text/plain; charset=utf-8"): string {
  return [
    ...["From: noc@carrier.example", "To: noc@us.example", `Subject: ${subject}`],
    ...["Date: Mon, 02 Mar 2026 06:00:00 +0000", `Content-Type: ${type}`, "", body],
  ].join("\r\n");
}

/** An mbox of messages. */
function mailbox(messages: readonly string[]): string {
  const postmark = "From noc@carrier.example Mon Mar  2 06:00:00 2026";
  return messages.map((message) => `${postmark}\n${message.replaceAll("\r", "")}\n\n`).join("");
}

const HUGE_BYTES = 10_000_000;
const CUT_CALENDAR = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:garbage\r\nX-MAINTNOTE-STATUS";
/** Sets the window's title, turns the text red, and clears the screen, once plain and once encoded. */
const ESCAPES = "\u001b]0;owned\u0007\u001b[31m=?utf-8?B?G1sySgc=?=";

/** Writes a dozen messages into ten files: eight that can be taken in, however odd, and four that cannot. */
export function writeBadMail(folder: string): void {
  const write = (name: string, content: string | Uint8Array): void =>
    writeFileSync(join(folder, name), content);
  write("empty.eml", "");
  write("huge.eml", letter("huge", "Maintenance of your circuit. ".repeat(HUGE_BYTES / 29)));
  write("outlook.msg", Buffer.from([0xd0, 0xcf, 0x11, 0xe0]));
  write("three.mbox", mailbox([letter("one", "first"), "\0\0\u00ff no mail\n", letter("three", "third")]));
  write(
    "bytes.eml",
    Buffer.concat([Buffer.from(letter("bytes", "")), Buffer.from([0xe4, 0xff, 0xfe, 0x00, 0x81])]),
  );
  write("charset.eml", letter("unheard of", "hello", "text/plain; charset=klingon-8"));
  write("calendar.eml", letter(`broken calendar ${ESCAPES}`, CUT_CALENDAR, "text/calendar; charset=utf-8"));
  write("no-body.eml", letter("no body", ""));
  write("nul.eml", letter("nul", `a\0b\r\n${CUT_CALENDAR}`, "text/calendar; charset=utf-8"));
  write("parts.eml", letter("parts", "--x\r\nnever closed", 'multipart/mixed; boundary="x"'));
}
