import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  fingerprint,
  flattenHtml,
  MESSAGE_BYTES_MAX,
  type MailboxItem,
  readMail,
  readMailbox,
  TEXT_CHARS_MAX,
} from "./index.ts";

const head = "From: noc@quell.example\r\nSubject: Works 17\r\nDate: Mon, 23 Nov 2026 06:00:00 +0100\r\n";
const htmlHead = "Subject: x\r\nContent-Type: text/html\r\n\r\n";
const bytes = (text: string, encoding: BufferEncoding = "utf8") => Buffer.from(text, encoding);

/** One part of a multipart message with boundary `b`. */
function part(type: string, body: string): string {
  return `--b\r\nContent-Type: ${type}\r\n\r\n${body}\r\n`;
}

function alternatives(plain: string, html: string): Buffer {
  return bytes(
    `${head}Content-Type: multipart/alternative; boundary=b\r\n\r\n` +
      `${part("text/plain", plain)}${part("text/html", html)}--b--\r\n`,
  );
}

function attached(type: string, name: string, content: Buffer): Buffer {
  return bytes(
    `${head}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee file\r\n--b\r\n` +
      `Content-Type: ${type}; name="${name}"\r\nContent-Disposition: attachment; filename="${name}"\r\n` +
      `Content-Transfer-Encoding: base64\r\n\r\n${content.toString("base64")}\r\n--b--\r\n`,
  );
}

async function failing(content: Buffer): Promise<string> {
  return await readMail(content).then(
    () => "no error",
    (error: unknown) => (error as { code: string }).code,
  );
}

async function all(path: string): Promise<(readonly [string, string])[]> {
  const items: MailboxItem[] = [];
  for await (const item of readMailbox(path)) items.push(item);
  return items.map((item) => [item.name, item.kind === "notice" ? item.notice.text : item.error.code]);
}

describe("a mail becomes a notice", () => {
  test("subject, instant and text are taken over", async () => {
    const notice = await readMail(bytes(`${head}\r\nCircuit QX-1 is down.\r\n`));
    expect(notice).toMatchObject({
      subject: "Works 17",
      sentAt: "2026-11-23T05:00:00.000Z",
      text: "Circuit QX-1 is down.",
      attachments: [],
      from: "noc@quell.example",
      notes: [],
    });
  });

  test("without a Date the newest Received header tells the time", async () => {
    const mail = "Received: by mx.example; Mon, 23 Nov 2026 07:00:00 +0100\r\nSubject: x\r\n\r\ntext\r\n";
    expect((await readMail(bytes(mail))).sentAt).toBe("2026-11-23T06:00:00.000Z");
  });

  test("quoted-printable and base64 words are decoded", async () => {
    const mail =
      "Subject: =?utf-8?B?V2FydHVuZyDDnGJlcnNpY2h0?=\r\nContent-Type: text/plain; charset=iso-8859-1\r\n" +
      "Content-Transfer-Encoding: quoted-printable\r\n\r\nL=F6schung f=FCr K-1=\r\n23\r\n";
    const notice = await readMail(bytes(mail));
    expect(notice.subject).toBe("Wartung Übersicht");
    expect(notice.text).toBe("Löschung für K-123");
  });

  test("a wrong charset is put right and said", async () => {
    const type = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit";
    const mail = `${head}${type}\r\n\r\nLöschung für K-1\r\n`;
    const notice = await readMail(bytes(mail, "latin1"));
    expect(notice.text).toBe("Löschung für K-1");
    expect(notice.notes).toEqual(["the declared encoding was wrong; read as windows-1252"]);
  });

  test("bytes without any charset are read too", async () => {
    expect((await readMail(bytes(`${head}\r\nfür K-1\r\n`, "latin1"))).text).toBe("für K-1");
    expect((await readMail(bytes(`${head}\r\nfür K-1\r\n`))).text).toBe("für K-1");
  });

  test("a file saved as UTF-16 is read and said", async () => {
    const notice = await readMail(bytes(`\ufeff${head}\r\nfür K-1\r\n`, "utf16le"));
    expect(notice.text).toBe("für K-1");
    expect(notice.notes).toEqual(["the file was saved as utf-16le"]);
  });

  test("the richer of text and HTML is taken", async () => {
    const html =
      "<table><tr><th>Circuit</th><th>Start</th></tr>" +
      "<tr><td>QX-1</td><td>2026-12-01 01:00</td></tr></table>";
    const rich = await readMail(alternatives("Use an HTML reader.", html));
    expect(rich.text).toBe("Circuit | Start\nQX-1 | 2026-12-01 01:00");
    const poor = await readMail(alternatives("Circuit QX-1 from 2026-12-01 01:00", "<p>See QX-1</p>"));
    expect(poor.text).toBe("Circuit QX-1 from 2026-12-01 01:00");
  });

  test("a mail that only passes another on speaks with the other's subject and date", async () => {
    const mail =
      `From: me@here.example\r\nSubject: Fwd: Works 17\r\nDate: Tue, 24 Nov 2026 09:00:00 +0000\r\n` +
      `Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nplease handle\r\n--b\r\n` +
      `Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n${head}\r\n` +
      "Circuit QX-1\r\n--b--\r\n";
    const notice = await readMail(bytes(mail));
    expect(notice).toMatchObject({ subject: "Works 17", sentAt: "2026-11-23T05:00:00.000Z" });
    expect(notice.text).toContain("please handle");
    expect(notice.text).toContain("Circuit QX-1");
  });
});

