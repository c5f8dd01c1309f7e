import type { IncomingHttpHeaders } from "node:http";
import type { AttemptEnd } from "./attempt.ts";
import { isOfModel, Leg, type LegCall, type LegEars, type LegParts } from "./leg.ts";
import { Outflow, type Sink } from "./outflow.ts";
import type { Attempt, Plan } from "./plan.ts";
import type { Receipt } from "./receipts.ts";
import { type Refusal, refusalBody, refusalEvent, restartEvent, type Surface } from "./surfaces.ts";
import { RefusedAnswer } from "./translate/rewrite.ts";
import type { PhaseLimits } from "./upstreams.ts";
import type { UsageTap } from "./usage-tap.ts";

/** What an exchange is carried out with. */
export type ExchangeParts = LegParts & { readonly limits: PhaseLimits };

/** A call as it was planned, and whose it is. */
export type Call = LegCall & {
  readonly plan: Extract<Plan, { kind: "call" }>;
  readonly response: Sink;
  /** Where the client gave an idempotency key. */
  readonly receipt: Receipt | null;
  /** Milliseconds of the process's own clock. */
  readonly startedAt: number;
  /** Called once, when all is over, with the leg whose answer has passed in full. */
  readonly over: (answer: Leg | null) => void;
};

/** Answer headers that are between the provider and us, or that say how its bytes were framed. */
const KEPT_BACK: ReadonlySet<string> = new Set([
  ...["connection", "keep-alive", "transfer-encoding", "upgrade", "trailer", "proxy-authenticate", "te"],
  ...["proxy-authorization", "set-cookie", "openai-organization", "openai-project", "alt-svc", "server"],
  "anthropic-organization-id",
]);
const TRY_AGAIN: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504, 529]);
/** The list of attempts is gone through so often again, where all of them failed. */
const RETRIES_MAX = 2;
/** A pause before that, doubled each time; a provider that asks for more than the most is passed on. */
const WAIT_MS_FIRST = 250;
const WAIT_MS_MAX = 2_000;

const NO_LEGS: readonly Leg[] = [];

/** One call: its attempts until one answers, and the answer passed on as it comes. */
export class Exchange implements LegEars {
  /** Among those under way. */
  place = 0;
  readonly #parts: ExchangeParts;
  readonly #call: Call;
  readonly #outflow: Outflow;
  /** Those under way: one as a rule. */
  #legs: readonly Leg[] = NO_LEGS;
  #winner: Leg | null = null;
  #next = 0;
  #tries = 0;
  #retries = 0;
  /** What a provider that refused asks us to wait. */
  #waitMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #blockedAt: number | null = null;
  #gone: "client-left" | "timed-out" | null = null;
  #restarting = false;
  #billed = 0n;
  #over = false;

