import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { Accounts, Taken, Taking, Tariff } from "../calls/index.ts";
import { type CallId, type MicroUsd, microUsd } from "../kernel/index.ts";
import { noUsage, type Usage, type UsageBeside } from "../models/index.ts";
import { type AttemptEars, type AttemptEnd, send, type Underway } from "./attempt.ts";
import type { Breaker } from "./breaker.ts";
import { CHAT_SEARCH } from "./charges.ts";
import type { KeyRecord } from "./keys.ts";
import type { Label, Metered } from "./meter.ts";
import type { Paced, Paces, Pacing } from "./pace.ts";
import type { Attempt } from "./plan.ts";
import type { Refusal, Surface } from "./surfaces.ts";
import type { PhaseLimits, Upstreams } from "./upstreams.ts";
import { noTap, type UsageTap } from "./usage-tap.ts";

/** What legs are carried out with. */
export type LegParts = {
  readonly upstreams: Upstreams;
  readonly accounts: Accounts;
  readonly paces: Paces;
  readonly breaker: Breaker;
  /** Told of every attempt that is over. */
  record(metered: Metered, headers: IncomingHttpHeaders): void;
};

/** The call that a leg is part of. */
export type LegCall = {
  readonly id: CallId;
  readonly surface: Surface;
  readonly key: KeyRecord;
  readonly request: IncomingMessage;
  /** All that may be tried, in their order. */
  readonly plan: { readonly attempts: readonly Attempt[] };
  /** What the client calls the model. */
  readonly asked: string;
  readonly stream: boolean;
};

/** Who hears of a leg. */
export type LegEars = {
  /** @returns false where this answer is not to be passed on */
  head(leg: Leg, status: number, headers: IncomingHttpHeaders): boolean;
  /** @returns false where no more is wanted for now */
  piece(leg: Leg, chunk: Buffer): boolean;
  /** No piece follows: what has come is to be read now, as it is about to be booked. */
  ending(leg: Leg): void;
  /** It was sent, is over, and is booked. */
  over(leg: Leg, end: AttemptEnd): void;
  /** It was not sent: the key's limits forbid it, or, with null, nobody waits for it any more. */
  unsent(leg: Leg, refusal: Refusal | null): void;
};

/** Request headers that are the client's to say. Everything else stays here, above all its key. */
const PASSED_ON = ["accept", "anthropic-version", "anthropic-beta", "openai-beta", "user-agent"] as const;
const QUERY = /^\?[\w=&.,%-]{1,500}$/;

/** One attempt of a call, from what it may cost to what it came to: one row, one label. */
export class Leg implements AttemptEars {
  readonly attempt: Attempt;
  /** From 1, over all the legs of a call. */
  readonly number: number;
  readonly #parts: LegParts;
  readonly #call: LegCall;
  readonly #ears: LegEars;
  #pace: Paced | null = null;
  #taken: Taken | null = null;
  #underway: Underway | null = null;
  #tap: UsageTap = noTap;
  #begunAt = 0;
  /** Whether anything came since somebody looked, and when that was seen. */
  #heard = false;
  #heardAt = 0;
  #firstByteMs: number | null = null;
  #aborted = false;
  #amount: MicroUsd | null = microUsd(0);

  constructor(parts: LegParts, call: LegCall, attempt: Attempt, number: number, ears: LegEars) {
    this.#parts = parts;
    this.#call = call;
    this.attempt = attempt;
    this.number = number;
    this.#ears = ears;
  }

  /** What it came to, once it is over; null where no price is known. */
  get amount(): MicroUsd | null {
    return this.#amount;
  }

