/** A person's own mail: one file, an mbox, or a folder of files. */
import { createReadStream } from "node:fs";
import { open, readdir, readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { InputError, messageOf } from "factotum/kernel";
import { MESSAGE_BYTES_MAX, readMail, type ReceivedNotice } from "./mail.ts";

/** One message of a mailbox: read, or refused with the reason. */
export type MailboxItem =
  | { readonly kind: "notice"; readonly name: string; readonly notice: ReceivedNotice }
  | { readonly kind: "error"; readonly name: string; readonly error: InputError };

/** The line that begins a message in an mbox: `From somebody Mon Nov 23 06:00:00 2026`. */
const POSTMARK = /^From \S+ +(?:\w{3},? +)?(?:\w{3} +\d|\d{1,2} +\w{3}|\d{4}-\d\d)/;
const MAIL_FILE = /\.(?:eml|mbox|mbx)$/i;
const OUTLOOK_FILE = /\.(?:msg|pst|oft)$/i;

/**
 * Reads every message at `path`, a `.eml` file, an mbox file, or a folder of both, in the order of
 * the file names. A message that cannot be read is yielded as an error and the next one follows.
 *
 * @throws {InputError} `path-missing` or `no-mail` when there is nothing to read at all
 */
export async function* readMailbox(path: string): AsyncGenerator<MailboxItem> {
  let found = 0;
  for (const file of await filesAt(path)) {
    for await (const item of readFileItems(file)) {
      found += 1;
      yield item;
    }
  }
  if (found === 0)
    throw new InputError({
      code: "no-mail",
      message: `${path} holds no mail; give a .eml file, an mbox file, or a folder of them`,
    });
}

async function filesAt(path: string): Promise<readonly string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    const names = await readdir(path);
    return names
      .filter((name) => MAIL_FILE.test(name) || OUTLOOK_FILE.test(name))
      .sort()
      .map((name) => join(path, name));
  } catch (error) {
    throw new InputError({
      code: "path-missing",
      message: `${path} cannot be opened: ${messageOf(error)}; give a .eml file, an mbox file, or a folder`,
      cause: error,
    });
  }
}

async function* readFileItems(file: string): AsyncGenerator<MailboxItem> {
  const name = basename(file);
  if (OUTLOOK_FILE.test(name)) {
    yield refused(name, {
      code: "outlook-file",
      message: `${name} is in Outlook's own format; save the message as .eml`,
    });
    return;
  }
  try {
    if (!(await isMbox(file))) {
      const { size } = await stat(file);
      yield size > MESSAGE_BYTES_MAX ? tooLarge(name, size) : await readItem(name, await readFile(file));
      return;
    }
    let number = 0;
    for await (const message of messagesOf(file)) {
      number += 1;
      const place = `${name}#${number}`;
      yield typeof message === "number" ? tooLarge(place, message) : await readItem(place, message);
    }
  } catch (error) {
    yield refused(name, { code: "file-unreadable", message: `${name} cannot be read: ${messageOf(error)}` });
  }
}

async function readItem(name: string, bytes: Uint8Array): Promise<MailboxItem> {
  try {
    return { kind: "notice", name, notice: await readMail(bytes) };
  } catch (error) {
    if (error instanceof InputError) return { kind: "error", name, error };
    return refused(name, {
      code: "message-unreadable",
      message: `the message cannot be read as a mail: ${messageOf(error)}`,
    });
  }
}

async function isMbox(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(256), 0, 256, 0);
    return POSTMARK.test(buffer.subarray(0, bytesRead).toString("latin1"));
  } finally {
    await handle.close();
  }
}

/**
 * The messages of an mbox, in bytes; a number stands for one that is too large to hold, and is its
 * size. Libraries at hand cut a message at any line that begins with "From ", as in "From the 3rd of
 * May on"; here only a postmark after an empty line counts.
 */
async function* messagesOf(file: string): AsyncGenerator<Uint8Array | number> {
  // Latin-1 gives every byte one character, so the bytes survive being handled as lines.
  const lines = createInterface({
    input: createReadStream(file, { encoding: "latin1" }),
    crlfDelay: Infinity,
  });
  let message: string[] | null = null;
  let size = 0;
  let blank = true;
  const finished = (): Uint8Array | number =>
    size > MESSAGE_BYTES_MAX ? size : Buffer.from((message ?? []).join("\n"), "latin1");
  for await (const line of lines) {
    if (blank && POSTMARK.test(line)) {
      if (message !== null) yield finished();
      message = [];
      size = 0;
    } else {
      size += line.length + 1;
      if (size <= MESSAGE_BYTES_MAX) message?.push(line.replace(/^>(>*From )/, "$1"));
    }
    blank = line === "";
  }
  if (message !== null) yield finished();
}

function tooLarge(name: string, size: number): MailboxItem {
  return refused(name, {
    code: "message-too-large",
    message:
      `${name} has ${size} bytes and the desk takes at most ${MESSAGE_BYTES_MAX}; ` +
      "save it without its large attachments",
  });
}

function refused(name: string, fields: { readonly code: string; readonly message: string }): MailboxItem {
  return { kind: "error", name, error: new InputError(fields) };
}
