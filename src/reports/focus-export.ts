import type { Json, ModelId } from "../kernel/index.ts";
import { type EntryFilter, type Rate, rateAt, ratesFromJson } from "../ledger/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { type TokenKind, tokenKinds } from "./bill.ts";
import { type FocusRow } from "./focus-check.ts";
import { noMoney, type Usd, usd, usdOfMicro, usdOfPico } from "./money.ts";

/** What is exported: entries of a part of the ledger, for an account that others know. */
export type FocusScope = Omit<EntryFilter, "attempt"> & { readonly account: string };

/** The columns of the export, FOCUS first. */
export const exportedColumns: readonly string[] = [
  ...["BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd"],
  ...["BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency"],
  ...["ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost"],
  ...["ContractedUnitPrice", "EffectiveCost", "HostProviderName", "InvoiceIssuerName", "ListCost"],
  ...["ListUnitPrice", "PricingQuantity", "PricingUnit", "ServiceCategory", "ServiceName"],
  ...["ServiceProviderName", "ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceDetails", "SkuPriceId"],
  ...["SubAccountId", "SubAccountName", "Tags"],
  ...["x_EntryCount", "x_EntryFirst", "x_EntryKind", "x_EntryLast"],
];

const PAGE = 10_000;
const TOKENS_PRICED = 1_000_000;
const METERS: Readonly<Record<TokenKind, string>> = {
  ...{ input: "Input Tokens", cachedInput: "Cached Input Tokens", cacheWrite: "Cache Write Tokens" },
  ...{ output: "Output Tokens", reasoning: "Reasoning Tokens" },
};

type Entry = {
  readonly id: string;
  readonly kind: "cost" | "loss";
  readonly day: string;
  readonly corrects: boolean;
  readonly tenant: string;
  readonly agent: string | null;
  readonly model: ModelId;
  readonly rates: Json;
  readonly amount: string;
} & Readonly<Record<TokenKind, string>>;

/** A row while it is added up. */
type Sum = {
  readonly base: FocusRow;
  readonly unitPrice: Usd | null;
  readonly first: string;
  last: string;
  count: number;
  quantity: bigint;
  cost: Usd;
};

/**
 * The costs of a part of the ledger as rows of FOCUS 1.4: one for each day (of UTC), tenant, agent, model,
 * kind of tokens and price. Bookings are rounded up to micro-dollars, so each day and model has one
 * adjustment by which all rows come to just what is booked; what was paid for broken calls, at most, are
 * adjustments too.
 */
export async function focusRows(
  tx: Pick<Transaction, "query">,
  scope: FocusScope,
): Promise<readonly FocusRow[]> {
  const sums = new Map<string, Sum>();
  let after = "0";
  for (;;) {
    const { rows } = await tx.query<Entry>(
      `select e.id, e.kind, to_char(e.at at time zone 'UTC', 'YYYY-MM-DD') as day, e.tenant, e.agent, e.model,
         e.rates, e.amount_micro_usd as amount, e.input_tokens as "input",
         e.cached_input_tokens as "cachedInput", e.cache_write_tokens as "cacheWrite",
         e.output_tokens as "output", e.reasoning_tokens as "reasoning",
         coalesce(date_trunc('month', o.at, 'UTC') < date_trunc('month', e.at, 'UTC'), false) as corrects
       from factotum.entries e left join factotum.entries o on o.id = e.reverses
       where e.kind in ('cost', 'loss') and e.id > $1
         and ($2::bigint is null or e.run_id = $2) and ($3::text is null or e.tenant = $3)
         and ($4::text is null or e.agent = $4) and ($5::timestamptz is null or e.at >= $5)
         and ($6::timestamptz is null or e.at < $6)
       order by e.id limit ${PAGE}`,
      [
        ...[after, scope.runId ?? null, scope.tenant ?? null, scope.agent ?? null],
        ...[scope.from ?? null, scope.to ?? null],
      ],
    );
    for (const entry of rows) addEntry(sums, scope.account, entry);
    after = rows.at(-1)?.id ?? after;
    if (rows.length < PAGE) break;
  }
  return [...sums.values()].filter(({ cost, quantity }) => !cost.isZero() || quantity !== 0n).map(rowOf);
}

