import {
  type Brand,
  type CallId,
  defaultTenant,
  type MicroUsd,
  type ModelId,
  must,
  type RunId,
  type TenantId,
  type Usage,
} from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { millijoulesOf } from "./price.ts";
import { type Rates, ratesToJson } from "./rates.ts";

/** A row of the ledger. */
export type EntryId = Brand<string, "EntryId">;

/** Accounts by kind of entry: what is debited, and what is credited. */
const ACCOUNTS = {
  cost: { debit: "expense/models", credit: "payable/" },
  loss: { debit: "loss/unknown-calls", credit: "payable/" },
  value: { debit: "business/outcomes", credit: "earned/outcomes" },
} as const;

/** Whom an entry is about. */
export type BookedFor = {
  readonly runId: RunId;
  readonly tenant?: TenantId;
  readonly agent?: string | null;
};

/** One try of a call, or the part of it that is of one kind. */
export type CallBooking = BookedFor & {
  readonly callId: CallId;
  /** From 1; 0 when the tries are not known. */
  readonly try: number;
  readonly attempt: number;
  readonly model: ModelId;
  /** `cost`: counted by the provider. `loss`: perhaps billed, never to be known, at its worst case. */
  readonly kind: "cost" | "loss";
  readonly usage: Usage;
  readonly amount: MicroUsd;
  readonly rates: Rates;
  readonly because: string;
};

const INSERT = `
  insert into factotum.entries (kind, tenant, run_id, agent, attempt, call_id, try, model,
    input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
    amount_micro_usd, debit, credit, rates, source, because, millijoules)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
  on conflict (call_id, try, kind) where call_id is not null and reverses is null do nothing
  returning id`;

/**
 * Books one try of a call; writes factotum.entries.
 *
 * @returns null when that try was booked under this kind before: booking twice changes nothing
 */
export async function bookCall(tx: Transaction, booking: CallBooking): Promise<EntryId | null> {
  const { usage, rates } = booking;
  const accounts = ACCOUNTS[booking.kind];
  const endpoint = booking.model.slice(0, booking.model.indexOf("/"));
  const { rows } = await tx.query<{ id: EntryId }>(INSERT, [
    ...[booking.kind, booking.tenant ?? defaultTenant, booking.runId, booking.agent ?? null],
    ...[booking.attempt, booking.callId, booking.try, booking.model],
    ...[usage.input, usage.cachedInput, usage.cacheWrite, usage.output, usage.reasoning],
    ...[booking.amount, accounts.debit, `${accounts.credit}${endpoint}`],
    ...[JSON.stringify(ratesToJson(rates)), rates.source, booking.because, millijoulesOf(usage, rates)],
  ]);
  return rows[0]?.id ?? null;
}

/** Reverses what was booked for a call as a loss, when the truth is learned after all. */
export async function reverseLoss(tx: Transaction, callId: CallId, because: string): Promise<number> {
  const { rowCount } = await tx.query(
    `insert into factotum.entries (kind, tenant, run_id, agent, attempt, call_id, try, model,
       input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
       amount_micro_usd, debit, credit, rates, source, because, reverses, millijoules)
     select e.kind, e.tenant, e.run_id, e.agent, e.attempt, e.call_id, e.try, e.model,
       -e.input_tokens, -e.cached_input_tokens, -e.cache_write_tokens, -e.output_tokens, -e.reasoning_tokens,
       -e.amount_micro_usd, e.debit, e.credit, e.rates, e.source, $2, e.id, -e.millijoules
     from factotum.entries e
     where e.call_id = $1 and e.kind = 'loss' and e.reverses is null
       and not exists (select from factotum.entries r where r.reverses = e.id)`,
    [callId, because],
  );
  return rowCount;
}

/** What an outcome earned; negative when one is taken back. Writes factotum.entries. */
export async function bookValue(
  tx: Transaction,
  booking: BookedFor & { readonly value: MicroUsd; readonly attempt?: number; readonly because: string },
): Promise<EntryId> {
  const { debit, credit } = ACCOUNTS.value;
  const { rows } = await tx.query<{ id: EntryId }>(
    `insert into factotum.entries (kind, tenant, run_id, agent, attempt,
       amount_micro_usd, debit, credit, because)
     values ('value', $1, $2, $3, $4, $5, $6, $7, $8) returning id`,
    [
      ...[booking.tenant ?? defaultTenant, booking.runId, booking.agent ?? null, booking.attempt ?? null],
      ...[booking.value, debit, credit, booking.because],
    ],
  );
  return must(rows[0], "the id of a booked value").id;
}
