import { createHmac, timingSafeEqual } from "node:crypto";
import { type LinkTo, type Question } from "../inbox/index.ts";
import { InputError, isDecimalId, type QuestionId } from "../kernel/index.ts";
import { readSecret, verifySignature } from "../outbox/index.ts";
import type { Config, LinksConfig } from "./config.ts";

/** What a link lets its holder do: one person answer one question, once, until it expires. */
export type LinkClaim = {
  readonly question: QuestionId;
  readonly person: string;
  readonly expiresAt: Date;
};

/** Makes and reads what people and chat tools answer with. */
export type Links = {
  readonly linkTo: LinkTo;
  /**
   * @param at business time
   * @throws {InputError} `link-forged` for anything that was not made here, `link-expired`
   */
  read(token: string, at: Date): LinkClaim;
  /**
   * Whether a call was signed as the Standard Webhooks specification says, by somebody who knows the secret.
   *
   * @throws {InputError} `signature-refused`
   */
  checkCall(headers: { get(name: string): string | null | undefined }, body: string, at: Date): void;
};

const HOURS_DEFAULT = 72;
const HOUR_MS = 3_600_000;
const TOKEN_CHARS_MAX = 1_000;
/** What a signature is of, so that one made for another purpose with the same secret is none here. */
const PURPOSE = "factotum link 1";

/** The links of a configuration that has any. @throws {InputError} what `makeLinks` throws */
export function openLinks({ links }: Pick<Config, "links">): Links | undefined {
  return links === undefined ? undefined : makeLinks(links);
}

/** @throws {InputError} `links-invalid`, `channel-invalid` for a secret of another form */
export function makeLinks({ url, secret, hours = HOURS_DEFAULT }: LinksConfig): Links {
  const secrets = (typeof secret === "string" ? [secret] : secret).map(readSecret);
  const [first] = secrets;
  if (first === undefined || !URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol) || hours <= 0) {
    throw new InputError({
      code: "links-invalid",
      message: "the configuration's links need an http or https url, a secret, and more than no hours",
    });
  }
  const base = url.replace(/\/+$/, "");
  return {
    linkTo: (question, person, at) => {
      const expires = Math.floor((at.getTime() + hours * HOUR_MS) / 1_000);
      const payload = Buffer.from(JSON.stringify([question, person, expires])).toString("base64url");
      return `${base}/answer/${payload}.${signatureOf(first, payload).toString("base64url")}`;
    },
    read: (token, at) => readToken(secrets, token, at),
    checkCall: (headers, body, at) => {
      const problem = verifySignature(secrets, headers, body, at);
      if (problem === undefined) return;
      throw new InputError({ code: "signature-refused", message: `this call was not believed: ${problem}` });
    },
  };
}

/** Who answered a question that a link was for, in words for its page. */
export function becameOf({ status, answer, by, answeredAt, card }: Question): string {
  const label = card.choices.find((one) => one.id === answer?.choice)?.label ?? answer?.choice ?? "";
  const at = answeredAt === null ? "" : ` at ${answeredAt.toISOString().slice(0, 16).replace("T", " ")} UTC`;
  if (status === "answered") return `Answered by ${by ?? "somebody"}${at}: ${label}`;
  if (status === "expired") return `Nobody answered in time; taken${at}: ${label}`;
  if (status === "withdrawn") return "What was asked about is over; no answer is needed.";
  return `Decided without asking: ${label}`;
}

function readToken(secrets: readonly Buffer[], token: string, at: Date): LinkClaim {
  const [payload = "", signature = "", ...more] = token.slice(0, TOKEN_CHARS_MAX).split(".");
  const given = Buffer.from(signature, "base64url");
  const believed = secrets.some((secret) => {
    const right = signatureOf(secret, payload);
    return given.length === right.length && timingSafeEqual(given, right);
  });
  const claim = believed && more.length === 0 ? claimOf(payload) : undefined;
  if (claim === undefined) {
    const message = "this link was not made here, or was cut short; open it whole, or answer in the inbox";
    throw new InputError({ code: "link-forged", message });
  }
  if (claim.expiresAt > at) return claim;
  throw new InputError({
    code: "link-expired",
    message: `this link expired at ${claim.expiresAt.toISOString()}; answer in the inbox`,
  });
}

function claimOf(payload: string): LinkClaim | undefined {
  const parsed = JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) as unknown;
  if (!Array.isArray(parsed)) return undefined;
  const [question, person, expires] = parsed as readonly unknown[];
  if (typeof question !== "string" || !isDecimalId(question)) return undefined;
  if (typeof person !== "string" || typeof expires !== "number") return undefined;
  return { question: question as QuestionId, person, expiresAt: new Date(expires * 1_000) };
}

function signatureOf(secret: Buffer, payload: string): Buffer {
  return createHmac("sha256", secret).update(`${PURPOSE}.${payload}`).digest();
}
