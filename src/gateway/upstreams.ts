import { lookup } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";
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
 * Addresses that no provider has: link-local ones, where clouds keep the credentials of a machine, and those
 * that are no host's. Private networks are allowed, since engines of one's own live there.
 */
const FORBIDDEN = new BlockList();
FORBIDDEN.addSubnet("169.254.0.0", 16, "ipv4");
FORBIDDEN.addSubnet("0.0.0.0", 8, "ipv4");
FORBIDDEN.addSubnet("224.0.0.0", 3, "ipv4");
FORBIDDEN.addAddress("100.100.100.200", "ipv4");
FORBIDDEN.addSubnet("fe80::", 10, "ipv6");
FORBIDDEN.addSubnet("ff00::", 8, "ipv6");
FORBIDDEN.addAddress("::", "ipv6");
// The same as IPv4 addresses behind translators.
FORBIDDEN.addSubnet("64:ff9b::a9fe:0", 112, "ipv6");
FORBIDDEN.addSubnet("2002:a9fe::", 32, "ipv6");
FORBIDDEN.addAddress("fd00:ec2::254", "ipv6");

/** Opens no connection yet. Redirects are never followed. */
export function openUpstreams(limits: PhaseLimits): Upstreams {
  const pools = new Map<string, Pool>();
  const leaving = new Set<Pool>();
  const open = (origin: string): Pool => {
    const pool = new Pool(origin, {
      connections: null,
      keepAliveTimeout: KEEPALIVE_MS,
      headersTimeout: limits.firstByteMs,
      bodyTimeout: limits.silenceMs,
      connect: { timeout: limits.connectMs, lookup: guardedLookup },
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

/** Whether an address names a place where no provider is; a name is looked at when it is connected to. */
export function isForbiddenHost(url: URL): boolean {
  const host = url.hostname.replaceAll(/^\[|\]$/g, "");
  return isIP(host) !== 0 && isForbidden(host);
}

/** Whether an address is one that no provider has. */
function isForbidden(address: string): boolean {
  return FORBIDDEN.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}

/** Looks a name up when its connection is made, so that a name cannot change between check and use. */
const guardedLookup: LookupFunction = (host, options, answer) => {
  lookup(host, { ...options, all: true }, (error, found) => {
    if (error !== null) {
      answer(error, []);
      return;
    }
    const bad = found.find(({ address }) => isForbidden(address));
    if (bad !== undefined) answer(addressError(host, bad.address), []);
    else if (options.all === true) answer(null, found);
    else answer(null, found[0]?.address ?? "", found[0]?.family);
  });
};

function addressError(host: string, address: string): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(
    `${host} is at ${address}, where no provider is; mend the model's baseUrl`,
  );
  error.code = "ERR_UPSTREAM_ADDRESS";
  return error;
}
