import { type BillLine, type BillSpan, countOf, refuseBill, type TokenKind } from "./bill.ts";
import { type Usd, usd } from "./money.ts";

/** A record of a bill: a row of CSV with its header's names in small letters, or a JSON object. */
export type Fields = Readonly<Record<string, unknown>>;

const DAY_MS = 86_400_000;
const HUNDRED = 100;
const AMOUNT = /^-?\d{1,20}(\.\d{1,40})?(e[+-]?\d{1,2})?$/i;
const CURRENCY_SIGN = /^(-?)\s*(?:US)?\$\s*/;

/** What each field is called in the exports that are known. The first name that is there counts. */
const NAMES = {
  id: ["id", "request_id", "generation_id", "response_id", "call_id", "idempotency_key"],
  from: ["start_time_iso", "start_time", "starting_at", "usage_date_utc", "created_at", "timestamp", "date"],
  to: ["end_time_iso", "end_time", "ending_at"],
  model: ["model", "model_version", "model_permaslug"],
  words: ["line_item", "description", "usage_type", "cost_type"],
  kind: ["token_type"],
  amount: ["amount_value", "amount", "cost_usd", "cost", "total_cost"],
  cents: ["amount_cents"],
  currency: ["amount_currency", "currency"],
} as const;

/** Counts that have nothing else in them. */
const APART: Readonly<Record<string, TokenKind>> = {
  uncached_input_tokens: "input",
  usage_input_tokens_no_cache: "input",
  cache_read_input_tokens: "cachedInput",
  usage_input_tokens_cache_read: "cachedInput",
  cache_creation_input_tokens: "cacheWrite",
  cache_write_tokens: "cacheWrite",
  usage_input_tokens_cache_write_5m: "cacheWrite",
  usage_input_tokens_cache_write_1h: "cacheWrite",
  usage_output_tokens: "output",
};
/** Counts of all input and all output, with their parts. */
const WHOLE = {
  input: ["input_tokens", "prompt_tokens", "tokens_prompt"],
  cachedInput: ["input_cached_tokens", "cached_input_tokens", "cached_tokens"],
  output: ["output_tokens", "completion_tokens", "tokens_completion"],
  reasoning: ["reasoning_tokens", "output_reasoning_tokens"],
} as const;
const KIND_WORDS: readonly (readonly [RegExp, TokenKind])[] = [
  [/uncached|no[ _-]cache/, "input"],
  [/cache[ _-]?(read|hit)|cached[ _-]?input|input[ _-]?cached/, "cachedInput"],
  [/cache[ _-]?(write|creation)/, "cacheWrite"],
  [/reasoning/, "reasoning"],
  [/output|completion/, "output"],
  [/input|prompt/, "input"],
];

/** Reads one record. @throws {InputError} `bill-number`, `bill-time`, `bill-currency` */
export function lineOf(fields: Fields, at: string, span: BillSpan | null = null): BillLine {
  const words = textOf(fields, NAMES.words) ?? "";
  const told = textOf(fields, NAMES.kind);
  const [named, rest] = splitItem(words);
  const model = textOf(fields, NAMES.model) ?? named;
  const amount = amountOf(fields, at);
  const kindWords = told ?? rest;
  const kind = amount === null || kindWords === null ? null : kindOf(kindWords);
  return {
    ...{ at, model, amount, words, kind },
    id: textOf(fields, NAMES.id),
    span: span ?? spanOf(fields, at),
    tokens: tokensOf(fields, at),
    raw: JSON.stringify([span?.from ?? null, fields]),
  };
}

/** `gpt-4o-2024-08-06, input` is a model and a kind. */
function splitItem(words: string): readonly [string | null, string | null] {
  const comma = words.lastIndexOf(", ");
  return comma < 0 ? [null, null] : [words.slice(0, comma), words.slice(comma + 2)];
}

function kindOf(words: string): TokenKind | null {
  return KIND_WORDS.find(([pattern]) => pattern.test(words.toLowerCase()))?.[1] ?? null;
}

