import type { CallId, MicroUsd, ModelId, TenantId, Usage } from "../kernel/index.ts";
import { makeRowText, type Transaction } from "../postgres/index.ts";
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

/** Calls that wait to be booked together. */
export type LooseBook = {
  add(booking: LooseBooking): void;
  /** Books all that were added, in one statement; what was booked before is left as it is. */
  write(tx: Transaction): Promise<void>;
  /** Begins anew. */
  clear(): void;
};

/** A book with nothing in it. Writes factotum.entries. */
export function makeLooseBook(): LooseBook {
  const rows = makeRowText();
  let rates: Rates[] = [];
  return {
    add(booking) {
      let at = rates.indexOf(booking.rates);
      if (at < 0) at = rates.push(booking.rates) - 1;
      rows.add(rowOf(booking, at));
    },
    async write(tx) {
      if (rows.rows === 0) return;
      await tx.query(BOOK, [rows.text(), rates.map((of) => JSON.stringify(ratesToJson(of)))]);
    },
    clear() {
      rows.clear();
      rates = [];
    },
  };
}

/** Names are short: they stand with every row. */
const BOOK = `insert into factotum.entries (kind, tenant, call_id, try, model,
    input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
    amount_micro_usd, debit, credit, rates, source, because, millijoules)
  select x.k, x.d, x.c, x.t, x.m, x.i, coalesce(x.ci, 0), coalesce(x.cw, 0), x.o, coalesce(x.r, 0), x.a,
    case x.k when 'cost' then 'expense/models' else 'loss/unknown-calls' end,
    'payable/' || split_part(x.m, '/', 1), r.rates, r.rates ->> 'source', x.w, coalesce(x.j, 0)
  from json_to_recordset($1::json) as x (k text, d text, c text, t int, m text, i bigint, ci bigint,
    cw bigint, o bigint, r bigint, a bigint, p int, w text, j bigint)
  join unnest($2::json[]) with ordinality as r (rates, at) on r.at = x.p + 1
  on conflict (call_id, try, kind) where call_id is not null and reverses is null do nothing`;

function rowOf({ usage, rates, ...one }: LooseBooking, at: number): object {
  return {
    k: one.kind,
    d: one.tenant,
    c: one.callId,
    t: one.try,
    m: one.model,
    i: String(usage.input),
    ci: unlessNone(usage.cachedInput),
    cw: unlessNone(usage.cacheWrite),
    o: String(usage.output),
    r: unlessNone(usage.reasoning),
    a: String(one.amount),
    p: at,
    w: one.because,
    j: rates.energy === undefined ? undefined : String(millijoulesOf(usage, rates)),
  };
}

/** Most calls have none of these. */
function unlessNone(count: bigint): string | undefined {
  return count === 0n ? undefined : String(count);
}