  constructor(parts: ExchangeParts, call: Call) {
    this.#parts = parts;
    this.#call = call;
    this.#outflow = new Outflow(call.response, () => this.#block());
    call.response.on("close", () => this.#giveUp("client-left"));
  }

  /** Begins; everything after comes by itself. */
  start(): void {
    this.#go();
  }

  /** Gives up what takes too long: the call altogether, a client who does not take what there is, a leg. */
  look(now: number): void {
    const { limits } = this.#parts;
    if (now - this.#call.startedAt > limits.totalMs) this.#giveUp("timed-out");
    else if (this.#blockedAt === null) for (const leg of this.#legs) leg.look(now, limits);
    else if (now - this.#blockedAt > limits.silenceMs) this.#call.response.destroy();
  }

  /** Sends the next attempt of the list, beside those under way. */
  #go(): void {
    const { plan } = this.#call;
    const attempt = plan.attempts[this.#next];
    if (attempt === undefined) throw new RangeError("an exchange has run out of attempts");
    this.#next += 1;
    this.#tries += 1;
    const leg = new Leg(this.#parts, this.#call, attempt, this.#tries, this);
    this.#legs = this.#legs.length === 0 ? [leg] : [...this.#legs, leg];
    const { hedgeMs } = plan.wishes;
    if (hedgeMs !== null && this.#hasNext()) {
      this.#timer = setTimeout(() => {
        if (this.#winner === null && this.#gone === null && !this.#over && this.#hasNext()) this.#go();
      }, hedgeMs);
    }
    leg.start();
  }

  head(leg: Leg, status: number, headers: IncomingHttpHeaders): boolean {
    if (this.#winner !== null) return false;
    // A redirect is neither followed nor handed on: nobody is sent where the configuration does not say.
    if (status >= 300 && status < 400) return false;
    if (TRY_AGAIN.has(status) && this.#another(waitOf(headers["retry-after"]))) return false;
    if (this.#outflow.begun && status >= 400) return false;
    this.#winner = leg;
    clearTimeout(this.#timer);
    for (const other of this.#legs) if (other !== leg) other.abort("outraced");
    const tap = leg.open(status);
    if (this.#restarting) {
      this.#outflow.push(Buffer.from(restartEvent(this.#call.surface.protocol, leg.attempt.target.card.id)));
    } else this.#begin(status, headers, tap, leg.attempt.told);
    this.#outflow.through(tap);
    return true;
  }

  /** Whether somebody else may answer: an attempt under way, the next of the list, or the list once more. */
  #another(waitMs: number): boolean {
    if (this.#legs.length > 1 || this.#hasNext()) return true;
    this.#waitMs = Math.max(waitMs, this.#pauseMs());
    return this.#retries < RETRIES_MAX && waitMs <= WAIT_MS_MAX && !this.#outflow.begun;
  }

  #begin(status: number, headers: IncomingHttpHeaders, tap: UsageTap, told: Attempt["told"]): void {
    const { id, plan, receipt } = this.#call;
    const passed = ["x-factotum-call", id];
    for (const name in told) passed.push(name, told[name] ?? "");
    for (const name in tap.headers) passed.push(name, tap.headers[name] ?? "");
    // A client that names its call may ask again as soon as it has the answer, so its end comes from us.
    const sized = !tap.edits && receipt === null && headers["content-length"] !== undefined;
    for (const name in headers) {
      if (KEPT_BACK.has(name) || (name === "content-length" && !sized)) continue;
      if (tap.headers !== undefined && name in tap.headers) continue;
      const value = headers[name];
      if (typeof value === "string") passed.push(name, value);
      else if (value !== undefined) for (const one of value) passed.push(name, one);
    }
    this.#outflow.head(status, passed, sized, plan.stream && tap.waits !== true);
  }

  piece(_: Leg, chunk: Buffer): boolean {
    this.#outflow.push(chunk);
    return this.#blockedAt === null;
  }

  ending(leg: Leg): void {
    if (leg === this.#winner) this.#outflow.read();
  }

  over(leg: Leg, end: AttemptEnd): void {
    this.#leave(leg);
    this.#billed += leg.amount ?? 1n;
    if (leg === this.#winner) this.#answered(end);
    else if (this.#winner === null && this.#legs.length === 0) this.#failed(leg, end);
  }

  unsent(leg: Leg, refusal: Refusal | null): void {
    this.#leave(leg);
    if (this.#winner !== null || this.#legs.length > 0) return;
    if (this.#gone === "client-left" || (refusal === null && this.#gone === null)) this.#done(null);
    else if (this.#outflow.begun) this.#breakOff("cut");
    else if (isOfModel(refusal) && this.#gone === null && this.#hasNext()) this.#go();
    else this.#refuse(refusal ?? SLOW);
  }

  #answered(end: AttemptEnd): void {
    const { plan } = this.#call;
    if (end.kind === "answered") this.#done(() => this.#conclude(), end.status < 400);
    else if (end.kind === "client-left") this.#done(null);
    else if (plan.stream && plan.wishes.restart && this.#gone === null && this.#hasNext()) {
      this.#winner = null;
      this.#restarting = true;
      this.#go();
    } else this.#breakOff(end.kind);
  }

  #conclude(): void {
    try {
      this.#outflow.end();
    } catch (error) {
      if (!(error instanceof RefusedAnswer)) throw error;
      const { response, surface, id } = this.#call;
      refuse(response, surface, error.refusal, id);
    }
  }

  /** Nobody is under way any more, and nobody has answered. */
  #failed(leg: Leg, end: AttemptEnd): void {
    clearTimeout(this.#timer);
    if (this.#gone === "client-left") this.#done(null);
    else if (this.#gone === "timed-out") this.#refuse(SLOW);
    else if (this.#hasNext()) this.#go();
    else if (this.#outflow.begun) this.#breakOff(end.kind);
    else if (this.#retries < RETRIES_MAX && mayBeTried(end)) this.#wait();
    else this.#refuse(unanswered(leg.attempt.target.card.id, end));
  }

  #wait(): void {
    const pause = Math.max(this.#waitMs, this.#pauseMs());
    this.#waitMs = 0;
    this.#retries += 1;
    this.#next = 0;
    this.#timer = setTimeout(() => this.#go(), pause);
  }

  #pauseMs(): number {
    return WAIT_MS_FIRST * 2 ** this.#retries;
  }

  /** After the first bytes nothing can be taken back: a stream says so, anything else is cut off. */
  #breakOff(kind: AttemptEnd["kind"]): void {
    const { response, plan, surface, id } = this.#call;
    const message = "the provider broke its answer off; what came of it is incomplete";
    const refusal = { status: kind === "timed-out" ? 504 : 502, code: "upstream_broken", message };
    if (plan.stream) this.#done(() => this.#outflow.end(refusalEvent(surface.protocol, refusal, id)));
    else this.#done(() => response.destroy());
  }

  #refuse(refusal: Refusal): void {
    const { response, surface, id } = this.#call;
    this.#done(() => refuse(response, surface, refusal, id));
  }

  #giveUp(why: "client-left" | "timed-out"): void {
    if (this.#over || this.#gone !== null) return;
    this.#gone = why;
    clearTimeout(this.#timer);
    for (const leg of this.#legs) leg.abort(why);
    // Between two tries there is nobody who would tell.
    if (this.#legs.length > 0 || this.#winner !== null) return;
    if (why === "client-left") this.#done(null);
    else this.#refuse(SLOW);
  }

  #block(): void {
    if (this.#blockedAt !== null) return;
    this.#blockedAt = performance.now();
    this.#call.response.once("drain", () => {
      this.#blockedAt = null;
      this.#winner?.resume();
    });
  }

  /** Ends the call: first on its receipt, so that whoever asks again hears the truth, then for the client. */
  #done(last: (() => void) | null, answered = false): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    const { receipt, over } = this.#call;
    const answer = answered ? this.#winner : null;
    if (receipt === null) {
      last?.();
      over(answer);
      return;
    }
    receipt.end(answered || this.#billed > 0n ? (answered ? "answered" : "failed") : "unbilled", () => {
      last?.();
      over(answer);
    });
  }

  #leave(leg: Leg): void {
    this.#legs = this.#legs.length === 1 ? NO_LEGS : this.#legs.filter((other) => other !== leg);
  }

  #hasNext(): boolean {
    return this.#next < this.#call.plan.attempts.length;
  }
}

const SLOW: Refusal = { status: 504, code: "upstream_timeout", message: "no provider answered in time" };

/** Milliseconds that a provider asks us to wait, as seconds or a date; 0 where it says nothing. */
function waitOf(retryAfter: string | undefined): number {
  if (retryAfter === undefined) return 0;
  if (/^\d{1,6}(?:\.\d+)?$/.test(retryAfter)) return Number(retryAfter) * 1000;
  // A date needs a clock that both agree on; whoever sends one means longer than we wait.
  return Infinity;
}

/** Whether the same may go well a moment later. */
function mayBeTried(end: AttemptEnd): boolean {
  return end.kind !== "timed-out" && !(end.kind === "not-sent" && end.forbidden);
}

function unanswered(id: string, end: AttemptEnd): Refusal {
  if (end.kind === "not-sent" && end.forbidden) {
    const message = `${id} is at an address where this gateway never goes; its operator reads in the log why`;
    return { status: 502, code: "upstream_forbidden", message };
  }
  return end.kind === "timed-out"
    ? { status: 504, code: "upstream_timeout", message: `${id} did not answer in time` }
    : { status: 502, code: "upstream_unreachable", message: `${id} cannot be reached, or broke off` };
}

/** Answers with a refusal, in the protocol's own form. */
export function refuse(
  response: Sink,
  surface: Surface,
  refusal: Refusal,
  id: string,
  more: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent || response.destroyed) return;
  const body = refusalBody(surface.protocol, refusal, id);
  response.writeHead(refusal.status, {
    ...{ "content-type": "application/json", "content-length": Buffer.byteLength(body) },
    "x-factotum-call": id,
    ...(refusal.retryAfterS !== undefined && { "retry-after": String(refusal.retryAfterS) }),
    ...more,
  });
  response.end(body);
}
