import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Accounts, Taken, Taking } from "../calls/index.ts";
import { type CallId, type MicroUsd, microUsd } from "../kernel/index.ts";
import { noUsage, type Usage } from "../models/index.ts";
import { type AttemptEnd, send, type Underway } from "./attempt.ts";
import type { Breaker } from "./breaker.ts";
import type { KeyRecord } from "./keys.ts";
import type { Label, Meter } from "./meter.ts";
import type { Attempt, Plan } from "./plan.ts";
import { type Refusal, refusalBody, refusalEvent, type Surface } from "./surfaces.ts";
import type { Upstreams } from "./upstreams.ts";
import { noTap, type UsageTap } from "./usage-tap.ts";

/** What an exchange is carried out with. */
export type ExchangeParts = {
  readonly upstreams: Upstreams;
  readonly accounts: Accounts;
  readonly meter: Meter;
  readonly breaker: Breaker;
};

/** A call as it was planned, and whose it is. */
export type Call = {
  readonly id: CallId;
  readonly surface: Surface;
  readonly key: KeyRecord;
  readonly plan: Extract<Plan, { kind: "call" }>;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Milliseconds of the process's own clock. */
  readonly startedAt: number;
  /** Called once, when all is over. */
  readonly over: () => void;
};

/** Request headers that are the client's to say. Everything else stays here, above all its key. */
const PASSED_ON = ["accept", "anthropic-version", "anthropic-beta", "openai-beta", "user-agent"] as const;
/** Answer headers that are between the provider and us. */
const KEPT_BACK: ReadonlySet<string> = new Set([
  ...["connection", "keep-alive", "transfer-encoding", "upgrade", "trailer", "proxy-authenticate", "te"],
  ...[
    "set-cookie",
    "openai-organization",
    "openai-project",
    "anthropic-organization-id",
    "alt-svc",
    "server",
  ],
]);
const TRY_AGAIN: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504, 529]);
const QUERY = /^\?[\w=&.,%-]{1,500}$/;

/** One call: its attempts one after the other until one answers, and the answer passed on as it comes. */
export class Exchange {
  readonly #parts: ExchangeParts;
  readonly #call: Call;
  #at = 0;
  #taken: Taken | null = null;
  #underway: Underway | null = null;
  #tap: UsageTap = noTap;
  #begunAt = 0;
  #firstByteMs: number | null = null;
  #left = false;
  #over = false;

  constructor(parts: ExchangeParts, call: Call) {
    this.#parts = parts;
    this.#call = call;
    call.response.on("close", () => this.#closed());
    call.response.on("drain", () => this.#underway?.resume());
  }

  /** Begins; everything after comes by itself. */
  start(): void {
    this.#try();
  }

  /** Gives the call up because it took too long altogether. */
  expire(): void {
    this.#underway?.abort("timed-out");
  }

  get startedAt(): number {
    return this.#call.startedAt;
  }

  #try(): void {
    const attempt = this.#attempt();
    if (this.#left) {
      this.#done();
      return;
    }
    const { budget } = this.#call.key;
    if (budget === null || attempt.worst === 0n) {
      this.#send(attempt);
      return;
    }
    if (attempt.worst === null) {
      const message = `${attempt.target.card.id} has no known price, which a key with a budget needs`;
      this.#refuse({ status: 400, code: "price_unknown", message });
      return;
    }
    const taking = this.#parts.accounts.purse(budget).take(attempt.worst);
    if (!(taking instanceof Promise)) {
      this.#paid(attempt, taking);
      return;
    }
    taking.then(
      (found) => this.#paid(attempt, found),
      () => this.#refuse({ ...AWAY, retryAfterS: 1 }),
    );
  }

  #paid(attempt: Attempt, taking: Taking): void {
    if (taking.kind === "full") {
      const message = "the budget of this key has no room for the most that this call can cost";
      this.#refuse({ status: 402, code: "budget_exhausted", message });
      return;
    }
    this.#taken = taking;
    if (this.#left) {
      taking.settle(microUsd(0));
      this.#done();
    } else this.#send(attempt);
  }

