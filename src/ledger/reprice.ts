import { InputError, type MicroUsd, microUsd, type ModelId, tokens, type Usage } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { EntryId } from "./book.ts";
import type { OwnPrice } from "./own-price.ts";
import { costOf, ratesOf } from "./price.ts";
import { type Entry, type EntryFilter, listEntries } from "./statement.ts";

/** Prices to play through, by model. */
export type OtherPrices = ReadonlyMap<string, OwnPrice>;

/** One model's calls as they were booked, and as they would have been. */
export type RepricedModel = {
  readonly model: ModelId;
  readonly entries: number;
  /** Of calls, broken ones at their most among them. */
  readonly booked: MicroUsd;
  readonly repriced: MicroUsd;
  /** What it would have cost more; less, where negative. */
  readonly difference: MicroUsd;
  /** Whether another price was stated for it; else it is as it was booked. */
  readonly isRepriced: boolean;
};

const PAGE = 5_000;

/**
 * What the calls of a filter would have cost at other prices, each at its own time: every entry is priced
 * anew and rounded as its booking was, so that prices that did not change change nothing. Reads
 * factotum.entries, and writes nothing. Ask in one repeatable read, where calls are being booked.
 *
 * @throws {InputError} `price-invalid` where a price is no decimal
 */
export async function reprice(
  tx: Pick<Transaction, "query">,
  prices: OtherPrices,
  filter: EntryFilter = {},
): Promise<readonly RepricedModel[]> {
  const models = new Map<ModelId, Omit<RepricedModel, "difference">>();
  let after: EntryId | undefined;
  for (;;) {
    const page = await listEntries(tx, filter, { limit: PAGE, ...(after !== undefined && { after }) });
    for (const entry of page) add(models, prices, entry);
    after = page.at(-1)?.id;
    if (page.length < PAGE) break;
  }
  const lines = [...models.values()].toSorted((one, other) => (one.model < other.model ? -1 : 1));
  return lines.map((one) => ({ ...one, difference: microUsd(one.repriced - one.booked) }));
}

function add(
  models: Map<ModelId, Omit<RepricedModel, "difference">>,
  prices: OtherPrices,
  entry: Entry,
): void {
  const { model, amount } = entry;
  if (model === null || entry.kind === "value") return;
  const price = prices.get(model);
  const so = models.get(model) ?? {
    ...{ model, entries: 0, booked: microUsd(0), repriced: microUsd(0) },
    isRepriced: price !== undefined,
  };
  const would = price === undefined ? amount : costAt(entry, price);
  models.set(model, {
    ...so,
    entries: so.entries + 1,
    booked: microUsd(so.booked + amount),
    repriced: microUsd(so.repriced + would),
  });
}

/** What takes another entry back has its tokens and its amount the other way round. */
function costAt({ model, at, usage, reverses }: Entry, price: OwnPrice): bigint {
  const found = ratesOf({ provider: "stated", model: model ?? "", price }, at);
  if (found.kind === "missing") {
    const message = `the price stated for ${model} is not in decimal US dollars, or changes at no valid time`;
    throw new InputError({ code: "price-invalid", message });
  }
  return reverses === null ? costOf(usage, found.rates) : 0n - costOf(turned(usage), found.rates);
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
