import type { Accounts, Tariff } from "../calls/index.ts";
import { type CallId, type MicroUsd, microUsd, type ModelId, type Usage } from "../kernel/index.ts";
import type { Database, Transaction } from "../postgres/index.ts";
import type { KeyRecord } from "./keys.ts";

/** What became of an attempt, in one word. */
export type Label = "answered" | "failed" | "timed-out" | "cut" | "client-left" | "not-sent" | "outraced";

/** One attempt that is over. */
export type Metered = {
  readonly callId: CallId;
  /** From 1. */
  readonly try: number;
  readonly key: KeyRecord;
  readonly surface: string;
  /** What the client called the model. */
  readonly asked: string;
  readonly model: ModelId;
  readonly label: Label;
  readonly status: number | null;
  /** Whether the provider counted it; if not, it is the most that it can be. */
  readonly authoritative: boolean;
  readonly usage: Usage;
  readonly amount: MicroUsd | null;
  readonly tariff: Tariff | null;
  readonly slice: string | null;
  readonly firstByteMs: number | null;
  readonly totalMs: number;
  readonly stream: boolean;
};

/** Writes attempts in batches, off the path of calls. */
export type Meter = {
  record(metered: Metered): void;
  /** Whether so much waits to be written that no new call may begin. */
  readonly behind: boolean;
  /** How many attempts are not written yet. */
  readonly waiting: number;
  /** Waits until all is written that was recorded. */
  flush(): Promise<void>;
  close(): Promise<void>;
};

/** A row waits so long at most; a kill loses those of this time, whose money still counts in their slices. */
const FLUSH_MS = 50;
const BATCH_MAX = 1_000;
/** With Postgres away, rows wait here; beyond it calls are refused, so that none goes unwritten. */
const WAITING_MAX = 100_000;
const RETRY_MS = 500;

/** Opens the meter. Writes factotum.gateway_attempts, and factotum.entries through the accounts. */
export function openMeter(db: Database, accounts: Accounts, say: (line: string) => void): Meter {
  let waiting: Metered[] = [];
  let writing: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let retries = 0;
  const write = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, BATCH_MAX);
      await db.transaction((tx) => writeBatch(tx, accounts, batch));
      waiting = waiting.slice(batch.length);
      retries = 0;
    }
  };
  const begin = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    writing ??= write()
      .catch((error: unknown) => {
        retries += 1;
        if (retries === 1) say(`the gateway's meter waits for Postgres: ${String(error)}`);
      })
      .finally(() => {
        writing = undefined;
        if (waiting.length > 0) later(retries > 0 ? RETRY_MS : 0);
      });
    return writing;
  };
  const later = (milliseconds: number): void => {
    timer ??= setTimeout(() => void begin(), milliseconds);
  };
  const flush = async (): Promise<void> => {
    await writing;
    if (waiting.length > 0) await begin();
  };
  return {
    record(metered) {
      waiting.push(metered);
      if (writing === undefined) later(FLUSH_MS);
    },
    get waiting() {
      return waiting.length;
    },
    get behind() {
      return waiting.length >= WAITING_MAX;
    },
    flush,
    async close() {
      await flush();
      clearTimeout(timer);
    },
  };
}

/** Each attempt is written once, however often its batch is tried again. */
async function writeBatch(tx: Transaction, accounts: Accounts, batch: readonly Metered[]): Promise<void> {
  // One text for all rows: the driver writes arrays element by element, which costs more than the rest of it.
  await tx.query(
    `insert into factotum.gateway_attempts (call_id, try, key, tenant, surface, asked, model, label, status,
       authoritative, amount_micro_usd, slice, first_byte_ms, total_ms)
     select * from json_to_recordset($1::json) as x (call_id text, try int, key bigint, tenant text,
       surface text, asked text, model text, label text, status int, authoritative boolean, amount bigint,
       slice text, first_byte_ms int, total_ms int)
     on conflict on constraint gateway_attempts_pkey do nothing`,
    [JSON.stringify(batch.map(rowOf))],
  );
  const booked = batch.flatMap(({ amount, tariff, key, authoritative, surface, label, ...one }) => {
    if (tariff === null || amount === null) return [];
    // What cost nothing needs no entry, unless tokens were counted for it at a price of nothing.
    if (amount === 0n && Object.values(one.usage).every((count) => count === 0n)) return [];
    const because = `gateway ${surface}, ${label}`;
    const kind = authoritative ? ("cost" as const) : ("loss" as const);
    return [{ ...one, kind, amount, because, tenant: key.tenant, rates: tariff.rates }];
  });
  await accounts.book(tx, booked);
}

function rowOf(one: Metered) {
  const { key, surface, asked, model, label, status, authoritative, amount, slice } = one;
  return {
    ...{ call_id: one.callId, try: one.try, key: key.id, tenant: key.tenant, surface, asked, model, label },
    ...{ status, authoritative, amount: amount === null ? null : String(amount), slice },
    ...{ first_byte_ms: rounded(one.firstByteMs), total_ms: rounded(one.totalMs) },
  };
}

function rounded(milliseconds: number | null): number | null {
  return milliseconds === null ? null : Math.round(milliseconds);
}

/** What the rows of a slice come to. */
export async function knownOfSlice(tx: Transaction, slice: string): Promise<MicroUsd> {
  const { rows } = await tx.query<{ known: string }>(
    "select coalesce(sum(amount_micro_usd), 0) as known from factotum.gateway_attempts where slice = $1",
    [slice],
  );
  return microUsd(BigInt(rows[0]?.known ?? 0));
}