describe("attachments", () => {
  test("CSV comes as text, whatever its encoding", async () => {
    const notice = await readMail(attached("text/csv", "c.csv", bytes("id;Straße\nQX-1;Zürich\n", "latin1")));
    expect(notice.attachments).toEqual([
      { name: "c.csv", contentType: "text/csv", text: "id;Straße\nQX-1;Zürich\n" },
    ]);
    expect(notice.notes).toEqual(["attachment c.csv: not UTF-8 as expected; read as windows-1252"]);
  });

  test("a picture comes by name only, a broken spreadsheet with a reason", async () => {
    const picture = await readMail(attached("image/png", "logo.png", Buffer.from([137, 80, 78, 71])));
    expect(picture.attachments).toEqual([{ name: "logo.png", contentType: "image/png", text: "" }]);
    const sheet = await readMail(attached("application/octet-stream", "list.xlsx", bytes("no zip")));
    expect(sheet.attachments[0]?.text).toBe("");
    expect(sheet.notes[0]).toMatch(/^attachment list\.xlsx was not read: /);
  });
});

describe("HTML is flattened", () => {
  test("empty cells keep their place and spanning cells are repeated", () => {
    const html =
      "<table><tr><th>A</th><th>B</th><th>C</th></tr><tr><td rowspan=2>1</td><td></td><td>x</td></tr>" +
      "<tr><td>2</td><td>y</td></tr></table>";
    expect(flattenHtml(html)).toBe("A | B | C\n1 |  | x\n1 | 2 | y");
  });

  test("layout tables fall apart, data tables inside them do not", () => {
    const html =
      "<table><tr><td><h2>Notice</h2><p>Dear all,</p>" +
      "<table><tr><td>Start</td><td>1 May<br>01:00</td></tr></table></td></tr></table>";
    expect(flattenHtml(html)).toBe("Notice\nDear all,\nStart | 1 May; 01:00");
  });

  test("what is hidden from view is left out", () => {
    expect(flattenHtml('<p>seen</p><p style="color:red;display:none">unseen</p>')).toBe("seen");
  });
});