function tokensOf(fields: Fields, at: string): Partial<Record<TokenKind, bigint>> {
  const found: Partial<Record<TokenKind, bigint>> = {};
  for (const [name, kind] of Object.entries(APART)) {
    const value = fields[name];
    if (isSaid(value)) found[kind] = (found[kind] ?? 0n) + countOf(value, at, name);
  }
  // Beside counts that stand apart, such as Anthropic's, input_tokens has no cached ones in it.
  const apart = Object.keys(found).length > 0;
  const whole = (names: readonly string[]): bigint | null => {
    const name = names.find((one) => isSaid(fields[one]));
    return name === undefined ? null : countOf(fields[name], at, name);
  };
  const [input, cached] = [whole(WHOLE.input), whole(WHOLE.cachedInput)];
  const [output, reasoning] = [whole(WHOLE.output), whole(WHOLE.reasoning)];
  if (cached !== null) found.cachedInput = cached;
  if (input !== null) found.input = apart ? input : less(input, cached, at);
  if (reasoning !== null) found.reasoning = reasoning;
  if (output !== null) found.output = less(output, reasoning, at);
  return found;
}

function less(whole: bigint, part: bigint | null, at: string): bigint {
  const rest = whole - (part ?? 0n);
  if (rest >= 0n) return rest;
  throw refuseBill("bill-number", `${at}: ${part} tokens cannot be part of ${whole}`);
}

function amountOf(fields: Fields, at: string): Usd | null {
  const nested = fields["amount"];
  if (typeof nested === "object" && nested !== null) {
    const { value, currency } = nested as { value?: unknown; currency?: unknown };
    return amountOf({ cost: value, ...(currency !== undefined && { currency }) }, at);
  }
  const cents = NAMES.cents.find((name) => isSaid(fields[name]));
  const name = cents ?? NAMES.amount.find((one) => isSaid(fields[one]));
  if (name === undefined) return null;
  const currency = textOf(fields, NAMES.currency);
  if (currency !== null && currency.toUpperCase() !== "USD") {
    throw refuseBill(
      "bill-currency",
      `${at} is in ${currency}, and the ledger in USD: ask for a bill in USD, or convert it first`,
    );
  }
  const text = String(fields[name]).trim().replace(CURRENCY_SIGN, "$1").replaceAll(",", "");
  if (!AMOUNT.test(text)) {
    throw refuseBill("bill-number", `${at}: ${name} is ${JSON.stringify(fields[name])}, which is no amount`);
  }
  return cents === undefined ? usd(text) : usd(text).div(HUNDRED);
}

function spanOf(fields: Fields, at: string): BillSpan | null {
  const from = timeOf(fields, NAMES.from, at);
  if (from === null) return null;
  const to = timeOf(fields, NAMES.to, at);
  if (to !== null && to.at <= from.at) {
    throw refuseBill("bill-time", `${at} ends at ${to.at.toISOString()}, before it begins`);
  }
  const end = to?.at ?? new Date(from.at.getTime() + (from.wholeDay ? DAY_MS : 1));
  return { from: from.at, to: end };
}

/** Times in bills are UTC: a date is that day of UTC, a whole number seconds since 1970. */
function timeOf(
  fields: Fields,
  names: readonly string[],
  at: string,
): { readonly at: Date; readonly wholeDay: boolean } | null {
  const name = names.find((one) => isSaid(fields[one]));
  if (name === undefined) return null;
  const text = String(fields[name]).trim();
  const wholeDay = /^\d{4}-\d{2}-\d{2}$/.test(text);
  const zoned = /(z|[+-]\d{2}:?\d{2})$/i.test(text) || wholeDay;
  const time = /^\d{9,11}$/.test(text)
    ? new Date(Number(text) * 1000)
    : new Date(zoned ? text : `${text.replace(" ", "T")}Z`);
  // A day that no month has, such as 30 February, would silently become another.
  const shifted = wholeDay && !Number.isNaN(time.getTime()) && !time.toISOString().startsWith(text);
  if (!Number.isNaN(time.getTime()) && !shifted) return { at: time, wholeDay };
  throw refuseBill("bill-time", `${at}: ${name} is ${JSON.stringify(text)}, which is no time`);
}

function textOf(fields: Fields, names: readonly string[]): string | null {
  const name = names.find((one) => isSaid(fields[one]));
  return name === undefined ? null : String(fields[name]).trim();
}

function isSaid(value: unknown): boolean {
  return (typeof value === "string" && value.trim() !== "") || typeof value === "number";
}
