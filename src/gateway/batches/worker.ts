import { setTimeout as pause } from "node:timers/promises";
import type { Database } from "../../postgres/index.ts";
import type { KeyRing } from "../key-ring.ts";
import type { KeyRecord } from "../keys.ts";
import type { Vault } from "../vault.ts";
import { lineOf } from "./answer-line.ts";
import type { Batches } from "./batch-store.ts";
import { beginBatch } from "./begin-batch.ts";
import { endBatch, markEnding } from "./end-batch.ts";
import type { Files } from "./file-store.ts";
import type { Answered, Inside } from "./inside.ts";
import { openAsk, sealAnswer } from "./line-seal.ts";
import type { Lines, TakenLine } from "./lines.ts";

/** What batches are worked on with. */
export type WorkerParts = {
  readonly db: Database;
  readonly files: Files;
  readonly batches: Batches;
  readonly lines: Lines;
  readonly vault: Vault;
  readonly ring: KeyRing;
  readonly inside: Inside;
  readonly leaseMs: number;
  /** How many calls are under way here, those of batches included. */
  readonly underWay: () => number;
  /** Milliseconds of the wall clock. */
  readonly now: () => number;
  readonly say: (line: string) => void;
};

/** Works on batches beside live calls, until it is closed. */
export type BatchWorker = {
  /** There is something to do. */
  kick(): void;
  close(): Promise<void>;
};

/** A replica makes so many of their calls at once. */
const LINES_AT_ONCE_MAX = 16;
/** With so many live calls under way batches wait. */
const LIVE_CALLS_MAX = 32;
const LOOK_MS = 1_000;
const FORGET_LOOKS = 60;
/** A line that failed, or whose replica was lost, so often is answered with that. */
const TRIES_MAX = 5;
const PAUSE_S_FIRST = 2;
const PAUSE_S_MAX = 120;
const CLOSE_MS_MAX = 3_000;
const TOO_MANY = 429;
const TRY_AGAIN: ReadonlySet<number> = new Set([408, 425, 500, 502, 503, 504, 529]);

/** Starts the worker. */
export function startWorker(parts: WorkerParts): BatchWorker {
  const { db, files, batches, lines, vault, say } = parts;
  const running = new Set<Promise<void>>();
  const closing = new AbortController();
  let [kicked, looks] = [false, 0];
  let looking: Promise<void> | undefined;
  const fill = async (): Promise<void> => {
    const room = LINES_AT_ONCE_MAX - running.size;
    const isBusy = parts.underWay() - running.size >= LIVE_CALLS_MAX;
    if (room <= 0 || isBusy || closing.signal.aborted) return;
    for (const line of await lines.take(room)) {
      const made: Promise<void> = makeLine(parts, line, closing.signal)
        .catch((error: unknown) =>
          say(`line ${line.line} of ${line.batch} is left to its lease: ${String(error)}`),
        )
        .finally(() => {
          running.delete(made);
          kick();
        });
      running.add(made);
    }
  };
  const look = async (): Promise<void> => {
    do {
      kicked = false;
      while (await beginBatch(db, files, vault));
      await fill();
      await markEnding(db);
      while (await endBatch(db, files, vault));
    } while (kicked && !closing.signal.aborted);
    looks += 1;
    if (looks % FORGET_LOOKS === 1) await Promise.all([files.forget(), batches.forget()]);
  };
  const kick = (): void => {
    kicked = true;
    if (closing.signal.aborted) return;
    looking ??= look()
      .catch((error: unknown) => say(`batches could not be looked after: ${String(error)}`))
      .finally(() => {
        looking = undefined;
        // Kicked between its last look and here.
        if (kicked && running.size > 0) kick();
      });
  };
  const timers = [
    setInterval(kick, LOOK_MS),
    setInterval(() => {
      if (running.size > 0)
        lines.renew().catch((error: unknown) => say(`lines are not held: ${String(error)}`));
    }, parts.leaseMs / 3),
  ];
  for (const timer of timers) timer.unref();
  kick();
  return {
    kick,
    async close() {
      closing.abort();
      for (const timer of timers) clearInterval(timer);
      await looking;
      await Promise.race([Promise.all(running), pause(CLOSE_MS_MAX, undefined, { ref: false })]);
    },
  };
}

/** Makes the call of one line, and writes what came of it, or gives the line back. */
async function makeLine(parts: WorkerParts, line: TakenLine, signal: AbortSignal): Promise<void> {
  const { vault, lines } = parts;
  const end = async (text: Buffer, failed: boolean): Promise<void> => {
    await lines.put(line, sealAnswer(vault, line, line.line, text), failed);
  };
  const ask = openAsk(vault, line, line.line, line.ask);
  const unmade = (code: string, message: string): Promise<void> =>
    end(lineOf(line.batch, line.line, ask?.customId ?? null, { error: { code, message } }), true);
  if (ask === null) return unmade("batch_unreadable", "This request was sealed by another secret.");
  if (line.tries > TRIES_MAX)
    return unmade("batch_failed", "This request was tried too often without an answer.");
  const key = await keyOf(parts, line);
  if (key === null)
    return unmade("invalid_api_key", "The key that brought this batch in does not hold any more.");
  let answered: Answered;
  try {
    answered = await parts.inside.call(key, line.endpoint, ask.body, signal);
  } catch (error) {
    // A provider's work that was cut off for our sake is no try of the line's.
    if (signal.aborted) return lines.giveBack(line, 0, false);
    parts.say(`line ${line.line} of ${line.batch} broke off: ${String(error)}`);
    return lines.giveBack(line, pauseAfter(line.tries), true);
  }
  const { status, retryAfterS } = answered;
  const isRefused = status === TOO_MANY;
  if (isRefused || (TRY_AGAIN.has(status) && line.tries < TRIES_MAX)) {
    return lines.giveBack(line, Math.max(retryAfterS ?? 0, pauseAfter(line.tries)), !isRefused);
  }
  return end(lineOf(line.batch, line.line, ask.customId, { answered }), status >= 400);
}

/** The key that a line is paid by; one that this replica has not heard of yet is looked up. */
async function keyOf({ ring, now }: WorkerParts, line: TakenLine): Promise<KeyRecord | null> {
  const known = ring.withId(line.key, now());
  if (known !== null) return known;
  await ring.refresh();
  return ring.withId(line.key, now());
}

function pauseAfter(tries: number): number {
  return Math.min(PAUSE_S_FIRST * 2 ** (tries - 1), PAUSE_S_MAX);
}
