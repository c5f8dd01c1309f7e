import { InputError, type Usage } from "../kernel/index.ts";
import type { Usd } from "./money.ts";

/** The kinds of tokens that a bill may tell apart. */
export const tokenKinds = ["input", "cachedInput", "cacheWrite", "output", "reasoning"] as const;
/** One of them. */
export type TokenKind = (typeof tokenKinds)[number] & keyof Usage;

/** From an instant up to, but not at, another. */
export type BillSpan = { readonly from: Date; readonly to: Date };

/** One line of a provider's bill or usage report, whatever its format. */
export type BillLine = {
  /** Where it stands: `openai.csv:7`, counted from 1. */
  readonly at: string;
  /** The provider's own id of the request, or the id that we sent with it; null where lines are sums. */
  readonly id: string | null;
  /** When it was used: an instant or a bucket. Null where the bill does not say. */
  readonly span: BillSpan | null;
  /** As the provider names it; null for what is no model's, such as a search. */
  readonly model: string | null;
  /** The counts that it tells; a kind that it does not tell apart is absent. */
  readonly tokens: Partial<Readonly<Record<TokenKind, bigint>>>;
  /** The one kind that the amount pays for; null where it pays for all of the line. */
  readonly kind: TokenKind | null;
  /** What the provider charges, in US dollars, as it says; null in a usage report. */
  readonly amount: Usd | null;
  /** What the provider calls the line. */
  readonly words: string;
  /** The line as it came, in one text: the same text twice is the same charge twice. */
  readonly raw: string;
};

/** A file of a provider, read. */
export type Bill = {
  readonly name: string;
  readonly format: BillFormat;
  readonly lines: readonly BillLine[];
  /** The time it speaks of, also where nothing was used; empty where lines have no times. */
  readonly covers: readonly BillSpan[];
};

/** The formats that are read. */
export type BillFormat =
  | "openai-usage"
  | "openai-costs"
  | "anthropic-usage"
  | "anthropic-costs"
  | "json-lines"
  | "csv";

/** Refuses a bill, or a line of it. */
export function refuseBill(code: `bill-${string}`, message: string): InputError {
  return new InputError({ code, message });
}

/** A count of tokens as a bill writes it. @throws {InputError} `bill-number` */
export function countOf(value: unknown, at: string, field: string): bigint {
  const text = typeof value === "number" || typeof value === "string" ? String(value).trim() : "";
  if (/^\d{1,18}$/.test(text)) return BigInt(text);
  throw refuseBill("bill-number", `${at}: ${field} is ${JSON.stringify(value)}, which is no count of tokens`);
}
