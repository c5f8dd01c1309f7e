import type { LookupFunction } from "node:net";
import { Pool } from "undici";

/** Connections to providers, kept alive, one pool for each origin. */
export type Upstreams = {
  pool(origin: string): Pool;
  /** Lets the connections to all others go, each once its answer is whole. */
  keep(origins: ReadonlySet<string>): void;
  close(): Promise<void>;
};

/** After so long each phase of an attempt is given up. */
export type PhaseLimits = {
  readonly connectMs: number;
  /** Until the answer's head: a model that thinks without streaming is silent for minutes. */
  readonly firstByteMs: number;
  /** Between two pieces of an answer. */
  readonly silenceMs: number;
  readonly totalMs: number;
  /** Until a client has sent its request's head, and all of its request. */
  readonly clientHeadMs: number;
  readonly clientBodyMs: number;
};

/** The limits that hold unless a gateway is told others. */
export const phaseLimits: PhaseLimits = {
  ...{ connectMs: 10_000, firstByteMs: 600_000, silenceMs: 300_000, totalMs: 3_600_000 },
  ...{ clientHeadMs: 10_000, clientBodyMs: 60_000 },
};

const KEEPALIVE_MS = 30_000;
/**
 * So much sooner than its provider says, an idle connection is closed: undici's timers are late by up to a
 * second, and a call on a connection that is just being closed is lost, and booked at its most.
 */
const KEEPALIVE_MARGIN_MS = 2_000;

/**
 * Opens no connection yet. Redirects are never followed.
 *
 * @param lookup finds a name's addresses for each connection, and refuses those where nothing may go
 */
export function openUpstreams(limits: PhaseLimits, lookup: LookupFunction): Upstreams {
  const pools = new Map<string, Pool>();
  const leaving = new Set<Pool>();
  const open = (origin: string): Pool => {
    const pool = new Pool(origin, {
      connections: null,
      keepAliveTimeout: KEEPALIVE_MS,
      keepAliveTimeoutThreshold: KEEPALIVE_MARGIN_MS,
      // Whoever makes the call looks at its time: a timer for each phase of each call costs more than that.
      ...{ headersTimeout: 0, bodyTimeout: 0 },
      connect: { timeout: limits.connectMs, lookup },
    });
    pools.set(origin, pool);
    return pool;
  };
  return {
    pool: (origin) => pools.get(origin) ?? open(origin),
    keep(origins) {
      for (const [origin, pool] of pools) {
        if (origins.has(origin)) continue;
        pools.delete(origin);
        leaving.add(pool);
        const gone = (): boolean => leaving.delete(pool);
        pool.close().then(gone, gone);
      }
    },
    async close() {
      await Promise.all([...pools.values(), ...leaving].map((pool) => pool.destroy()));
    },
  };
}
