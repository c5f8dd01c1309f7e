import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { CallId, Clock } from "../kernel/index.ts";
import type { Database } from "../postgres/index.ts";
import type { Answers } from "./answers.ts";
import type { Desk } from "./batches/desk.ts";
import { Exchange, type ExchangeParts, refuse } from "./exchange.ts";
import { keepingOf } from "./keeping.ts";
import type { KeyRing } from "./key-ring.ts";
import type { KeyRecord } from "./keys.ts";
import { listModels } from "./list-models.ts";
import type { Leg } from "./leg.ts";
import type { Meter } from "./meter.ts";
import type { Sink } from "./outflow.ts";
import { noWishes, type Plan, plan, type Snapshot, type Wishes } from "./plan.ts";
import { claim, type Claim, type FirstCall, IDEMPOTENCY_CHARS_MAX, type Receipt } from "./receipts.ts";
import { type Refusal, type Surface, surfaces } from "./surfaces.ts";
import type { UnderWay } from "./under-way.ts";

const BODY_BYTES_MAX = 32 * 1024 * 1024;

/** What requests are answered with. */
export type Serving = {
  readonly db: Database;
  readonly clock: Clock;
  /** What prices hold by. */
  readonly priceClock: Clock;
  readonly say: (line: string) => void;
  /** What holds now: a call takes it once, and goes by it to its end. */
  readonly now: { snapshot: Snapshot };
  readonly ring: KeyRing;
  readonly parts: ExchangeParts;
  readonly meter: Meter;
  readonly live: UnderWay<Exchange>;
  readonly answers: Answers;
  readonly nonce: string;
  /** What is at `/v1/files` and `/v1/batches`; null for calls that come from there. */
  readonly desk: Desk | null;
};

/** Answers requests: finds the key, reads the body, plans, and leaves the rest to an exchange. */
export function makeServe(serving: Serving): RequestListener {
  const { db, clock, priceClock, say, now, ring, parts, meter, live, answers, nonce, desk } = serving;
  let calls = 0;
  const nextId = (): CallId => {
    calls += 1;
    return `gw-${nonce}-${calls.toString(36)}` as CallId;
  };
  const exchange = makeStart(parts, live);
  const begin = (asked: Arrived, body: Buffer, receipt: Receipt | null): void => {
    const { id, surface, key, request, response } = asked;
    const [at, pricedAt] = [secondsOf(clock), secondsOf(priceClock)];
    const planned = plan({ surface, body, key, id, at, pricedAt, wishes: wishesOf(request) }, now.snapshot);
    const refused = (refusal: Refusal): void => {
      const told = (): void => refuse(response, surface, refusal, id);
      if (receipt === null) told();
      else receipt.end("unbilled", told);
    };
    if (planned.kind === "refused") {
      refused(planned.refusal);
      return;
    }
    const keeping = keepingOf(request.headers, key, surface, body);
    if (keeping.kind === "refused") refused(keeping.refusal);
    else if (keeping.kind === "no" || receipt !== null) exchange(asked, planned, receipt, response);
    else {
      answers.answer({ ...asked, body, plan: planned, seconds: keeping.seconds }, (sink, over) =>
        exchange(asked, planned, null, sink, over),
      );
    }
  };
  /** A client that names its call is told of the first one by that name, instead of making a second. */
  const beginOnce = (asked: Arrived, body: Buffer, name: string): void => {
    const { id, key, surface, response } = asked;
    const claimed = (found: Claim): void => {
      if (found.kind === "claimed") begin(asked, body, found.receipt);
      else refuse(response, surface, duplicateOf(found.first), id, { "x-should-retry": "false" });
    };
    claim(db, key, id, name, say).then(claimed, () => refuse(response, surface, BEHIND, id));
  };
  return (request, response) => {
    const path = pathOf(request);
    if (path === "/healthz") return void response.end("ok");
    const id = nextId();
    const surface = surfaces.get(path) ?? ELSEWHERE;
    const turnAway = (refusal: Refusal): void => {
      refuse(response, surface, refusal, id);
      request.resume();
    };
    const key = ring.find(secretOf(request), clock.now().getTime(), request.socket);
    if (key === null) turnAway(NO_KEY);
    else if (surface === ELSEWHERE && request.method === "GET" && path.startsWith("/v1/models")) {
      listModels(request, response, path, key, now.snapshot.targets);
    } else if (surface === ELSEWHERE && desk?.serves(path) === true) {
      desk.answer(request, response, key, id);
    } else if (surface === ELSEWHERE || request.method !== "POST") turnAway(NOWHERE);
    else if (meter.behind) turnAway(BEHIND);
    else if (request.headers["content-encoding"] !== undefined) turnAway(ENCODED);
    else {
      const name = request.headers["idempotency-key"];
      readBody(request, (body) => {
        const asked = { id, surface, key, request, response };
        if (body === null) turnAway(TOO_LARGE);
        else if (name === undefined) begin(asked, body, null);
        else if (typeof name === "string" && name !== "" && name.length <= IDEMPOTENCY_CHARS_MAX) {
          beginOnce(asked, body, name);
        } else turnAway(NO_NAME);
      });
    }
  };
}

