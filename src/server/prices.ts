import { InputError } from "../kernel/index.ts";
import {
  type KeptPrice,
  listPrices,
  type NewPrice,
  openPriceBook,
  type PriceBook,
  PRICES_CHANNEL,
  type Rates,
  ratesOf,
  statePrice,
} from "../ledger/index.ts";
import { datedPricesOf, type ModelCard, type Models, parsePrices } from "../models/index.ts";
import { type Database, listenTo } from "../postgres/index.ts";

/** What a model costs now, and where that was read. */
export type PriceLine = {
  readonly model: string;
  /** Null where no price is known, or nothing of that name is configured here. */
  readonly rates: Rates | null;
  /** Why there is no price. */
  readonly because: string | null;
};

/** Prices to be stated, by model, as a file of them reads; null takes back what was stated. */
export type PriceList = {
  readonly prices: unknown;
  /** When those begin that say nothing of it: now, unless told. */
  readonly from?: Date;
  readonly because: string;
  readonly by: string;
};

/** A company's own prices, at work in every process from the next model call on. */
export type PricesDoor = {
  /** What every configured model costs now. */
  list(): Promise<readonly PriceLine[]>;
  /** All that was ever stated at run time, of one model or of all. */
  history(model?: string): Promise<readonly KeptPrice[]>;
  /**
   * States prices; what is booked stays as it is. All of a list, or none.
   *
   * @returns a version for each; the last one where it says the same
   * @throws {InputError} `prices-invalid`, `price-invalid`
   */
  state(list: PriceList): Promise<readonly KeptPrice[]>;
  /** Which of these models no configuration here has: perhaps misspelt, or another process's. */
  unknown(models: readonly string[]): readonly string[];
};

/** Makes the door. @param cards as the configuration and the environment have them */
export function makePricesDoor(db: Database, cards: readonly ModelCard[]): PricesDoor {
  return {
    list: async () => {
      const book = openPriceBook(db);
      await book.refresh();
      const { rows } = await db.query<{ at: Date }>("select factotum.now() as at");
      return cards.map((card) => lineOf(book.priced(card), rows[0]?.at ?? new Date(0)));
    },
    history: (model) => listPrices(db, model),
    state: (list) =>
      db.transaction(async (tx) => {
        const kept: KeptPrice[] = [];
        for (const one of wanted(list)) kept.push(await statePrice(tx, one));
        return kept;
      }),
    unknown: (models) => models.filter((model) => cards.every(({ id }) => id !== model)),
  };
}

function lineOf(card: ModelCard, at: Date): PriceLine {
  const found = ratesOf(card, at);
  return found.kind === "known"
    ? { model: card.id, rates: found.rates, because: null }
    : { model: card.id, rates: null, because: found.because };
}

function wanted({ prices, from, because, by }: PriceList): readonly NewPrice[] {
  const given = typeof prices === "object" && prices !== null ? Object.entries(prices) : [];
  const takenBack = given.flatMap(([model, price]) => (price === null ? [model] : []));
  const rest = Object.fromEntries(given.filter(([, price]) => price !== null));
  const parsed = parsePrices(given.length === 0 ? prices : rest);
  if (parsed.size + takenBack.length === 0) {
    const message = 'no price is stated; write {"openai/gpt-5": {"inputUsdPerMtok": "0.90", …}}';
    throw new InputError({ code: "prices-invalid", message });
  }
  const said = { because, by };
  const begins = (own: string | null): { readonly from?: Date } =>
    own !== null ? { from: new Date(own) } : from === undefined ? {} : { from };
  return [
    ...takenBack.map((model) => ({ model, price: null, ...begins(null), ...said })),
    ...[...parsed].flatMap(([model, one]) =>
      datedPricesOf(one).map(({ from: own, price }) => ({ model, price, ...begins(own), ...said })),
    ),
  ];
}

/** Models whose cards carry what was stated at run time, as far as the book knows it. */
export function pricedModels(models: Models, book: PriceBook): Models {
  return {
    card: (id) => book.priced(models.card(id)),
    list: () => models.list().map((card) => book.priced(card)),
    call: (call, options) => models.call(call, options),
  };
}

/** In case a notification was lost with its connection. */
const REFRESH_MS = 5_000;

/** Who hears of prices. */
type PriceEars = {
  /** Something was stated. */
  readonly changed: () => void;
  /** Done with each look, such as reading the clock that prices hold by. */
  readonly beside: () => Promise<void>;
  readonly say: (line: string) => void;
};

/** Keeps a book up to date, and tells whenever something was stated, until it is closed. */
export function followPrices(
  db: Database,
  book: PriceBook,
  { changed, beside, say }: PriceEars,
): { close(): Promise<void> } {
  const stopping = new AbortController();
  let failed = false;
  const readAnew = async (): Promise<void> => {
    try {
      await beside();
      const isNew = await book.refresh();
      failed = false;
      if (isNew && !stopping.signal.aborted) changed();
    } catch (error) {
      if (!failed) say(`prices could not be read, and those known last hold: ${String(error)}`);
      failed = true;
    }
  };
  let reading: Promise<void> = Promise.resolve();
  const look = (): void => {
    reading = reading.then(readAnew);
  };
  const timer = setInterval(look, REFRESH_MS);
  timer.unref();
  const ears = listenTo(db, PRICES_CHANNEL, look, stopping.signal);
  return {
    async close() {
      clearInterval(timer);
      stopping.abort();
      await ears;
      await reading;
    },
  };
}