  /** Asks the key's limits, then its budget, then sends. */
  start(): void {
    const { key } = this.#call;
    if (key.requestsPerMinute === null && key.tokensPerMinute === null) {
      this.#askBudget();
      return;
    }
    const pacing = this.#parts.paces.take(key, this.number === 1 ? 1 : 0, this.attempt.paced);
    if (!(pacing instanceof Promise)) this.#paced(pacing);
    else pacing.then(this.#paced.bind(this), () => this.#ears.unsent(this, AWAY));
  }

  abort(kind: "timed-out" | "client-left" | "outraced"): void {
    this.#aborted = true;
    this.#underway?.abort(kind);
  }

  /** Gives it up where its provider is silent for too long; times are milliseconds of the process's clock. */
  look(now: number, { firstByteMs, silenceMs }: PhaseLimits): void {
    if (this.#underway === null) return;
    if (this.#heard) {
      this.#heard = false;
      this.#heardAt = now;
    }
    if (now - this.#heardAt > (this.#firstByteMs === null ? firstByteMs : silenceMs)) this.abort("timed-out");
  }

  /** Goes on after a client that took nothing, whose time is not the provider's. */
  resume(): void {
    this.#heard = true;
    this.#underway?.resume();
  }

  /** What reads the answer that has begun. */
  open(status: number): UsageTap {
    this.#tap = this.attempt.tap(status);
    return this.#tap;
  }

  #paced(pacing: Pacing): void {
    if (pacing.kind === "over") {
      const { what, limit, retryAfterS } = pacing;
      const message = `this key may use ${limit} ${what} a minute, and they are used up`;
      this.#ears.unsent(this, { status: 429, code: "rate_limit_exceeded", message, retryAfterS });
      return;
    }
    this.#pace = pacing;
    this.#askBudget();
  }

  #askBudget(): void {
    const { attempt } = this;
    const { id } = attempt.target.card;
    const payer = this.#parts.accounts.payer(this.#call.key.budget, id);
    if (this.#aborted) this.#withdraw(null);
    else if (payer === null) this.#send();
    else if (attempt.worst.kind === "unknown") {
      const { because } = attempt.worst;
      const message = `a budget must know the most that a call can cost, and for ${id} ${because}`;
      this.#withdraw({ status: 400, code: PRICE_UNKNOWN, message });
    } else if (attempt.worst.amount === 0n) this.#send();
    else if (payer.isThrifty && this.#hasCheaper(attempt.worst.amount)) {
      const message = `a budget is beyond its soft limit, and a cheaper model than ${id} was named`;
      this.#withdraw({ status: 402, code: BUDGET_EXHAUSTED, message });
    } else {
      const taking = payer.purse.take(attempt.worst.amount);
      if (!(taking instanceof Promise)) this.#paid(taking);
      else taking.then(this.#paid.bind(this), () => this.#withdraw(AWAY));
    }
  }

  /** Whether the caller named another model that costs less, and is still to be tried. */
  #hasCheaper(worst: bigint): boolean {
    const { attempts } = this.#call.plan;
    const later = attempts.slice(attempts.indexOf(this.attempt) + 1);
    return later.some((other) => other.worst.kind === "known" && other.worst.amount < worst);
  }

  #paid(taking: Taking): void {
    if (taking.kind === "full") {
      const message = "no room for the most that this call can cost in the budget of this key or model";
      this.#withdraw({ status: 402, code: BUDGET_EXHAUSTED, message });
      return;
    }
    this.#taken = taking;
    if (this.#aborted) this.#withdraw(null);
    else this.#send();
  }

  /** Gives everything back: nothing was sent. */
  #withdraw(refusal: Refusal | null): void {
    this.#taken?.settle(microUsd(0));
    this.#pace?.giveBack();
    this.#ears.unsent(this, refusal);
  }

  #send(): void {
    const { surface, request } = this.#call;
    const { target, body, path, translated } = this.attempt;
    const url = request.url ?? "";
    const query = this.attempt.query ?? queryOf(url, surface);
    const sign = target.speaking.wrapping?.sign;
    const headers = headersOf(this.attempt.headers, translated ? null : request.headers);
    if (sign !== undefined) addOwn(headers, sign({ origin: target.origin, path: path + query, body }), null);
    this.#begunAt = performance.now();
    this.#heardAt = this.#begunAt;
    this.#parts.breaker.sent(target.card.id);
    const pool = this.#parts.upstreams.pool(target.origin);
    this.#underway = send(pool, path + query, headers, body, this);
  }

  head(status: number, headers: IncomingHttpHeaders): boolean {
    this.#heard = true;
    this.#firstByteMs = performance.now() - this.#begunAt;
    return this.#ears.head(this, status, headers);
  }

  piece(chunk: Buffer): boolean {
    this.#heard = true;
    return this.#ears.piece(this, chunk);
  }

  end(end: AttemptEnd): void {
    this.#underway = null;
    this.#ears.ending(this);
    this.#account(end);
    this.#ears.over(this, end);
  }

