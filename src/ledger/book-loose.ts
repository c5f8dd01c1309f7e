import type { CallId, MicroUsd, ModelId, TenantId, Usage } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { type Rates, ratesToJson } from "./rates.ts";

/** One try of a call that belongs to no run, such as one of a client of the gateway. */
export type LooseBooking = {
  readonly callId: CallId;
  readonly tenant: TenantId;
  readonly try: number;
  readonly model: ModelId;
  /** `cost`: counted by the provider. `loss`: perhaps billed, at its worst case. */
  readonly kind: "cost" | "loss";
  readonly usage: Usage;
  readonly amount: MicroUsd;
  readonly rates: Rates;
  readonly because: string;
};

/** Books many calls in one statement; what was booked before is left as it is. Writes factotum.entries. */
export async function bookLooseCalls(tx: Transaction, bookings: readonly LooseBooking[]): Promise<void> {
  if (bookings.length === 0) return;
  const rates = new Map<Rates, string>();
  const jsonOf = (of: Rates): string => {
    const known = rates.get(of) ?? JSON.stringify(ratesToJson(of));
    rates.set(of, known);
    return known;
  };
  const column = <T>(pick: (booking: LooseBooking) => T): T[] => bookings.map(pick);
  await tx.query(
    `insert into factotum.entries (kind, tenant, call_id, try, model,
       input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
       amount_micro_usd, debit, credit, rates, source, because)
     select x.kind, x.tenant, x.call_id, x.try, x.model, x.input, x.cached, x.written, x.output, x.reasoning,
       x.amount, case x.kind when 'cost' then 'expense/models' else 'loss/unknown-calls' end,
       'payable/' || split_part(x.model, '/', 1), x.rates::json, x.source, x.because
     from unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::bigint[], $7::bigint[],
       $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::text[], $14::text[])
       as x (kind, tenant, call_id, try, model, input, cached, written, output, reasoning,
         amount, rates, source, because)
     on conflict (call_id, try, kind) where call_id is not null and reverses is null do nothing`,
    [
      ...[column((b) => b.kind), column((b) => b.tenant), column((b) => b.callId), column((b) => b.try)],
      ...[column((b) => b.model), column((b) => b.usage.input), column((b) => b.usage.cachedInput)],
      ...[column((b) => b.usage.cacheWrite), column((b) => b.usage.output), column((b) => b.usage.reasoning)],
      ...[column((b) => b.amount), column((b) => jsonOf(b.rates)), column((b) => b.rates.source)],
      column((b) => b.because),
    ],
  );
}
