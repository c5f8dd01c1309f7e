import type { CallId, MicroUsd, ModelId, TenantId, Usage } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { millijoulesOf } from "./price.ts";
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
  const rates = [...new Set(bookings.map((booking) => booking.rates))];
  const rows = bookings.map(({ usage, ...booking }) => ({
    ...{ kind: booking.kind, tenant: booking.tenant, call_id: booking.callId, try: booking.try },
    ...{ model: booking.model, input: String(usage.input), cached: String(usage.cachedInput) },
    ...{
      written: String(usage.cacheWrite),
      output: String(usage.output),
      reasoning: String(usage.reasoning),
    },
    ...{ amount: String(booking.amount), rates: rates.indexOf(booking.rates), because: booking.because },
    ...(booking.rates.energy !== undefined && { joules: String(millijoulesOf(usage, booking.rates)) }),
  }));
  await tx.query(
    `insert into factotum.entries (kind, tenant, call_id, try, model,
       input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
       amount_micro_usd, debit, credit, rates, source, because, millijoules)
     select x.kind, x.tenant, x.call_id, x.try, x.model, x.input, x.cached, x.written, x.output, x.reasoning,
       x.amount, case x.kind when 'cost' then 'expense/models' else 'loss/unknown-calls' end,
       'payable/' || split_part(x.model, '/', 1), r.rates, r.rates ->> 'source', x.because,
       coalesce(x.joules, 0)
     from json_to_recordset($1::json) as x (kind text, tenant text, call_id text, try int, model text,
       input bigint, cached bigint, written bigint, output bigint, reasoning bigint,
       amount bigint, rates int, because text, joules bigint)
     join unnest($2::json[]) with ordinality as r (rates, at) on r.at = x.rates + 1
     on conflict (call_id, try, kind) where call_id is not null and reverses is null do nothing`,
    [JSON.stringify(rows), rates.map((of) => JSON.stringify(ratesToJson(of)))],
  );
}
