import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { simpleParser } from "mailparser";
import { expect, onTestFinished, test } from "vitest";
import type { ChangeSetId, EffectId, Json, RunId } from "../kernel/index.ts";
import { type Channel, type Delivery, mail } from "./index.ts";

const from = "Desk <desk@example.net>";
const quiet = new AbortController().signal;
const body = { to: "ann@example.net", subject: "Ünicode\r\nBcc: eve@example.com", text: "Hello, Ann" };

function deliveryOf(given: Json): Delivery {
  return {
    ...{ effect: "1" as EffectId, key: "0b9ff8c4-5b1d-4b6e-9a55-8a2f6f0d7c11", channel: "mail", attempt: 1 },
    ...{ body: given, at: new Date("2026-01-05T09:00:00Z"), agent: "clerk", committedAt: new Date(0) },
    ...{ changeSet: "1" as ChangeSetId, runId: "1" as RunId },
  };
}

async function send(channel: Channel, given: Json = body): Promise<unknown> {
  return await channel.deliver(deliveryOf(given), { signal: quiet });
}

/** Speaks as much SMTP as a client needs; `says` may answer a command otherwise than well. */
async function mailServer(says: (command: string, socket: Socket) => string | undefined): Promise<{
  readonly url: string;
  readonly heard: string[];
}> {
  const heard: string[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    let inside = false;
    socket.write("220 here\r\n");
    socket.setEncoding("utf8").on("data", (text: string) => {
      heard.push(text);
      if (inside && !text.endsWith("\r\n.\r\n")) return;
      const command = inside ? "." : text.slice(0, 4).trim().toUpperCase();
      inside = command === "DATA";
      const well = inside ? "354 go on" : command === "QUIT" ? "221 bye" : "250 fine";
      socket.write(`${says(command, socket) ?? well}\r\n`);
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return { url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`, heard };
}

test("mail to a folder is one file for each effect, however often it is delivered", async () => {
  const folder = await mkdtemp(join(tmpdir(), "factotum-mail-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const channel = mail({ from, folder: join(folder, "sent") });
  const path = await send(channel);
  expect(await send(channel)).toBe(path);
  expect(await readdir(join(folder, "sent"))).toEqual(["0b9ff8c4-5b1d-4b6e-9a55-8a2f6f0d7c11.eml"]);
  const message = await simpleParser(await readFile(String(path)));
  expect(message.messageId).toBe("<0b9ff8c4-5b1d-4b6e-9a55-8a2f6f0d7c11@example.net>");
  expect(message.subject).toContain("Ünicode");
  expect(message.bcc).toBeUndefined();
  expect([message.from?.text, message.text?.trim()]).toEqual(['"Desk" <desk@example.net>', "Hello, Ann"]);
});

test("mail goes to a server, and what that says is kept", async () => {
  const { url, heard } = await mailServer((command) => (command === "." ? "250 queued as 17" : undefined));
  expect(await send(mail({ from, smtp: url }))).toBe("250 queued as 17");
  expect(heard.join("")).toContain("RCPT TO:<ann@example.net>");
  expect(heard.join("")).toContain("Idempotency-Key: 0b9ff8c4");
});

test.each([
  ["no such recipient", "RCPT", "550 nobody here", { retry: "never", arrived: "no" }],
  ["a mailbox that is full", "RCPT", "452 come back", { retry: "later", arrived: "no" }],
  ["a message that is refused", ".", "554 spam", { retry: "never", arrived: "no" }],
])("%s fails as it should", async (_, at, says, expected) => {
  const { url } = await mailServer((command) => (command === at ? says : undefined));
  await expect(send(mail({ from, smtp: url }))).rejects.toMatchObject(expected);
});

test("a server that breaks off after the message may have taken it", async () => {
  const { url } = await mailServer((command, socket) => {
    if (command === ".") socket.resetAndDestroy();
    return undefined;
  });
  await expect(send(mail({ from, smtp: url }))).rejects.toMatchObject({ retry: "later", arrived: "perhaps" });
});

test("a server that is not there surely got nothing", async () => {
  const smtp = "smtp://127.0.0.1:1";
  await expect(send(mail({ from, smtp }))).rejects.toMatchObject({ retry: "later", arrived: "no" });
});

test("a body that is no mail, or goes to somebody it may not, is told beforehand", async () => {
  const channel = mail({ from, folder: "/nonexistent", to: ["@example.net", "bob@example.com"] });
  const problems = (given: Json): readonly string[] => channel.problems?.(given) ?? [];
  expect(problems({ ...body, to: ["Ann@Example.net", "bob@example.com"] })).toEqual([]);
  expect(problems({ ...body, to: ["eve@example.com", "ann@example.net.evil.org"] })).toEqual([
    "mail may not go to eve@example.com",
    "mail may not go to ann@example.net.evil.org",
  ]);
  expect(problems({ to: "ann", subject: "", text: 1, bcc: "eve@example.com" })[0]).toMatch(
    /a mail is wrong: /,
  );
  await expect(send(channel, { ...body, to: "eve@example.com" })).rejects.toMatchObject({ retry: "never" });
  expect(() => mail({ from: "nobody", folder: "." })).toThrow("give an address");
});
