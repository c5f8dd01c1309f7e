import { type CallId, type Json, type ModelId, tokens, type Usage } from "../kernel/index.ts";
import { rateAt, type Rates, ratesFromJson } from "../ledger/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { type BillSpan, type TokenKind, tokenKinds } from "./bill.ts";
import { type Usd, usdOfMicro, usdOfPico } from "./money.ts";

/** One try of a call as it is booked, with what each kind of its tokens costs by those prices. */
export type BookedCall = {
  readonly callId: CallId;
  readonly try: number;
  /** The provider's own id of its reply, where it was kept. */
  readonly replyId: string | null;
  readonly at: Date;
  readonly model: ModelId;
  readonly usage: Usage;
  readonly rates: Rates;
  /** Exact, before the booking rounded their sum up. */
  readonly costs: Readonly<Record<TokenKind, Usd>>;
  readonly perRequest: Usd;
  readonly booked: Usd;
};

/** Which calls are asked for: those of a time, and those that a bill names. */
export type CallScope = { readonly spans: readonly BillSpan[]; readonly ids: readonly string[] };

type Row = {
  readonly call_id: CallId;
  readonly try: number;
  readonly reply_id: string | null;
  readonly at: Date;
  readonly model: ModelId;
  readonly rates: Json;
  readonly amount: string;
} & Readonly<Record<TokenKind, string>>;

/** Tries that are booked as counted by the provider; what a reversing entry took back is not there. */
export async function bookedCalls(
  tx: Pick<Transaction, "query">,
  { spans, ids }: CallScope,
): Promise<readonly BookedCall[]> {
  const { rows } = await tx.query<Row>(
    `select e.call_id, e.try, e.at, e.model, e.rates, e.amount_micro_usd as amount,
       nullif(c.outcome->'reply'->>'providerReplyId', '') as reply_id,
       e.input_tokens as "input", e.cached_input_tokens as "cachedInput",
       e.cache_write_tokens as "cacheWrite", e.output_tokens as "output", e.reasoning_tokens as "reasoning"
     from factotum.entries e
     left join factotum.calls c on c.id = e.call_id
     where e.kind = 'cost' and e.reverses is null
       and not exists (select from factotum.entries r where r.reverses = e.id)
       and (e.call_id = any($3) or c.outcome->'reply'->>'providerReplyId' = any($3)
         or exists (select from unnest($1::timestamptz[], $2::timestamptz[]) as s (starts, ends)
           where e.at >= s.starts and e.at < s.ends))
     order by e.id`,
    [spans.map(({ from }) => from), spans.map(({ to }) => to), ids],
  );
  return rows.map(callOf);
}

function callOf({ amount, rates, call_id: callId, reply_id: replyId, ...row }: Row): BookedCall {
  const usage = Object.fromEntries(tokenKinds.map((kind) => [kind, tokens(BigInt(row[kind]))]));
  return pricedCall({
    ...{ callId, replyId, try: row.try, at: row.at, model: row.model },
    ...{ usage: usage as unknown as Usage, rates: ratesFromJson(rates), booked: usdOfMicro(BigInt(amount)) },
  });
}

/** Adds what each kind of a call's tokens costs by its prices. */
export function pricedCall(call: Omit<BookedCall, "costs" | "perRequest">): BookedCall {
  const level = inputOf(call.usage);
  const costs = tokenKinds.map((kind) => [
    kind,
    usdOfPico(rateAt(call.rates[kind], level), call.usage[kind]),
  ]);
  return {
    ...call,
    costs: Object.fromEntries(costs) as Record<TokenKind, Usd>,
    perRequest: usdOfPico(call.rates.perRequest),
  };
}

/** All input of a call: what chooses its tier. */
export function inputOf(usage: Usage): bigint {
  return usage.input + usage.cachedInput + usage.cacheWrite;
}

/** What calls are booked as losses in a time: perhaps on a bill, at their worst case. */
export async function lossesIn(
  tx: Pick<Transaction, "query">,
  spans: readonly BillSpan[],
): Promise<{ readonly calls: number; readonly amount: Usd }> {
  const { rows } = await tx.query<{ calls: string; amount: string }>(
    `select count(distinct e.call_id) as calls, coalesce(sum(e.amount_micro_usd), 0) as amount
     from factotum.entries e
     where e.kind = 'loss' and exists (
       select from unnest($1::timestamptz[], $2::timestamptz[]) as s (starts, ends)
       where e.at >= s.starts and e.at < s.ends)`,
    [spans.map(({ from }) => from), spans.map(({ to }) => to)],
  );
  return { calls: Number(rows[0]?.calls ?? 0), amount: usdOfMicro(BigInt(rows[0]?.amount ?? 0)) };
}