function secondsOf(clock: Clock): number {
  return Math.floor(clock.now().getTime() / 1000);
}

/** Begins exchanges; those under way are in `live`. */
function makeStart(parts: ExchangeParts, live: UnderWay<Exchange>) {
  return (asked: Arrived, planned: Planned, receipt: Receipt | null, sink: Sink, over?: Over): void => {
    // Here and on the way of every call objects are written out: spreading one into another takes longer.
    const exchange: Exchange = new Exchange(parts, {
      id: asked.id,
      surface: asked.surface,
      key: asked.key,
      request: asked.request,
      response: sink,
      receipt,
      startedAt: performance.now(),
      plan: planned,
      asked: planned.model,
      stream: planned.stream,
      over(answer) {
        live.delete(exchange);
        over?.(answer);
      },
    });
    live.add(exchange);
    exchange.start();
  };
}

type Planned = Extract<Plan, { kind: "call" }>;
type Over = (answer: Leg | null) => void;

/** A call before it is planned. */
type Arrived = {
  readonly id: CallId;
  readonly surface: Surface;
  readonly key: KeyRecord;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
};

const HEDGE_MS_MAX = 600_000;

/** What the caller wishes beside the protocol. */
function wishesOf({ headers }: IncomingMessage): Wishes {
  const hedge = headers["x-factotum-hedge-ms"];
  const restart = headers["x-factotum-restart"] === "allowed";
  const named = headers["x-factotum-drop"];
  if (hedge === undefined && !restart && named === undefined) return noWishes;
  const drop = typeof named === "string" ? named.split(",").map((name) => name.trim()) : [];
  const hedgeMs = typeof hedge === "string" && /^\d{1,6}$/.test(hedge) ? Number(hedge) : null;
  return { hedgeMs: hedgeMs === null ? null : Math.min(hedgeMs, HEDGE_MS_MAX), restart, drop: new Set(drop) };
}

/** What is answered for where no surface is: in OpenAI's form. */
const ELSEWHERE: Surface = {
  ...{ name: "nowhere", protocol: "openai-chat", path: "", below: "", billed: false, outputFields: [] },
};
const NO_KEY: Refusal = {
  ...{ status: 401, code: "invalid_api_key" },
  message:
    "send a key of this gateway as Authorization: Bearer or x-api-key; it is unknown, expired or revoked",
};
const NOWHERE: Refusal = { status: 404, code: "not_found", message: "there is nothing at this address" };
const BEHIND: Refusal = {
  ...{ status: 503, code: "ledger_away", retryAfterS: 1 },
  message: "calls cannot be written down now, so none is made; try again",
};
const ENCODED: Refusal = {
  ...{ status: 415, code: "body_encoded" },
  message: "send the body as it is, without a content-encoding",
};
const NO_NAME: Refusal = {
  ...{ status: 400, code: "idempotency_key_invalid" },
  message: `an Idempotency-Key has 1 to ${IDEMPOTENCY_CHARS_MAX} characters and comes once`,
};

function duplicateOf(first: FirstCall): Refusal {
  const message = `a call with this Idempotency-Key was made before (${first.state}); it is not made again`;
  return { status: 409, code: "duplicate_call", message, receipt: first };
}

const TOO_LARGE: Refusal = {
  ...{ status: 413, code: "body_too_large" },
  message: `a request may have ${BODY_BYTES_MAX} bytes at most`,
};

function pathOf({ url = "" }: IncomingMessage): string {
  const query = url.indexOf("?");
  return query < 0 ? url : url.slice(0, query);
}

function secretOf({ headers }: IncomingMessage): string {
  const given = headers["x-api-key"];
  if (typeof given === "string") return given;
  const bearer = headers.authorization ?? "";
  return /^bearer /i.test(bearer) ? bearer.slice(7).trim() : "";
}

/** Reads a body whole, or answers null where it is too large. Never called where the client goes away. */
function readBody(request: IncomingMessage, done: (body: Buffer | null) => void): void {
  const pieces: Buffer[] = [];
  let bytes = 0;
  const stated = Number(request.headers["content-length"] ?? 0);
  if (stated > BODY_BYTES_MAX) {
    done(null);
    return;
  }
  request.on("data", (piece: Buffer) => {
    bytes += piece.length;
    if (bytes <= BODY_BYTES_MAX) pieces.push(piece);
    else if (pieces.length > 0) {
      pieces.length = 0;
      done(null);
    }
  });
  request.on("end", () => {
    if (bytes > BODY_BYTES_MAX) return;
    done(pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces));
  });
}
