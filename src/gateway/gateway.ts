import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type Accounts, openAccounts } from "../calls/index.ts";
import type { CallId, Clock, MicroUsd } from "../kernel/index.ts";
import type { Keys, ModelCard } from "../models/index.ts";
import type { Database } from "../postgres/index.ts";
import { makeBreaker } from "./breaker.ts";
import { type Call, Exchange, type ExchangeParts, refuse } from "./exchange.ts";
import { type KeyRing, openKeyRing } from "./key-ring.ts";
import type { Random } from "./keys.ts";
import { knownOfSlice, openMeter } from "./meter.ts";
import { listModels } from "./list-models.ts";
import { plan } from "./plan.ts";
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
  readonly limits?: PhaseLimits;
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
const KEEPALIVE_MS = 65_000;
const CONNECTIONS_MAX = 10_000;
const SWEEP_MS = 1_000;
const RECONCILE_SWEEPS = 5;
const CLOSE_MS_MAX = 10_000;
const NONCE_BYTES = 9;

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
  const parts = { upstreams, accounts, meter, breaker };
  const live = new Set<Exchange>();
  const serve = makeServe({ options, targets, ring, parts, live, nonce });
  const server = createServer(
    {
      ...{ headersTimeout: HEADERS_MS_MAX, requestTimeout: REQUEST_MS_MAX, keepAliveTimeout: KEEPALIVE_MS },
      ...{ noDelay: true, insecureHTTPParser: false, requireHostHeader: true },
    },
    serve,
  );
  server.maxConnections = CONNECTIONS_MAX;
  const stopSweeping = sweep(live, limits, accounts, say);
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
  readonly live: Set<Exchange>;
  readonly nonce: string;
};

function makeServe({ options, targets, ring, parts, live, nonce }: Serving): RequestListener {
  let calls = 0;
  const nextId = (): CallId => {
    calls += 1;
    return `gw-${nonce}-${calls.toString(36)}` as CallId;
  };
  const snapshot = { targets, health: parts.breaker };
  const begin = (asked: Omit<Call, "plan" | "startedAt" | "over">, body: Buffer): void => {
    const planned = plan({ surface: asked.surface, body, key: asked.key }, snapshot);
    if (planned.kind === "refused") {
      refuse(asked.response, asked.surface, planned.refusal, asked.id);
      return;
    }
    const exchange: Exchange = new Exchange(parts, {
      ...asked,
      startedAt: performance.now(),
      plan: planned,
      over: () => live.delete(exchange),
    });
    live.add(exchange);
    exchange.start();
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
    const key = ring.find(secretOf(request), options.clock.now().getTime());
    if (key === null) turnAway(NO_KEY);
    else if (request.method === "GET" && path.startsWith("/v1/models")) {
      listModels(request, response, path, key, targets);
    } else if (surface === ELSEWHERE || request.method !== "POST") turnAway(NOWHERE);
    else if (parts.meter.behind) turnAway(BEHIND);
    else {
      readBody(request, (body) => {
        if (body === null) turnAway(TOO_LARGE);
        else begin({ id, surface, key, request, response }, body);
      });
    }
  };
}

/** Gives up calls that take too long, and ends what dead replicas left. */
function sweep(
  live: ReadonlySet<Exchange>,
  limits: PhaseLimits,
  accounts: Accounts,
  say: (line: string) => void,
): () => void {
  let sweeps = 0;
  const timer = setInterval(() => {
    const eldest = performance.now() - limits.totalMs;
    for (const exchange of live) if (exchange.startedAt < eldest) exchange.expire();
    sweeps += 1;
    if (sweeps % RECONCILE_SWEEPS !== 0) return;
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
  ...{ name: "nowhere", protocol: "openai-chat", path: "", billed: false, outputFields: [] },
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
