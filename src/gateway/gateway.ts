import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo, LookupFunction } from "node:net";
import { type Accounts, openAccounts } from "../calls/index.ts";
import type { Clock, MicroUsd } from "../kernel/index.ts";
import type { Keys, ModelCard } from "../models/index.ts";
import type { Database } from "../postgres/index.ts";
import { openAdmin } from "./admin.ts";
import { forgetAnswers, openAnswers } from "./answers.ts";
import { openBatchRoom } from "./batches/open.ts";
import { makeBreaker } from "./breaker.ts";
import type { Exchange, ExchangeParts } from "./exchange.ts";
import { openKeyRing } from "./key-ring.ts";
import { listen } from "./listening.ts";
import type { Random } from "./keys.ts";
import { makeMetrics } from "./metrics.ts";
import { knownOfSlice, openMeter } from "./meter.ts";
import { openPaces } from "./pace.ts";
import { makeServe } from "./serve.ts";
import { guardedLookup } from "./reach.ts";
import { forgetReceipts } from "./receipts.ts";
import { derivedKey } from "./secret.ts";
import { type Aliases, makeTargets, type Targets } from "./targets.ts";
import { openTelemetry } from "./telemetry.ts";
import { makeUnderWay, type UnderWay } from "./under-way.ts";
import { openUpstreams, type PhaseLimits, phaseLimits } from "./upstreams.ts";
import { makeVault } from "./vault.ts";

/** What a gateway may call, and by which names. */
export type Offer = {
  readonly cards: readonly ModelCard[];
  /** The providers' keys. */
  readonly keys: Keys;
  readonly aliases?: Aliases;
  /**
   * Public names whose addresses may be private ones: `engines.example.com`, or `*.example.com` for all below
   * it. By default only addresses written as numbers and local names, such as `localhost`, may be.
   */
  readonly privateHosts?: readonly string[];
};

/** What a gateway is made of. */
export type GatewayOptions = Offer & {
  readonly db: Database;
  readonly clock: Clock;
  /** The business clock, by which prices hold; `clock` unless told. */
  readonly priceClock?: Clock;
  readonly random: Random;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Where operators look, apart from calls: without a key, so at a private address. */
  readonly admin?: { readonly host: string; readonly port: number };
  /** Names the replica, for people. */
  readonly name: string;
  /**
   * What all replicas share and the database does not hold; at least 32 characters. Envelopes of sealed
   * thoughts, and answers that are kept, are made with keys derived from it.
   */
  readonly secret?: string;
  readonly limits?: PhaseLimits;
  /** Asked before each call, at once: why a model may not be served, or null. By default all may. */
  readonly forbids?: (card: ModelCard) => string | null;
  /** The most of a budget that a kill of this replica can leave unaccounted, beyond calls under way. */
  readonly sliceMax?: MicroUsd;
  /** After so long without a sign of life others end what this replica held; 15 s unless told. */
  readonly leaseMs?: number;
  readonly say?: (line: string) => void;
  /** Finds all addresses of a provider's name; the system's resolver unless told. */
  readonly lookup?: LookupFunction;
};

/** A gateway that listens. */
export type Gateway = {
  /** Its root: the base address of clients is this and `/v1`, for Anthropic's this alone. */
  readonly url: string;
  /** Where `/metrics`, `/healthz` and `/readyz` are; null where nobody asked for it. */
  readonly adminUrl: string | null;
  /**
   * Looks another offer over; calls go on by the present one until the answered function is called, and
   * those under way then go by it to their end.
   *
   * @throws {InputError} `gateway-config`, and nothing changes
   */
  prepare(offer: Offer): () => void;
  /** Waits until every attempt that is over is written. */
  flush(): Promise<void>;
  /** Ends calls under way after a grace, and writes everything. */
  close(): Promise<void>;
};

/** How often slow clients are looked for. */
const SLOW_CHECK_MS = 2_000;
const KEEPALIVE_MS = 65_000;
const CONNECTIONS_MAX = 10_000;
const SWEEP_MS = 1_000;
const RECONCILE_SWEEPS = 5;
const NONCE_BYTES = 9;
const SECRET_BYTES = 32;

