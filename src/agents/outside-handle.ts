import { createHash, timingSafeEqual } from "node:crypto";
import { InputError, isDecimalId, type RunId } from "../kernel/index.ts";
import type { AgentState } from "./state.ts";

/** What a client outside holds of its attempt: enough for any process to go on with it. */
export type Handle = {
  readonly runId: RunId;
  /** Number of the attempt, from 1. */
  readonly attempt: number;
  readonly secret: string;
};

/** A secret is one word, and long enough that nobody guesses another client's. */
const SECRET = /^[a-zA-Z0-9_-]{16,64}$/;

/** The text a client is given, such as `34.1.9f8a3b2c1d4e5f60`. */
export function handleText({ runId, attempt, secret }: Handle): string {
  return `${runId}.${attempt}.${secret}`;
}

/** Reads a handle as a client sent it. @throws {InputError} `handle-unknown` */
export function parseHandle(text: string): Handle {
  const [runId = "", attempt = "", secret = "", ...more] = text.split(".");
  if (!isDecimalId(runId) || !/^[1-9][0-9]{0,5}$/.test(attempt) || !SECRET.test(secret) || more.length > 0) {
    throw unknownHandle();
  }
  return { runId: runId as RunId, attempt: Number(attempt), secret };
}

/** What is kept of a handle's secret. */
export function digestOf(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/** Whether a run's state is that of the handle's own run. */
export function isOwner(state: AgentState, handle: Handle): boolean {
  if (state.outside === null) return false;
  const [kept, given] = [state.outside.digest, digestOf(handle.secret)].map((hex) => Buffer.from(hex, "hex"));
  return kept !== undefined && given !== undefined && timingSafeEqual(kept, given);
}

/** The one answer to every handle that opens nothing: what is wrong with it would help a guesser. */
export function unknownHandle(): InputError {
  return new InputError({
    code: "handle-unknown",
    message: "this handle opens no attempt; pass `attempt` exactly as begin returned it, or begin",
  });
}
