import { canonicalJson, InputError, must, toJson } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { OwnPrice, PlainPrice, PriceVersion } from "./own-price.ts";

/** A price to be stated for a model at run time. */
export type NewPrice = {
  /** As cards name it: `openai/gpt-5`. */
  readonly model: string;
  /** When it begins to hold, by the business clock; now, unless told. */
  readonly from?: Date;
  /** Null takes back: from then on the configuration and the catalogue say it again. */
  readonly price: PlainPrice | null;
  readonly because: string;
  readonly by: string;
};

/** A price as it was stated, and by whom. */
export type KeptPrice = PriceVersion & {
  readonly model: string;
  readonly because: string;
  readonly by: string;
  readonly knownAt: Date;
};

/** A kept price, with its place among all: later ones have larger numbers. */
type Row = Omit<KeptPrice, "from" | "price"> & {
  readonly id: string;
  readonly from: Date;
  readonly price: PlainPrice | null;
};

const MODEL = /^[^/\s]+\/\S+$/;
const TEXT_CHARS_MAX = 500;

/**
 * States a price: the next version of its model's. What was booked stays as it is; calls that are intended
 * from now on, and take place at `from` or later, go by it. Writes factotum.prices.
 *
 * @returns the version; the last one where that says the same, from the same instant
 * @throws {InputError} `price-invalid`
 */
export async function statePrice(tx: Transaction, given: NewPrice): Promise<KeptPrice> {
  expectValid(given);
  const { model, from, price, because, by } = given;
  // Versions are numbered one after the other, also where two people state prices at once.
  await tx.query("lock table factotum.prices in share row exclusive mode");
  const text = price === null ? null : canonicalJson(toJson(price));
  const { rows } = await tx.query<Row>(
    `with last as (
       select * from factotum.prices where model = $1 order by version desc limit 1),
     made as (
       insert into factotum.prices (model, version, holds_from, price, because, stated_by)
       select $1, coalesce((select version from last), 0) + 1, coalesce($2, factotum.now()),
         $3::text::json, $4, $5
       where not exists (select from last
         where price::text is not distinct from $3::text and holds_from = coalesce($2, (
           select max(holds_from) from factotum.prices where model = $1 and holds_from <= factotum.now())))
       returning *)
     select ${COLUMNS} from (select * from made union all select * from last) one
     order by version desc limit 1`,
    [model, from ?? null, text, because, by],
  );
  return keptOf(must(rows[0], `the price of ${model}`));
}

/** All that was ever stated, of one model or of all, in the order of the versions. */
export async function listPrices(
  tx: Pick<Transaction, "query">,
  model?: string,
): Promise<readonly KeptPrice[]> {
  const { rows } = await tx.query<Row>(
    `select ${COLUMNS} from factotum.prices
     where $1::text is null or model = $1 order by model collate "C", version`,
    [model ?? null],
  );
  return rows.map(keptOf);
}

/** What was stated at run time, as this process knows it. */
export type PriceBook = {
  /** A card with what was stated for it before its own price. */
  priced<T extends { readonly id: string; readonly price?: OwnPrice }>(card: T): T;
  /** Reads what was stated since. @returns whether there was anything */
  refresh(): Promise<boolean>;
};

/** Opens an empty book; `refresh` fills it. Listen on `PRICES_CHANNEL` to hear when there is more. */
export function openPriceBook(db: Pick<Transaction, "query">): PriceBook {
  const versions = new Map<string, readonly PriceVersion[]>();
  let last = "0";
  let reading: Promise<boolean> | undefined;
  const read = async (): Promise<boolean> => {
    const { rows } = await db.query<Row>(`select ${COLUMNS} from factotum.prices where id > $1 order by id`, [
      last,
    ]);
    for (const row of rows) {
      const { version, from, price } = keptOf(row);
      versions.set(row.model, [...(versions.get(row.model) ?? []), { version, from, price }]);
      last = row.id;
    }
    return rows.length > 0;
  };
  return {
    priced: (card) => {
      const stated = versions.get(card.id);
      return stated === undefined ? card : { ...card, price: withVersions(stated, card.price) };
    },
    refresh: () => {
      // One after the other, so that no row is taken twice.
      const next = (reading ?? Promise.resolve(false)).catch(() => false).then(read);
      reading = next;
      return next;
    },
  };
}

/** On which Postgres tells that a price was stated. */
export const PRICES_CHANNEL = "factotum_prices";

function withVersions(versions: readonly PriceVersion[], own: OwnPrice | undefined): OwnPrice {
  const otherwise = own?.kind === "versions" ? own.otherwise : own;
  return { kind: "versions", versions, ...(otherwise !== undefined && { otherwise }) };
}

const COLUMNS = `id, model, version, holds_from as "from", price, because, stated_by as by,
  known_at as "knownAt"`;

function keptOf({ model, version, from, price, because, by, knownAt }: Row): KeptPrice {
  return { model, version, from: from.toISOString(), price, because, by, knownAt };
}

function expectValid({ model, from, because, by }: NewPrice): void {
  const texts = [model, because, by];
  const isNamed = texts.every((text) => text !== "" && text.length <= TEXT_CHARS_MAX && !text.includes("\0"));
  if (isNamed && MODEL.test(model) && (from === undefined || !Number.isNaN(from.getTime()))) return;
  throw new InputError({
    code: "price-invalid",
    message:
      `a price of ${JSON.stringify(model.slice(0, TEXT_CHARS_MAX))} needs a model such as openai/gpt-5, ` +
      `a reason, a name, and an instant, each of ${TEXT_CHARS_MAX} characters at most`,
  });
}