/** Opens a gateway: any replica serves any call, and none keeps anything of one. */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { db, clock, say = () => {}, limits = phaseLimits, sliceMax } = options;
  const targetsOf = ({ cards, keys, aliases }: Offer): Targets => makeTargets(cards, keys, aliases ?? {});
  const targets = targetsOf(options);
  const nonce = options.random(NONCE_BYTES).toString("base64url");
  const accounts = await openAccounts(db, {
    ...{ name: options.name, nonce, say },
    ...(sliceMax !== undefined && { sliceMax }),
    ...(options.leaseMs !== undefined && { leaseMs: options.leaseMs }),
  });
  const ring = await openKeyRing(db, say);
  const meter = openMeter(db, accounts, say);
  let { privateHosts } = options;
  const upstreams = openUpstreams(limits, guardedLookup({ ...options, privateHosts: () => privateHosts }));
  const breaker = makeBreaker(() => performance.now());
  const paces = openPaces(db, say);
  const [metrics, telemetry] = [makeMetrics(), await openTelemetry()];
  const record: ExchangeParts["record"] = (metered, headers) => {
    meter.record(metered);
    metrics.heard(metered);
    telemetry.heard(metered, headers);
  };
  const parts = { upstreams, accounts, paces, breaker, limits, record };
  const live = makeUnderWay<Exchange>();
  const forbids = options.forbids ?? ((): null => null);
  const secret = secretOf(options);
  const now = { snapshot: { targets, health: breaker, sealKey: derivedKey(secret, "envelopes"), forbids } };
  const vault = makeVault(secret, "answers", options.random);
  const answers = openAnswers({ db, vault, say, count: metrics.kept });
  const priceClock = options.priceClock ?? clock;
  const serving = { db, clock, priceClock, say, now, ring, parts, meter, live, answers, nonce };
  const batches = openBatchRoom({ ...options, say }, { ring, nonce, underWay: () => live.size }, (inside) =>
    makeServe({ ...serving, ring: inside, nonce: `${nonce}b`, desk: null }),
  );
  const server = makeServer(limits, makeServe({ ...serving, desk: batches.desk }));
  const stopSweeping = sweep(live, accounts, db, say);
  const stop = await listen(server, options.host, options.port);
  const gauges = () => ({
    factotum_gateway_calls_under_way: live.size,
    factotum_gateway_rows_waiting: meter.waiting,
  });
  const shown = { metrics: () => metrics.text(gauges()), ready: () => !meter.behind };
  const admin = options.admin === undefined ? null : await openAdmin(options.admin, shown);
  return {
    url: urlOf(server, options.host),
    adminUrl: admin?.url ?? null,
    prepare(offer) {
      const next = targetsOf(offer);
      return () => {
        now.snapshot = { ...now.snapshot, targets: next };
        privateHosts = offer.privateHosts;
        upstreams.keep(new Set(next.all.map(({ origin }) => origin)));
      };
    },
    flush: () => meter.flush(),
    async close() {
      stopSweeping();
      await batches.close();
      await stop();
      await admin?.close();
      await answers.close();
      await upstreams.close();
      await ring.close();
      await paces.close();
      await meter.close();
      await accounts.close();
    },
  };
}

function urlOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Replicas that share a secret can open what another one sealed; without one each has its own. */
function secretOf({ secret, random, say = () => {} }: GatewayOptions): string {
  if (secret !== undefined) return secret;
  say("FACTOTUM_GATEWAY_SECRET is not set: what this replica seals can be opened by it alone");
  return random(SECRET_BYTES).toString("base64url");
}

/** Gives up calls that take too long, and ends what dead replicas left. */
function sweep(
  live: UnderWay<Exchange>,
  accounts: Accounts,
  db: Database,
  say: (line: string) => void,
): () => void {
  let sweeps = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    live.forEach((exchange) => exchange.look(now));
    sweeps += 1;
    accounts.look().catch((error: unknown) => say(`budgets could not be looked at: ${String(error)}`));
    if (sweeps % RECONCILE_SWEEPS !== 0) return;
    Promise.all([forgetReceipts(db), forgetAnswers(db)]).catch((error: unknown) =>
      say(`old receipts and answers could not be forgotten: ${String(error)}`),
    );
    accounts.reconcile(knownOfSlice).then(
      (lost) => lost.forEach(({ slice, unknown }) => say(lostLine(slice, unknown))),
      (error: unknown) => say(`slices of dead replicas could not be ended: ${String(error)}`),
    );
  }, SWEEP_MS);
  timer.unref();
  return () => clearInterval(timer);
}

function lostLine(slice: string, unknown: MicroUsd): string {
  return `a replica died holding ${slice}; ${unknown} micro-USD of it nobody can account for, and count`;
}

function makeServer(limits: PhaseLimits, serve: RequestListener): Server {
  const server = createServer(
    {
      ...{ headersTimeout: limits.clientHeadMs, requestTimeout: limits.clientBodyMs },
      keepAliveTimeout: KEEPALIVE_MS,
      ...{ noDelay: true, insecureHTTPParser: false, requireHostHeader: true },
      connectionsCheckingInterval: Math.min(SLOW_CHECK_MS, limits.clientHeadMs),
    },
    serve,
  );
  server.maxConnections = CONNECTIONS_MAX;
  return server;
}
