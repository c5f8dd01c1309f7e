import type { Json, ModelId } from "../kernel/index.ts";
import {
  type EntryFilter,
  type Rate,
  rateAt,
  ratesFromJson,
  type Service,
  serviceOf,
  writtenAmount,
} from "../ledger/index.ts";
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
  ...["x_EntryCount", "x_EntryFirst", "x_EntryKind", "x_EntryLast", "x_Joules"],
];

const PAGE = 10_000;
const TOKENS_PRICED = 1_000_000;
const PICO_PER_MILLI = 1_000_000_000n;
/** Joules are stated in millionths of a millionth a token. */
const JOULE_DECIMALS = 12;
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
  readonly millijoules: string;
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
  /** In millionths of a millionth, as they are stated. */
  joules: bigint;
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
         e.rates, e.amount_micro_usd as amount, e.millijoules, e.input_tokens as "input",
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
  return [...sums.values()]
    .filter(({ cost, quantity, joules }) => !cost.isZero() || quantity !== 0n || joules !== 0n)
    .map(rowOf);
}

/** What is added to a row of sums. */
type Addend = {
  readonly cost: Usd;
  readonly quantity?: bigint;
  readonly unitPrice?: Usd;
  readonly joules?: bigint;
};

function addEntry(sums: Map<string, Sum>, account: string, entry: Entry): void {
  const base = baseOf(account, entry);
  const add = (row: FocusRow, { cost, quantity = 0n, unitPrice, joules = 0n }: Addend): void => {
    const key = JSON.stringify([row, unitPrice?.toFixed()]);
    const sum = sums.get(key) ?? {
      ...{ base: row, unitPrice: unitPrice ?? null, first: entry.id, last: entry.id },
      ...{ count: 0, quantity: 0n, cost: noMoney, joules: 0n },
    };
    sum.last = entry.id;
    sum.count += 1;
    sum.quantity += quantity;
    sum.cost = sum.cost.plus(cost);
    sum.joules += joules;
    sums.set(key, sum);
  };
  const booked = usdOfMicro(BigInt(entry.amount));
  const joulesBooked = BigInt(entry.millijoules) * PICO_PER_MILLI;
  if (entry.kind === "loss") {
    const row = { ...base, ...adjustment(`${entry.model}, calls that broke off, at most`) };
    add(row, { cost: booked, joules: joulesBooked });
    return;
  }
  const rates = ratesFromJson(entry.rates);
  const service = serviceOf(rates);
  const level = tokensAbs(entry.input) + tokensAbs(entry.cachedInput) + tokensAbs(entry.cacheWrite);
  let exact = noMoney;
  let joulesExact = 0n;
  for (const kind of tokenKinds) {
    const count = BigInt(entry[kind]);
    if (count === 0n) continue;
    const price = rateAt(rates[kind], level);
    const joules = count * (rates.energy?.[OUTPUT.has(kind) ? "output" : "input"] ?? 0n);
    exact = exact.plus(usdOfPico(price, count));
    joulesExact += joules;
    const row = { ...base, ...tokenUsage(entry.model, kind, tierOf(rates[kind], level), service) };
    const unitPrice = usdOfPico(price, BigInt(TOKENS_PRICED));
    add(row, { cost: usdOfPico(price, count), quantity: count, unitPrice, joules });
  }
  const requests = BigInt(entry.amount) < 0n ? -1n : 1n;
  const fee = usdOfPico(rates.perRequest, requests);
  if (!fee.isZero()) {
    exact = exact.plus(fee);
    const unitPrice = usdOfPico(rates.perRequest);
    add({ ...base, ...requestUsage(entry.model) }, { cost: fee, quantity: requests, unitPrice });
  }
  const rounding = {
    ...base,
    ...adjustment(`${entry.model}, bookings rounded up to a millionth of a dollar`),
  };
  add(rounding, { cost: booked.minus(exact), joules: joulesBooked - joulesExact });
}

const OUTPUT: ReadonlySet<TokenKind> = new Set(["output", "reasoning"]);

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

function tokenUsage(model: string, kind: TokenKind, above: bigint | null, service: Service): FocusRow {
  const tier = above === null ? "" : `, above ${above} tokens of input`;
  const batch = service === "batch" ? ", in batches" : "";
  const details = {
    x_TokenKind: METERS[kind].replaceAll(" ", ""),
    ...(above !== null && { x_InputAbove: Number(above) }),
    ...(service === "batch" && { x_Service: service }),
  };
  return {
    ...{ ChargeCategory: "Usage", ChargeFrequency: "Usage-Based" },
    ...{ ChargeDescription: `${model}, ${METERS[kind].toLowerCase()}${tier}${batch}` },
    ...{ ConsumedUnit: "Tokens", PricingUnit: `${TOKENS_PRICED} Tokens` },
    ...{ SkuId: `${model}/${kind}`, SkuMeter: METERS[kind], SkuPriceDetails: JSON.stringify(details) },
    SkuPriceId: [`${model}/${kind}`, above === null ? [] : `above-${above}`, batch === "" ? [] : service]
      .flat()
      .join("/"),
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

function rowOf({ base, unitPrice, first, last, count, quantity, cost, joules }: Sum): FocusRow {
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
    x_Joules: joules === 0n ? null : writtenAmount(joules, JOULE_DECIMALS),
  };
}