  #account(end: AttemptEnd): void {
    const { target } = this.attempt;
    const { id, key, surface, asked, stream, request } = this.#call;
    const found = this.#cost(end);
    this.#amount = found.amount;
    this.#taken?.settle(found.amount ?? microUsd(0));
    this.#pace?.settle(tokensOf(found.usage));
    this.#parts.breaker.heard(target.card.id, end, this.#firstByteMs);
    const metered: Metered = {
      callId: id,
      try: this.number,
      key,
      surface: surface.name,
      asked,
      label: labelOf(end),
      model: target.card.id,
      status: end.kind === "not-sent" ? null : end.status,
      authoritative: found.authoritative,
      usage: found.usage,
      amount: found.amount,
      rates: found.rates,
      slice: this.#taken?.slice ?? null,
      firstByteMs: this.#firstByteMs,
      totalMs: performance.now() - this.#begunAt,
      stream,
    };
    this.#parts.record(metered, request.headers);
  }

  /** What the attempt came to: as counted, or else the most that it can have been. */
  #cost(end: AttemptEnd): Cost {
    const { tariff, inputMax, outputMax, worst, served } = this.attempt;
    const refused = end.kind === "declined" || end.kind === "not-sent" || (end.status ?? 0) >= 400;
    const { surface } = this.#call;
    if (refused || !surface.billed) return FREE;
    const seen = this.#tap.seen();
    if (seen?.complete === true || (seen !== null && end.kind === "answered")) {
      const searches = surface.protocol === "openai-chat" && served.uses.has(CHAT_SEARCH);
      const beside = searches ? searched(seen.beside) : seen.beside;
      return { authoritative: true, usage: seen.usage, ...charged(tariff, seen.usage, beside) };
    }
    // What tools of the provider's may have brought meanwhile is not counted yet.
    const known = seen !== null && served.uses.size === 0 ? seen : null;
    const usage = { ...(known?.usage ?? { ...noUsage, input: inputMax }), output: outputMax };
    if (known !== null) return { authoritative: false, usage, ...charged(tariff, usage, known.beside) };
    const amount = worst.kind === "known" ? worst.amount : null;
    return { authoritative: false, usage, amount, rates: tariff?.rates ?? null };
  }
}

type Cost = Charged & { readonly authoritative: boolean; readonly usage: Usage };
type Charged = { readonly amount: MicroUsd | null; readonly rates: Tariff["rates"] | null };
const BUDGET_EXHAUSTED = "budget_exhausted";
const PRICE_UNKNOWN = "price_unknown";
const FREE: Cost = { authoritative: true, usage: noUsage, amount: microUsd(0), rates: null };
const AWAY: Refusal = {
  ...{ status: 503, code: "ledger_away", retryAfterS: 1 },
  message: "the limits of this key cannot be asked now; try again",
};

/** Whether a refusal is of a model's price alone: the next of a call's list may fit. */
export function isOfModel(refusal: Refusal | null): boolean {
  return refusal?.code === BUDGET_EXHAUSTED || refusal?.code === PRICE_UNKNOWN;
}

function charged(tariff: Tariff | null, usage: Usage, beside: UsageBeside | undefined): Charged {
  return tariff?.charge(usage, beside) ?? { amount: null, rates: null };
}

/** A search that was asked for by a field is not counted in the answer. */
function searched(beside: UsageBeside = BESIDE_NOTHING): UsageBeside {
  return CHAT_SEARCH in beside.uses ? beside : { ...beside, uses: { ...beside.uses, [CHAT_SEARCH]: 1n } };
}

const BESIDE_NOTHING: UsageBeside = {
  ...{ tier: null, audioInput: 0n, audioOutput: 0n, longWrites: 0n, uses: {} },
};

/** Names and values in turn: ours, and what of the client's is the client's to say, which goes before. */
function headersOf(own: Own, said: IncomingHttpHeaders | null): string[] {
  // What is compressed cannot be read as it passes.
  const headers = ["content-type", "application/json", "accept-encoding", "identity"];
  if (said !== null) {
    for (const name of PASSED_ON) {
      const value = said[name];
      if (typeof value === "string") headers.push(name, value);
    }
  }
  addOwn(headers, own, said);
  return headers;
}

type Own = Readonly<Record<string, string>>;

function addOwn(headers: string[], own: Own, said: IncomingHttpHeaders | null): void {
  for (const name in own) {
    const there = name === "content-type" || (said !== null && isSaid(name, said));
    if (!there) headers.push(name, own[name] ?? "");
  }
}

function isSaid(name: string, said: IncomingHttpHeaders): boolean {
  return typeof said[name] === "string" && PASSED_ON.some((passed) => passed === name);
}

/** A client's own query, where it is a plain one. */
function queryOf(url: string, { path }: Surface): string {
  const from = path.length + "/v1".length;
  return url.length === from ? "" : (QUERY.exec(url.slice(from))?.[0] ?? "");
}

function labelOf(end: AttemptEnd): Label {
  if (end.kind === "answered") return end.status < 400 ? "answered" : "failed";
  return end.kind === "declined" ? "failed" : end.kind;
}

function tokensOf({ input, cachedInput, cacheWrite, output, reasoning }: Usage): number {
  return Number(input) + Number(cachedInput) + Number(cacheWrite) + Number(output) + Number(reasoning);
}