function addEntry(sums: Map<string, Sum>, account: string, entry: Entry): void {
  const base = baseOf(account, entry);
  const add = (row: FocusRow, cost: Usd, quantity: bigint, unitPrice: Usd | null): void => {
    const key = JSON.stringify([row, unitPrice?.toFixed()]);
    const fresh = {
      base: row,
      unitPrice,
      first: entry.id,
      last: entry.id,
      count: 0,
      quantity: 0n,
      cost: noMoney,
    };
    const sum = sums.get(key) ?? fresh;
    sum.last = entry.id;
    sum.count += 1;
    sum.quantity += quantity;
    sum.cost = sum.cost.plus(cost);
    sums.set(key, sum);
  };
  const booked = usdOfMicro(BigInt(entry.amount));
  if (entry.kind === "loss") {
    const row = { ...base, ...adjustment(`${entry.model}, calls that broke off, at most`) };
    add(row, booked, 0n, null);
    return;
  }
  const rates = ratesFromJson(entry.rates);
  const level = tokensAbs(entry.input) + tokensAbs(entry.cachedInput) + tokensAbs(entry.cacheWrite);
  let exact = noMoney;
  for (const kind of tokenKinds) {
    const count = BigInt(entry[kind]);
    if (count === 0n) continue;
    const price = rateAt(rates[kind], level);
    exact = exact.plus(usdOfPico(price, count));
    add(
      { ...base, ...tokenUsage(entry.model, kind, tierOf(rates[kind], level)) },
      usdOfPico(price, count),
      count,
      usdOfPico(price, BigInt(TOKENS_PRICED)),
    );
  }
  const requests = BigInt(entry.amount) < 0n ? -1n : 1n;
  const fee = usdOfPico(rates.perRequest, requests);
  if (!fee.isZero()) {
    exact = exact.plus(fee);
    add({ ...base, ...requestUsage(entry.model) }, fee, requests, usdOfPico(rates.perRequest));
  }
  const rounding = {
    ...base,
    ...adjustment(`${entry.model}, bookings rounded up to a millionth of a dollar`),
  };
  add(rounding, booked.minus(exact), 0n, null);
}

function tokensAbs(text: string): bigint {
  const count = BigInt(text);
  return count < 0n ? -count : count;
}

function baseOf(account: string, { day, corrects, kind, tenant, agent, model }: Entry): FocusRow {
  const provider = model.slice(0, model.indexOf("/"));
  const start = new Date(`${day}T00:00:00Z`);
  const instant = (month: number, date: number): string =>
    new Date(Date.UTC(start.getUTCFullYear(), month, date)).toISOString().replace(".000", "");
  const month = start.getUTCMonth();
  return {
    ...{ BillingAccountId: account, BillingAccountName: account, BillingCurrency: "USD" },
    ...{ BillingPeriodStart: instant(month, 1), BillingPeriodEnd: instant(month + 1, 1) },
    ...{ ChargePeriodStart: instant(month, start.getUTCDate()) },
    ...{
      ChargePeriodEnd: instant(month, start.getUTCDate() + 1),
      ChargeClass: corrects ? "Correction" : null,
    },
    ...{ HostProviderName: provider, InvoiceIssuerName: provider, ServiceProviderName: provider },
    ...{ ServiceCategory: "AI and Machine Learning", ServiceSubcategory: "Generative AI" },
    ...{ ServiceName: `${provider} models`, SubAccountId: tenant, SubAccountName: tenant },
    ...{ Tags: agent === null ? null : JSON.stringify({ agent }), x_EntryKind: kind },
  };
}

function tokenUsage(model: string, kind: TokenKind, above: bigint | null): FocusRow {
  const tier = above === null ? "" : `, above ${above} tokens of input`;
  const details = {
    x_TokenKind: METERS[kind].replaceAll(" ", ""),
    ...(above !== null && { x_InputAbove: Number(above) }),
  };
  return {
    ...{ ChargeCategory: "Usage", ChargeFrequency: "Usage-Based" },
    ...{ ChargeDescription: `${model}, ${METERS[kind].toLowerCase()}${tier}` },
    ...{ ConsumedUnit: "Tokens", PricingUnit: `${TOKENS_PRICED} Tokens` },
    ...{ SkuId: `${model}/${kind}`, SkuMeter: METERS[kind], SkuPriceDetails: JSON.stringify(details) },
    SkuPriceId: `${model}/${kind}${above === null ? "" : `/above-${above}`}`,
  };
}

function requestUsage(model: string): FocusRow {
  return {
    ...{ ChargeCategory: "Usage", ChargeFrequency: "Usage-Based", ChargeDescription: `${model}, requests` },
    ...{
      ConsumedUnit: "Requests",
      PricingUnit: "Requests",
      SkuId: `${model}/requests`,
      SkuMeter: "Requests",
    },
    ...{ SkuPriceDetails: null, SkuPriceId: `${model}/requests` },
  };
}

function adjustment(description: string): FocusRow {
  return { ChargeCategory: "Adjustment", ChargeFrequency: "One-Time", ChargeDescription: description };
}

function tierOf(rate: Rate, level: bigint): bigint | null {
  return rate.tiers.findLast((tier) => level > tier.above)?.above ?? null;
}

function rowOf({ base, unitPrice, first, last, count, quantity, cost }: Sum): FocusRow {
  const perUnit = base["PricingUnit"] === "Requests" ? 1 : TOKENS_PRICED;
  const priced = unitPrice === null ? null : usd(quantity.toString()).div(perUnit);
  const costs = { BilledCost: cost.toFixed(), ContractedCost: cost.toFixed(), EffectiveCost: cost.toFixed() };
  return {
    ...base,
    ...costs,
    ...{ ListCost: cost.toFixed(), PricingQuantity: priced?.toFixed() ?? null },
    ...{ ConsumedQuantity: unitPrice === null ? null : String(quantity) },
    ...{ ContractedUnitPrice: unitPrice?.toFixed() ?? null, ListUnitPrice: unitPrice?.toFixed() ?? null },
    ...{ x_EntryCount: String(count), x_EntryFirst: first, x_EntryLast: last },
  };
}
