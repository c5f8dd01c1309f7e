import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { type Accounts, openAccounts } from "../calls/index.ts";
import type { CallId, Clock, MicroUsd } from "../kernel/index.ts";
import type { Keys, ModelCard } from "../models/index.ts";
import type { Database } from "../postgres/index.ts";
import { makeBreaker } from "./breaker.ts";
import { Exchange, type ExchangeParts, refuse } from "./exchange.ts";
import { type KeyRing, openKeyRing } from "./key-ring.ts";
import type { KeyRecord, Random } from "./keys.ts";
import { knownOfSlice, type Meter, type Metered, openMeter } from "./meter.ts";
import { listModels } from "./list-models.ts";
import { openPaces } from "./pace.ts";
import { noWishes, plan, type Wishes } from "./plan.ts";
import {
  claim,
  type Claim,
  type FirstCall,
  forgetReceipts,
  IDEMPOTENCY_CHARS_MAX,
  type Receipt,
} from "./receipts.ts";
import { derivedKey } from "./secret.ts";
import { type Refusal, type Surface, surfaces } from "./surfaces.ts";
import { type Aliases, makeTargets, type Targets } from "./targets.ts";
import { openUpstreams, type PhaseLimits, phaseLimits } from "./upstreams.ts";

/** What a gateway is made of. */
export type GatewayOptions = {
  readonly db: Database;
  readonly cards: readonly ModelCard[];
  /** The providers' keys. */
  readonly keys: Keys;
  readonly aliases?: Aliases;
  readonly clock: Clock;
  readonly random: Random;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Names the replica, for people. */
  readonly name: string;
  /**
   * What all replicas share and the database does not hold; at least 32 characters. Envelopes of sealed
   * thoughts are made with keys derived from it.
   */
  readonly secret?: string;
  readonly limits?: PhaseLimits;
  /** Asked before each call, at once: why a model may not be served, or null. By default all may. */
  readonly forbids?: (card: ModelCard) => string | null;
  /** The most of a budget that a kill of this replica can leave unaccounted, beyond calls under way. */
  readonly sliceMax?: MicroUsd;
  readonly say?: (line: string) => void;
};

/** A gateway that listens. */
export type Gateway = {
  /** Its root: the base address of clients is this and `/v1`, for Anthropic's this alone. */
  readonly url: string;
  /** Waits until every attempt that is over is written. */
  flush(): Promise<void>;
  /** Ends calls under way after a grace, and writes everything. */
  close(): Promise<void>;
};

const BODY_BYTES_MAX = 32 * 1024 * 1024;
/** A slow client is cut off after these. */
const HEADERS_MS_MAX = 10_000;
const REQUEST_MS_MAX = 60_000;
const SLOW_CHECK_MS = 2_000;
const KEEPALIVE_MS = 65_000;
const CONNECTIONS_MAX = 10_000;
const SWEEP_MS = 1_000;
const RECONCILE_SWEEPS = 5;
const CLOSE_MS_MAX = 10_000;
const NONCE_BYTES = 9;
const SECRET_BYTES = 32;

/** Opens a gateway: any replica serves any call, and none keeps anything of one. */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { db, clock, say = () => {}, limits = phaseLimits, sliceMax } = options;
  const targets = makeTargets(options.cards, options.keys, options.aliases ?? {}, clock.now());
  const nonce = options.random(NONCE_BYTES).toString("base64url");
  const accounts = await openAccounts(db, {
    ...{ name: options.name, nonce, say },
    ...(sliceMax !== undefined && { sliceMax }),
  });
  const ring = await openKeyRing(db, say);
  const meter = openMeter(db, accounts, say);
  const upstreams = openUpstreams(limits);
  const breaker = makeBreaker(() => performance.now());
  const paces = openPaces(db, say);
  const record = (metered: Metered): void => meter.record(metered);
  const parts = { upstreams, accounts, paces, breaker, limits, record };
  const live = new Set<Exchange>();
  const sealKey = sealKeyOf(options);
  const serve = makeServe({ options, targets, ring, parts, meter, live, nonce, sealKey });
  const server = createServer(
    {
      ...{ headersTimeout: HEADERS_MS_MAX, requestTimeout: REQUEST_MS_MAX, keepAliveTimeout: KEEPALIVE_MS },
      ...{ noDelay: true, insecureHTTPParser: false, requireHostHeader: true },
      connectionsCheckingInterval: SLOW_CHECK_MS,
    },
    serve,
  );
  server.maxConnections = CONNECTIONS_MAX;
  const stopSweeping = sweep(live, accounts, db, say);
  await listen(server, options.host, options.port);
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  return {
    url: `http://${host}:${port}`,
    flush: () => meter.flush(),
    async close() {
      stopSweeping();
      await closeServer(server);
      await upstreams.close();
      await ring.close();
      await paces.close();
      await meter.close();
      await accounts.close();
    },
  };
}

