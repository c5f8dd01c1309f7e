import { InputError, type Json } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { ChangeSet } from "./change-set.ts";
import { StageError } from "./errors.ts";
import { parseRecord } from "./record.ts";
import type { RelyingView } from "./rely.ts";

/** An effect outside the database, as a tool asks for it. Times are business time. */
export type Effect = {
  /** A channel that the agent declares in `effects`. */
  readonly channel: string;
  /** What to deliver, at most 256 KiB as JSON; what it must hold, the channel says. */
  readonly body: Json;
  /** Effects of one channel and key are delivered one after the other, in the order of their commits. */
  readonly orderKey?: string;
  /** How long after the commit the first try is made: within it an undo means that nothing ever left. */
  readonly delaySeconds?: number;
  /** When it is not worth delivering any more. */
  readonly expiresAt?: Date;
  /** The body that says the contrary, delivered where the change set is undone after this was delivered. */
  readonly ifUndone?: Json;
};

/** The table that effects are staged in. */
export const OUTBOX = "factotum.outbox";
/** Its columns that an effect fills. */
export const EFFECT_COLUMNS = [
  ...(["channel", "body", "order_key", "delay_seconds", "expires_at", "if_undone"] as const),
];
/** Effects of one change set; more is no message but a mailing, which wants a table and a query. */
const EFFECTS_MAX = 1_000;
/** As the table's own constraints have it. */
const BODY_BYTES_MAX = 262_144;
const ORDER_KEY_BYTES_MAX = 1_000;
const DELAY_SECONDS_MAX = 2_147_483_647;

const declaredBy = new WeakMap<object, readonly string[]>();

/**
 * Stages an effect outside the database: shown, checked, committed or thrown away with the rest of the
 * change set, delivered after the commit, at least once, with one idempotency key for all tries. One plain
 * insert, which reads nothing: a role needs no more than INSERT on these columns of factotum.outbox.
 *
 * @param tx the handle that `stage` gave to the work
 * @throws {InputError} `not-staged` outside of it; `effect-invalid` naming what is wrong, such as a channel
 * that the agent does not declare or a body that is too large
 */
export async function emit(tx: RelyingView, effect: Effect): Promise<void> {
  const declared = declaredBy.get(tx);
  if (declared === undefined) {
    throw new InputError({
      code: "not-staged",
      message: "emit() was called with a handle that is not being staged on; use the one the tool was given",
    });
  }
  const { channel, orderKey = null, delaySeconds = 0, expiresAt, ifUndone } = effect;
  const body = textOf(effect.body, channel, "body");
  const undone = ifUndone === undefined ? null : textOf(ifUndone, channel, "ifUndone");
  if (!declared.includes(channel)) throw invalid(channel, undeclaredBecause(declared));
  if (orderKey !== null && !isBetween(Buffer.byteLength(orderKey), 1, ORDER_KEY_BYTES_MAX)) {
    throw invalid(channel, `its orderKey must have 1 to ${ORDER_KEY_BYTES_MAX} bytes`);
  }
  if (!Number.isInteger(delaySeconds) || !isBetween(delaySeconds, 0, DELAY_SECONDS_MAX)) {
    throw invalid(channel, "its delaySeconds must be a whole number, 0 or more");
  }
  await tx.query(
    `insert into factotum.outbox (${EFFECT_COLUMNS.join(", ")})
     values ($1, $2, $3, $4, $5, $6)`,
    [channel, body, orderKey, delaySeconds, expiresAt ?? null, undone],
  );
}

/** Lets work use `emit` with its handle, as long as it runs. */
export async function emitting<T>(
  tx: Transaction,
  channels: readonly string[],
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  declaredBy.set(tx, channels);
  try {
    return await work(tx);
  } finally {
    declaredBy.delete(tx);
  }
}

/** The tables that staged work may write: its own, and the outbox where it declares a channel. */
export function writableWith(
  tables: readonly string[],
  channels: readonly string[] | undefined,
): readonly string[] {
  return channels === undefined || channels.length === 0 ? tables : [...tables, OUTBOX];
}

/**
 * Holds staged effects against what was declared, whichever way they got into the outbox.
 *
 * @throws {StageError} `undeclared-effect`; `effect-changed` where one that was committed before was touched
 */
export function checkEffects(set: ChangeSet, channels: readonly string[] = []): void {
  const effects = set.rows.filter((row) => row.table === OUTBOX);
  if (effects.length > EFFECTS_MAX) {
    throw new StageError({
      code: "too-many-rows",
      message: `staged work emits more than ${EFFECTS_MAX} effects; nothing was kept: emit fewer`,
    });
  }
  for (const { key, before, after } of effects) {
    if (before !== null || after === null) {
      throw new StageError({
        code: "effect-changed",
        message:
          `a tool changed effect ${key} of ${OUTBOX}, which is committed already; nothing was kept: ` +
          "undo the change set that emitted it, or emit another",
      });
    }
    const channel = channelOf(after);
    if (channels.includes(channel)) continue;
    throw new StageError({
      code: "undeclared-effect",
      message: `a tool emitted to ${channel}: ${undeclaredBecause(channels)}; nothing was kept`,
    });
  }
}

/** The second column of factotum.outbox. */
function channelOf(image: string): string {
  return parseRecord(image)[1] ?? "";
}

function textOf(value: Json, channel: string, what: string): string {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw invalid(channel, `its ${what} is not plain data`);
  const bytes = Buffer.byteLength(text);
  if (bytes > BODY_BYTES_MAX) {
    throw invalid(
      channel,
      `its ${what} has ${bytes} bytes, and ${BODY_BYTES_MAX} are the most; keep what is large where the ` +
        "receiver can fetch it, and emit its address",
    );
  }
  return text;
}

function isBetween(value: number, min: number, max: number): boolean {
  return value >= min && value <= max;
}

function undeclaredBecause(channels: readonly string[]): string {
  const list = channels.length === 0 ? "none" : channels.join(", ");
  return `the attempt did not declare this channel (it declared ${list}); name it in the agent's effects`;
}

function invalid(channel: string, because: string): InputError {
  return new InputError({
    code: "effect-invalid",
    message: `an effect for channel ${JSON.stringify(channel.slice(0, 80))} was refused: ${because}`,
  });
}
