import { type BillLine, type TokenKind, tokenKinds } from "./bill.ts";
import { type BookedCall, inputOf } from "./booked-calls.ts";
import { noMoney, total, type Usd, usdOfPico } from "./money.ts";
import { rateAt } from "../ledger/index.ts";

/** What a bill and the ledger both speak of: one request, or one model's use in one span of time. */
export type Subject = {
  /** For people: the request's id, or the model and its time. */
  readonly name: string;
  readonly model: string | null;
  /** Without what was charged twice. */
  readonly lines: readonly BillLine[];
  readonly calls: readonly BookedCall[];
};

/** Amounts by the kinds of tokens that a bill tells apart. */
type ByKind<Value> = ReadonlyMap<TokenKind, Value>;

/** What the bill says of a subject. */
export type Theirs = {
  /** Null where it counts no tokens. */
  readonly tokens: ByKind<bigint> | null;
  /** Charges for one kind. */
  readonly amounts: ByKind<Usd>;
  /** Charges for all kinds together; null where there are none. */
  readonly whole: Usd | null;
};

/** What the ledger says of it, in the kinds that the bill tells apart. */
export type Ours = {
  readonly tokens: ByKind<bigint>;
  readonly costs: ByKind<Usd>;
  readonly perRequest: Usd;
};

/** Adds up the lines of a subject. */
export function theirsOf({ lines }: Subject): Theirs {
  const tokens = new Map<TokenKind, bigint>();
  const amounts = new Map<TokenKind, Usd>();
  const wholes: Usd[] = [];
  for (const line of lines) {
    for (const kind of tokenKinds) {
      const count = line.tokens[kind];
      if (count !== undefined) tokens.set(kind, (tokens.get(kind) ?? 0n) + count);
    }
    if (line.amount === null) continue;
    if (line.kind === null) wholes.push(line.amount);
    else amounts.set(line.kind, (amounts.get(line.kind) ?? noMoney).plus(line.amount));
  }
  const whole = wholes.length === 0 ? null : total(wholes);
  return { tokens: tokens.size === 0 ? null : tokens, amounts, whole };
}

/** Adds up calls; kinds that the bill does not tell apart are counted where it counts them. */
export function oursOf(calls: readonly BookedCall[], { tokens, amounts, whole }: Theirs): Ours {
  const told = new Set([...(tokens?.keys() ?? []), ...amounts.keys()]);
  const folded = (kind: TokenKind): TokenKind => {
    if (told.has(kind) || (told.size === 0 && whole !== null)) return kind;
    return kind === "reasoning" ? "output" : kind === "output" ? kind : "input";
  };
  const counts = new Map<TokenKind, bigint>();
  const costs = new Map<TokenKind, Usd>();
  for (const call of calls) {
    for (const kind of tokenKinds) {
      const as = folded(kind);
      counts.set(as, (counts.get(as) ?? 0n) + call.usage[kind]);
      costs.set(as, (costs.get(as) ?? noMoney).plus(call.costs[kind]));
    }
  }
  return { tokens: counts, costs, perRequest: total(calls.map((call) => call.perRequest)) };
}

/** The price of one more token of a kind, as the first of some calls was priced. */
export function priceOf(calls: readonly BookedCall[], kind: TokenKind): Usd {
  const [call] = calls;
  return call === undefined ? noMoney : usdOfPico(rateAt(call.rates[kind], inputOf(call.usage)));
}

/** A date that a provider adds to a model's name: `gpt-4o-2024-08-06`, `claude-sonnet-4-20250514`. */
const DATED = /[-@](\d{4}-\d{2}-\d{2}|\d{8}|latest)$/;

/** A model's name without the endpoint and without the date of its version. */
export function plainModel(name: string): string {
  return name.toLowerCase().replace(DATED, "");
}

/** How a provider may name one of our models: with or without what stands before the first slash. */
export function namesOf(model: string): readonly string[] {
  const short = model.slice(model.indexOf("/") + 1);
  return [plainModel(short), plainModel(model)];
}