type Serving = {
  readonly options: GatewayOptions;
  readonly targets: Targets;
  readonly ring: KeyRing;
  readonly parts: ExchangeParts;
  readonly meter: Meter;
  readonly live: Set<Exchange>;
  readonly nonce: string;
  readonly sealKey: Buffer;
};

/** Replicas that share a secret can open what another one sealed; without one each has its own. */
function sealKeyOf({ secret, random, say = () => {} }: GatewayOptions): Buffer {
  if (secret !== undefined) return derivedKey(secret, "envelopes");
  say("FACTOTUM_GATEWAY_SECRET is not set: what this replica seals can be handed back to it alone");
  return random(SECRET_BYTES);
}

function makeServe(serving: Serving): RequestListener {
  const { options, targets, ring, parts, meter, live, nonce, sealKey } = serving;
  const { db, clock, say = () => {} } = options;
  let calls = 0;
  const nextId = (): CallId => {
    calls += 1;
    return `gw-${nonce}-${calls.toString(36)}` as CallId;
  };
  const snapshot = { targets, health: parts.breaker, sealKey, forbids: options.forbids ?? (() => null) };
  const begin = (asked: Arrived, body: Buffer, receipt: Receipt | null): void => {
    const { id, surface, key, request } = asked;
    const at = Math.floor(clock.now().getTime() / 1000);
    const planned = plan({ surface, body, key, id, at, wishes: wishesOf(request) }, snapshot);
    if (planned.kind === "refused") {
      const told = (): void => refuse(asked.response, surface, planned.refusal, asked.id);
      if (receipt === null) told();
      else receipt.end("unbilled", told);
      return;
    }
    const exchange: Exchange = new Exchange(parts, {
      ...{ ...asked, receipt, startedAt: performance.now(), plan: planned, asked: planned.model },
      over: () => live.delete(exchange),
    });
    live.add(exchange);
    exchange.start();
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
    const [path = ""] = (request.url ?? "").split("?", 1);
    if (path === "/healthz") {
      response.end("ok");
      return;
    }
    const id = nextId();
    const surface = surfaces.get(path) ?? ELSEWHERE;
    const turnAway = (refusal: Refusal): void => {
      refuse(response, surface, refusal, id);
      request.resume();
    };
    const key = ring.find(secretOf(request), clock.now().getTime());
    if (key === null) turnAway(NO_KEY);
    else if (request.method === "GET" && path.startsWith("/v1/models")) {
      listModels(request, response, path, key, targets);
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

/** Gives up calls that take too long, and ends what dead replicas left. */
function sweep(
  live: ReadonlySet<Exchange>,
  accounts: Accounts,
  db: Database,
  say: (line: string) => void,
): () => void {
  let sweeps = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    for (const exchange of live) exchange.look(now);
    sweeps += 1;
    if (sweeps % RECONCILE_SWEEPS !== 0) return;
    forgetReceipts(db).catch((error: unknown) =>
      say(`old receipts could not be forgotten: ${String(error)}`),
    );
    accounts.reconcile(knownOfSlice).then(
      (lost) => lost.forEach(({ slice, unknown }) => say(lostLine(slice, unknown))),
      (error: unknown) => say(`slices of dead replicas could not be ended: ${String(error)}`),
    );
  }, SWEEP_MS);
  timer.unref();
  return () => clearInterval(timer);
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

function lostLine(slice: string, unknown: MicroUsd): string {
  return `a replica died holding ${slice}; ${unknown} micro-USD of it nobody can account for, and count`;
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function closeServer(server: Server): Promise<void> {
  const cut = setTimeout(() => server.closeAllConnections(), CLOSE_MS_MAX);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  clearTimeout(cut);
}