describe("bad input gives a clear error", () => {
  test.each([
    ["nothing at all", Buffer.alloc(0), "message-empty"],
    ["blanks", bytes(" \r\n\r\n "), "message-empty"],
    ["headers and nothing else", bytes("From: a@b.example\r\n\r\n\r\n"), "message-empty"],
    ["no mail", bytes("circuit,impact\nQX-1,OUTAGE\n"), "not-a-mail"],
    ["random bytes", Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 151) % 256)), "not-a-mail"],
    ["10 MB of text", bytes(`${head}\r\n${"All work and no play. ".repeat(480_000)}`), "message-too-long"],
    ["many nested tables", bytes(`${htmlHead}${"<table><tr><td>".repeat(20_000)}`), "message-too-long"],
    ["too many bytes", Buffer.alloc(MESSAGE_BYTES_MAX + 1, "a"), "message-too-large"],
  ])("%s", async (_, content, code) => {
    expect(await failing(content)).toBe(code);
  });

  test.each([
    ["a million blanks", " ".repeat(900_000) + "x"],
    ["a long word", "x".repeat(900_000)],
    ["many table rows", "<tr><td></td><td>1</td></tr>".repeat(5_000)],
    ["one row of many cells", `<tr>${"<td></td>".repeat(5_000)}<td>x</td></tr>`],
    ["many tags in the subject", "x"],
  ])("%s does not hold up the queue", async (what, body) => {
    const subject = what.includes("subject") ? `Subject: ${"re: ".repeat(100_000)}\r\n` : "Subject: x\r\n";
    const mail = `${subject}Content-Type: text/html\r\n\r\n<p>${body}</p><table>${body}</table>\r\n`;
    const notice = await readMail(bytes(mail));
    expect(fingerprint(notice)).toHaveLength(64);
  });

  test("text just within the limit is read whole", async () => {
    const notice = await readMail(bytes(`${head}\r\n${"x".repeat(TEXT_CHARS_MAX)}`));
    expect(notice.text).toHaveLength(TEXT_CHARS_MAX);
  });
});

describe("a fingerprint", () => {
  const notice = { subject: "Works", sentAt: "2026-11-23T05:00:00.000Z", text: "a  b\nc", attachments: [] };

  test("does not change with header noise and blanks", () => {
    const other = {
      ...notice,
      subject: "[EXTERNAL] Re: works",
      sentAt: "2026-11-23T06:00:00+01:00",
      text: "a b c ",
    };
    expect(fingerprint(other)).toBe(fingerprint(notice));
  });

  test("changes with the text, the time and the attachments", () => {
    const others = [
      { ...notice, text: "a b d" },
      { ...notice, sentAt: "2026-11-23T05:00:01.000Z" },
      { ...notice, attachments: [{ name: "x", contentType: "text/csv", text: "1" }] },
    ];
    expect(new Set([notice, ...others].map(fingerprint)).size).toBe(4);
  });
});

describe("a mailbox", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "mailbox-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });
  test("one bad file never stops the queue", async () => {
    await writeFile(join(folder, "1.eml"), `${head}\r\none\r\n`);
    await writeFile(join(folder, "2.eml"), "");
    await writeFile(join(folder, "3.msg"), "x");
    await writeFile(join(folder, "4.eml"), `${head}\r\nfour\r\n`);
    await writeFile(join(folder, "notes.txt"), "not a mail");
    expect(await all(folder)).toEqual([
      ["1.eml", "one"],
      ["2.eml", "message-empty"],
      ["3.msg", "outlook-file"],
      ["4.eml", "four"],
    ]);
  });

  test("an mbox is split at postmarks only", async () => {
    const file = join(folder, "box.mbox");
    const mark = "From noc@quell.example Mon Nov 23 06:00:00 2026\n";
    await writeFile(
      file,
      `${mark}${head}\none\n\nFrom the 3rd of May on, two\n>From here\n\n${mark}\n\n${mark}${head}\nthree\n`,
    );
    expect(await all(file)).toEqual([
      ["box.mbox#1", "one\n\nFrom the 3rd of May on, two\nFrom here"],
      ["box.mbox#2", "message-empty"],
      ["box.mbox#3", "three"],
    ]);
  });

  test("a path that is not there, or holds no mail, is an error", async () => {
    await expect(all(join(folder, "nowhere"))).rejects.toMatchObject({ code: "path-missing" });
    const empty = await mkdtemp(join(tmpdir(), "mailbox-"));
    await expect(all(empty)).rejects.toMatchObject({ code: "no-mail" });
    await rm(empty, { recursive: true });
  });
});
