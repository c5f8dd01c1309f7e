import type { Accounts, LooseBook, Tariff } from "../calls/index.ts";
import { type CallId, type MicroUsd, microUsd, type ModelId, type Usage } from "../kernel/index.ts";
import { type Database, makeRowText, type RowText, type Transaction } from "../postgres/index.ts";
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
  /** By which prices it is booked; null where none is known. */
  readonly rates: Tariff["rates"] | null;
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

/** Batches whose memory is used again; more lie about only after Postgres was away. */
const SPARE_MAX = 2;

/** Attempts that are written together, each with its entry in the ledger. */
type Batch = { readonly attempts: RowText; readonly book: LooseBook };

/** Opens the meter. Writes factotum.gateway_attempts, and factotum.entries through the accounts. */
export function openMeter(db: Database, accounts: Accounts, say: (line: string) => void): Meter {
  const newBatch = (): Batch => ({ attempts: makeRowText(), book: accounts.newBook() });
  let filling = newBatch();
  /** To be written as they are, the oldest first. */
  const full: Batch[] = [];
  const spare: Batch[] = [];
  let waiting = 0;
  let writing: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let retries = 0;
  const close = (): void => {
    full.push(filling);
    filling = spare.pop() ?? newBatch();
  };
  const write = async (): Promise<void> => {
    if (filling.attempts.rows > 0) close();
    for (let batch = full[0]; batch !== undefined; batch = full[0]) {
      const { attempts, book } = batch;
      await db.transaction((tx) => writeBatch(tx, batch));
      full.shift();
      waiting -= attempts.rows;
      retries = 0;
      attempts.clear();
      book.clear();
      if (spare.length < SPARE_MAX) spare.push(batch);
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
        if (waiting > 0) later(retries > 0 ? RETRY_MS : FLUSH_MS);
      });
    return writing;
  };
  const later = (milliseconds: number): void => {
    timer ??= setTimeout(() => void begin(), milliseconds);
  };
  const flush = async (): Promise<void> => {
    await writing;
    if (waiting > 0) await begin();
  };
  return {
    record(metered) {
      addTo(filling, metered);
      waiting += 1;
      if (filling.attempts.rows >= BATCH_MAX) close();
      if (writing === undefined) later(FLUSH_MS);
    },
    get waiting() {
      return waiting;
    },
    get behind() {
      return waiting >= WAITING_MAX;
    },
    flush,
    async close() {
      await flush();
      clearTimeout(timer);
    },
  };
}

/** Names are short: they stand with every row. */
const WRITE = `insert into factotum.gateway_attempts (call_id, try, key, tenant, surface, asked, model, label,
    status, authoritative, amount_micro_usd, slice, first_byte_ms, total_ms)
  select * from json_to_recordset($1::json) as x (c text, t int, k bigint, d text, u text, q text, m text,
    l text, s int, h boolean, a bigint, z text, f int, o int)
  on conflict on constraint gateway_attempts_pkey do nothing`;

/** Each attempt is written once, however often its batch is tried again. */
async function writeBatch(tx: Transaction, { attempts, book }: Batch): Promise<void> {
  await tx.query(WRITE, [attempts.text()]);
  await book.write(tx);
}

function addTo({ attempts, book }: Batch, one: Metered): void {
  const { key, rates, amount, usage } = one;
  attempts.add({
    c: one.callId,
    t: one.try,
    k: key.id,
    d: key.tenant,
    u: one.surface,
    q: one.asked,
    m: one.model,
    l: one.label,
    s: one.status,
    h: one.authoritative,
    a: amount === null ? null : String(amount),
    z: one.slice,
    f: one.firstByteMs === null ? null : Math.round(one.firstByteMs),
    o: Math.round(one.totalMs),
  });
  if (rates === null || amount === null) return;
  // What cost nothing needs no entry, unless tokens were counted for it at a price of nothing.
  if (amount === 0n && Object.values(usage).every((count) => count === 0n)) return;
  book.add({
    callId: one.callId,
    tenant: key.tenant,
    try: one.try,
    model: one.model,
    kind: one.authoritative ? "cost" : "loss",
    usage,
    amount,
    rates,
    because: `gateway ${one.surface}, ${one.label}`,
  });
}

/** What the rows of a slice come to. */
export async function knownOfSlice(tx: Transaction, slice: string): Promise<MicroUsd> {
  const { rows } = await tx.query<{ known: string }>(
    "select coalesce(sum(amount_micro_usd), 0) as known from factotum.gateway_attempts where slice = $1",
    [slice],
  );
  return microUsd(BigInt(rows[0]?.known ?? 0));
}
