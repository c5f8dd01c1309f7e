import {
  InputError,
  type MicroUsd,
  microUsd,
  type ModelId,
  must,
  tokens,
  type Usage,
} from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { EntryId } from "./book.ts";
import { type OwnPrice, ownAt } from "./own-price.ts";
import { costOf, millijoulesOf, ratesOf } from "./price.ts";
import { otherService, type Rates, ratesFromJson, type Service, serviceOf } from "./rates.ts";
import { type Entry, type EntryFilter, listEntries } from "./statement.ts";

/** What is played through. */
export type OtherPrices = {
  /** Prices by model; those that it leaves out are as they were booked. */
  readonly prices?: ReadonlyMap<string, OwnPrice>;
  /** As if all had been served so, by prices that are known for it; else as each was. */
  readonly service?: Service;
};

/** One model's calls as they were booked, and as they would have been. */
export type RepricedModel = {
  readonly model: ModelId;
  readonly entries: number;
  /** Of calls, broken ones at their most among them. */
  readonly booked: MicroUsd;
  readonly repriced: MicroUsd;
  /** What it would have cost more; less, where negative. */
  readonly difference: MicroUsd;
  /** Whether any of it was priced anew; else it is as it was booked. */
  readonly isRepriced: boolean;
  /** Joules of engines of one's own, in thousandths: as they were booked, and as they would have been. */
  readonly millijoules: bigint;
  readonly millijoulesThen: bigint;
};

const PAGE = 5_000;

/**
 * What the calls of a filter would have cost at other prices, each at its own time: every entry is priced
 * anew and rounded as its booking was, so that prices that did not change change nothing. Reads
 * factotum.entries, and writes nothing. Ask in one repeatable read, where calls are being booked.
 *
 * @throws {InputError} `price-invalid` where a price is no decimal, or batches have none
 */
export async function reprice(
  tx: Pick<Transaction, "query">,
  others: OtherPrices,
  filter: EntryFilter = {},
): Promise<readonly RepricedModel[]> {
  const models = new Map<ModelId, Omit<RepricedModel, "difference">>();
  let after: EntryId | undefined;
  for (;;) {
    const page = await listEntries(tx, filter, { limit: PAGE, ...(after !== undefined && { after }) });
    for (const entry of page) add(models, others, entry);
    after = page.at(-1)?.id;
    if (page.length < PAGE) break;
  }
  const lines = [...models.values()].toSorted((one, other) => (one.model < other.model ? -1 : 1));
  return lines.map((one) => ({ ...one, difference: microUsd(one.repriced - one.booked) }));
}

function add(
  models: Map<ModelId, Omit<RepricedModel, "difference">>,
  others: OtherPrices,
  entry: Entry,
): void {
  const { model, amount, millijoules } = entry;
  if (model === null || entry.kind === "value") return;
  const so = models.get(model) ?? {
    ...{ model, entries: 0, booked: microUsd(0), repriced: microUsd(0), isRepriced: false },
    ...{ millijoules: 0n, millijoulesThen: 0n },
  };
  const rates = otherRates(entry, others);
  const then = rates === null ? { amount, millijoules } : costAt(entry, rates);
  models.set(model, {
    ...{ model, entries: so.entries + 1, isRepriced: so.isRepriced || rates !== null },
    ...{ booked: microUsd(so.booked + amount), repriced: microUsd(so.repriced + then.amount) },
    millijoules: so.millijoules + millijoules,
    millijoulesThen: so.millijoulesThen + then.millijoules,
  });
}

/** The rates that an entry is priced anew by; null where it stays as it was booked. */
function otherRates({ model, at, rates, kind, usage }: Entry, others: OtherPrices): Rates | null {
  const { prices, service } = others;
  // Broken off before anything was counted: it stays at its most, of which no tokens tell.
  if (kind === "loss" && Object.values(usage).every((count) => count === 0n)) return null;
  const was = ratesFromJson(must(rates, "the rates of a call's entry"));
  const wanted = service ?? serviceOf(was);
  const price = prices?.get(model ?? "");
  if (price === undefined || ownAt(price, at) === null)
    return wanted === serviceOf(was) ? null : otherService(was);
  const batch = wanted === "batch";
  const found = ratesOf({ provider: "stated", model: model ?? "", price, batch }, at);
  if (found.kind === "known") return found.rates;
  const message = batch
    ? `the price stated for ${model} has none for batches: state one as batch`
    : `the price stated for ${model} is not in decimal US dollars, or changes at no valid time`;
  throw new InputError({ code: "price-invalid", message });
}

/** What takes another entry back has its tokens and its amount the other way round. */
function costAt(
  { usage, reverses }: Entry,
  rates: Rates,
): { readonly amount: bigint; readonly millijoules: bigint } {
  if (reverses === null) return { amount: costOf(usage, rates), millijoules: millijoulesOf(usage, rates) };
  const whole = turned(usage);
  return { amount: 0n - costOf(whole, rates), millijoules: 0n - millijoulesOf(whole, rates) };
}

function turned(usage: Usage): Usage {
  return {
    input: tokens(0n - usage.input),
    cachedInput: tokens(0n - usage.cachedInput),
    cacheWrite: tokens(0n - usage.cacheWrite),
    output: tokens(0n - usage.output),
    reasoning: tokens(0n - usage.reasoning),
  };
}