  #send(attempt: Attempt): void {
    const { surface, request } = this.#call;
    const { target, body } = attempt;
    const url = request.url ?? "";
    const query = QUERY.exec(url.slice(surface.path.length + 3))?.[0] ?? "";
    this.#begunAt = performance.now();
    this.#firstByteMs = null;
    this.#tap = noTap;
    const headers: Record<string, string> = {
      "content-type": "application/json",
      // What is compressed cannot be read as it passes.
      "accept-encoding": "identity",
      ...target.headers,
    };
    for (const name of PASSED_ON) {
      const value = request.headers[name];
      if (typeof value === "string") headers[name] = value;
    }
    this.#parts.breaker.sent(target.card.id);
    this.#underway = send(
      this.#parts.upstreams.pool(target.origin),
      { path: attempt.path + query, headers, body },
      {
        head: (status, answered) => this.#head(status, answered),
        piece: (chunk) => this.#piece(chunk),
        end: (end) => this.#ended(attempt, end),
      },
    );
  }

  #head(status: number, headers: IncomingHttpHeaders): boolean {
    this.#firstByteMs = performance.now() - this.#begunAt;
    if (TRY_AGAIN.has(status) && this.#hasNext()) return false;
    const { response, id, plan } = this.#call;
    const passed: OutgoingHttpHeaders = { "x-factotum-call": id };
    for (const name in headers) {
      if (!KEPT_BACK.has(name)) passed[name] = headers[name];
    }
    this.#tap = this.#attempt().tap(status);
    if (this.#tap.edits) delete passed["content-length"];
    response.writeHead(status, passed);
    if (plan.stream) response.flushHeaders();
    return true;
  }

  #piece(chunk: Buffer): boolean {
    const passed = this.#tap.push(chunk);
    return passed === null || this.#call.response.write(passed);
  }

  #ended(attempt: Attempt, end: AttemptEnd): void {
    this.#underway = null;
    this.#account(attempt, end);
    const { response } = this.#call;
    if (end.kind === "answered") {
      const rest = this.#tap.rest();
      if (rest === null) response.end();
      else response.end(rest);
      this.#done();
    } else if (end.kind === "client-left") this.#done();
    else if (response.headersSent) this.#breakOff(end.kind);
    else if (this.#hasNext()) {
      this.#at += 1;
      this.#try();
    } else this.#refuse(unanswered(attempt, end));
  }

  /** Books the attempt: one row, one label. */
  #account(attempt: Attempt, end: AttemptEnd): void {
    const { target } = attempt;
    const { id, key, surface, plan } = this.#call;
    const label = labelOf(end);
    const found = this.#cost(attempt, end);
    this.#taken?.settle(found.amount ?? microUsd(0));
    this.#parts.breaker.heard(target.card.id, end, this.#firstByteMs);
    this.#parts.meter.record({
      ...{ callId: id, try: this.#at + 1, key, surface: surface.name, asked: plan.model, label },
      ...{ model: target.card.id, status: end.kind === "not-sent" ? null : end.status },
      ...{ ...found, tariff: target.tariff, slice: this.#taken?.slice ?? null },
      firstByteMs: this.#firstByteMs === null ? null : Math.round(this.#firstByteMs),
      totalMs: Math.round(performance.now() - this.#begunAt),
    });
    this.#taken = null;
  }

  /** What the attempt came to: as counted, or else the most that it can have been. */
  #cost(attempt: Attempt, end: AttemptEnd): Cost {
    const { tariff } = attempt.target;
    const refused = end.kind === "declined" || end.kind === "not-sent" || (end.status ?? 0) >= 400;
    if (refused || !this.#call.surface.billed) return FREE;
    const seen = this.#tap.seen();
    if (seen?.complete === true || (seen !== null && end.kind === "answered")) {
      return { authoritative: true, usage: seen.usage, amount: tariff?.cost(seen.usage) ?? null };
    }
    const input = seen === null ? { ...noUsage, input: attempt.inputMax } : seen.usage;
    const usage = { ...input, output: attempt.outputMax };
    const most = seen === null ? attempt.worst : (tariff?.cost(usage) ?? null);
    return { authoritative: false, usage, amount: most };
  }

  /** After the first bytes nothing can be taken back: a stream says so, anything else is cut off. */
  #breakOff(kind: AttemptEnd["kind"]): void {
    const { response, plan, surface, id } = this.#call;
    const message = "the provider broke its answer off; what came of it is incomplete";
    const refusal = { status: kind === "timed-out" ? 504 : 502, code: "upstream_broken", message };
    if (plan.stream) response.end(refusalEvent(surface.protocol, refusal, id));
    else response.destroy();
    this.#done();
  }

  #refuse(refusal: Refusal): void {
    const { response, surface, id } = this.#call;
    refuse(response, surface, refusal, id);
    this.#done();
  }

  #closed(): void {
    if (this.#over) return;
    this.#left = true;
    this.#underway?.abort("client-left");
  }

  #done(): void {
    if (this.#over) return;
    this.#over = true;
    this.#call.over();
  }

  #hasNext(): boolean {
    return this.#at + 1 < this.#call.plan.attempts.length;
  }

  #attempt(): Attempt {
    const attempt = this.#call.plan.attempts[this.#at];
    if (attempt === undefined) throw new RangeError("an exchange has run out of attempts");
    return attempt;
  }
}

type Cost = { readonly authoritative: boolean; readonly usage: Usage; readonly amount: MicroUsd | null };
const FREE: Cost = { authoritative: true, usage: noUsage, amount: microUsd(0) };
const AWAY: Refusal = {
  status: 503,
  code: "ledger_away",
  message: "the budget cannot be asked now; try again",
};

function labelOf(end: AttemptEnd): Label {
  if (end.kind === "answered") return end.status < 400 ? "answered" : "failed";
  return end.kind === "declined" ? "failed" : end.kind;
}

function unanswered({ target }: Attempt, end: AttemptEnd): Refusal {
  const id = target.card.id;
  return end.kind === "timed-out"
    ? { status: 504, code: "upstream_timeout", message: `${id} did not answer in time` }
    : { status: 502, code: "upstream_unreachable", message: `${id} cannot be reached, or broke off` };
}

/** Answers with a refusal, in the protocol's own form. */
export function refuse(response: ServerResponse, surface: Surface, refusal: Refusal, id: string): void {
  if (response.headersSent || response.destroyed) return;
  const body = refusalBody(surface.protocol, refusal, id);
  response.writeHead(refusal.status, {
    ...{ "content-type": "application/json", "content-length": Buffer.byteLength(body) },
    "x-factotum-call": id,
    ...(refusal.retryAfterS !== undefined && { "retry-after": String(refusal.retryAfterS) }),
  });
  response.end(body);
}
