import { mkdir, rename, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { InputError, type Json, messageOf } from "../kernel/index.ts";
import type { Channel, Delivery } from "./channel.ts";
import { DeliveryError } from "./delivery-error.ts";

/** Who mail comes from, whom it may go to, and how it leaves. */
export type MailOptions = Pick<Channel, "timeoutMs" | "retry"> & {
  /** Such as `Desk <desk@example.net>`. */
  readonly from: string;
  /** Addresses, or domains as `@example.net`, that mail may go to; anybody, where it is left out. */
  readonly to?: readonly string[];
} & (
    | {
        /** Each message becomes a `.eml` file here, for a mail program or a person to open. */
        readonly folder: string;
      }
    | {
        /** `smtps://user:password@host` or `smtp://host:587`, which is then made safe with STARTTLS. */
        readonly smtp: string;
      }
  );

const ADDRESSES_MAX = 50;
const SUBJECT_CHARS_MAX = 500;

const Mail = z.strictObject({
  to: z.union([z.email(), z.array(z.email()).min(1).max(ADDRESSES_MAX)]),
  subject: z.string().min(1).max(SUBJECT_CHARS_MAX),
  text: z.string(),
  html: z.string().optional(),
  replyTo: z.email().optional(),
});
type Mail = z.infer<typeof Mail>;

/** As a mail program reads it: `to` is one address or several. */
type Message = Mail & {
  readonly from: string;
  readonly messageId: string;
  readonly date: Date;
  readonly headers: { readonly [name: string]: string };
  readonly disableFileAccess: true;
  readonly disableUrlAccess: true;
};

/**
 * Sends mail. A body is `{ to, subject, text, html?, replyTo? }`. The message's id is made of the effect's
 * key, so that a mail server or program can tell a repetition; a file in a folder is written once.
 *
 * @throws {InputError} `channel-invalid`
 */
export function mail(options: MailOptions): Channel {
  const domain = /@([^\s>]+)>?$/.exec(options.from)?.[1];
  if (domain === undefined) {
    const message = `mail cannot be sent from ${JSON.stringify(options.from)}: give an address`;
    throw new InputError({ code: "channel-invalid", message });
  }
  const { to, timeoutMs, retry } = options;
  return {
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(retry !== undefined && { retry }),
    problems: (body) => problemsOf(body, to),
    async deliver(delivery, { signal }) {
      const problems = problemsOf(delivery.body, to);
      if (problems.length > 0) {
        throw new DeliveryError({ retry: "never", arrived: "no", message: problems.join("; ") });
      }
      const message = messageOfDelivery(delivery, options.from, domain);
      if ("folder" in options) return await file(message, resolve(options.folder), delivery.key);
      return await post(message, options.smtp, signal);
    },
  };
}

function problemsOf(body: Json, allowed: readonly string[] | undefined): readonly string[] {
  const parsed = Mail.safeParse(body);
  if (!parsed.success) return [`a mail is wrong: ${z.prettifyError(parsed.error).replaceAll(/\s+/g, " ")}`];
  if (allowed === undefined) return [];
  const may = new Set(allowed.map((one) => one.toLowerCase()));
  return [parsed.data.to]
    .flat()
    .map((address) => address.toLowerCase())
    .filter((address) => !may.has(address) && !may.has(address.slice(address.lastIndexOf("@"))))
    .map((address) => `mail may not go to ${address}`);
}

function messageOfDelivery({ body, key, at }: Delivery, from: string, domain: string): Message {
  return {
    ...Mail.parse(body),
    ...{ from, date: at, messageId: `<${key}@${domain}>`, headers: { "Idempotency-Key": key } },
    ...{ disableFileAccess: true, disableUrlAccess: true },
  };
}

async function file(message: Message, folder: string, key: string): Promise<string> {
  const path = join(folder, `${key}.eml`);
  if ((await stat(path).catch(() => undefined)) !== undefined) return path;
  const { createTransport } = await import("nodemailer");
  const composed = await createTransport({ streamTransport: true, buffer: true }).sendMail(message);
  await mkdir(folder, { recursive: true });
  const begun = `${path}.begun`;
  await writeFile(begun, composed.message);
  await rename(begun, path);
  return path;
}

async function post(message: Message, smtp: string, signal: AbortSignal): Promise<string> {
  const { createTransport } = await import("nodemailer");
  const transport = createTransport(smtp);
  const close = (): void => transport.close();
  signal.addEventListener("abort", close);
  try {
    const { response } = await transport.sendMail(message);
    return response;
  } catch (error) {
    throw refused(error);
  } finally {
    signal.removeEventListener("abort", close);
    transport.close();
  }
}

/** A refused recipient or message is final; a login that is refused may be mended. */
function refused(error: unknown): DeliveryError {
  const { responseCode, code, syscall } = error as { responseCode?: number; code?: string; syscall?: string };
  const answered = typeof responseCode === "number" && responseCode >= 400;
  const final = answered && responseCode >= 500 && code !== "EAUTH";
  return new DeliveryError({
    retry: final ? "never" : "later",
    arrived: answered || syscall === "connect" || code === "EDNS" ? "no" : "perhaps",
    message: messageOf(error),
    cause: error,
  });
}
