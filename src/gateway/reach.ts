import { lookup } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";

/** How a name's addresses are found and judged. */
export type ReachOptions = {
  /** The public names whose addresses may be private ones, as they are listed now. */
  readonly privateHosts: () => readonly string[] | undefined;
  /** Finds all addresses of a name; the system's resolver unless told. */
  readonly lookup?: LookupFunction;
  readonly say?: (line: string) => void;
};

/**
 * Addresses that no provider has, whatever the configuration says: link-local ones, where clouds keep the
 * credentials of a machine, and those that are no host's.
 */
const NOWHERE = listOf(
  "169.254.0.0/16 0.0.0.0/8 224.0.0.0/3 100.100.100.200/32 168.63.129.16/32 192.0.0.192/32",
  "fe80::/10 ff00::/8 ::/128 fd00:ec2::254/128",
);
/** Addresses of the machine itself and of networks of one's own. */
const PRIVATE = listOf(
  "127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 192.0.0.0/24 198.18.0.0/15",
  "::1/128 fc00::/7 fec0::/10 64:ff9b:1::/48",
);
/**
 * Names that mean a network of one's own wherever they are asked for: those without a dot, as containers have
 * them, and endings that no public registry hands out (RFC 6761, 6762 appendix G, 8375).
 */
const LOCAL_NAME = /^[^.]+$|\.(?:localhost|local|internal|intranet|private|corp|home|lan|home\.arpa)$/i;
/** The code of the error by which a connection to an address is refused. */
export const FORBIDDEN_ADDRESS = "ERR_UPSTREAM_ADDRESS";
/** Refusals that are remembered, so as not to be said again. */
const TOLD_MAX = 1_000;
const HINT = "if it is an engine of your own, list it in gateway.privateHosts";

/** Whether an address of the configuration names a place where no provider is. */
export function isForbiddenHost(url: URL): boolean {
  const host = url.hostname.replaceAll(/^\[|\]$/g, "");
  return isIP(host) !== 0 && isIn(NOWHERE, host);
}

/**
 * Makes what looks names up as connections are made, so that what was checked is what is connected to. What
 * it refuses is said once for each name and address.
 */
export function guardedLookup(options: ReachOptions): LookupFunction {
  const { privateHosts, say = () => {}, lookup: resolve = everyAddress } = options;
  const told = new Set<string>();
  const mayBePrivate = (host: string): boolean =>
    LOCAL_NAME.test(host) || (privateHosts() ?? []).some((listed) => covers(listed, host));
  const whyNot = (host: string, address: string): string | null => {
    if (isIn(NOWHERE, address)) return "where no provider is";
    if (!isIn(PRIVATE, address) || mayBePrivate(host)) return null;
    return `which is a private address; ${HINT}`;
  };
  const refuse = (because: string): NodeJS.ErrnoException => {
    if (!told.has(because) && told.size < TOLD_MAX) say(because);
    told.add(because);
    return addressError(because);
  };
  return (host, asked, answer) => {
    resolve(host, { ...asked, all: true }, (error, found) => {
      if (error !== null || typeof found === "string") {
        answer(error ?? addressError(`${host}: its addresses are not all known`), []);
        return;
      }
      const name = host.replace(/\.$/, "");
      for (const { address } of found) {
        const because = whyNot(name, address);
        if (because === null) continue;
        answer(refuse(`${name} is at ${address}, ${because}`), []);
        return;
      }
      if (asked.all === true) answer(null, found);
      else answer(null, found[0]?.address ?? "", found[0]?.family);
    });
  };
}

const everyAddress: LookupFunction = (host, options, answer) => {
  lookup(host, { ...options, all: true }, answer);
};

/** Whether a listed name, or one with a star for all below it, stands for a host. */
function covers(listed: string, host: string): boolean {
  const [wanted, found] = [listed.toLowerCase(), host.toLowerCase()];
  return wanted.startsWith("*.") ? found.endsWith(wanted.slice(1)) : wanted === found;
}

/** IPv4 networks with all that stand for them behind translators (RFC 6052, 3056), and IPv6 networks. */
function listOf(four: string, six: string): BlockList {
  const list = new BlockList();
  for (const [address, bits] of subnetsIn(four)) {
    list.addSubnet(address, bits, "ipv4");
    const [a = 0, b = 0, c = 0, d = 0] = address.split(".").map(Number);
    const [high, low] = [a * 256 + b, c * 256 + d].map((pair) => pair.toString(16)) as [string, string];
    list.addSubnet(`64:ff9b::${high}:${low}`, 96 + bits, "ipv6");
    list.addSubnet(`2002:${high}:${low}::`, 16 + bits, "ipv6");
  }
  for (const [address, bits] of subnetsIn(six)) list.addSubnet(address, bits, "ipv6");
  return list;
}

function subnetsIn(text: string): readonly (readonly [address: string, bits: number])[] {
  return text.split(" ").map((subnet) => {
    const [address = "", bits = ""] = subnet.split("/");
    return [address, Number(bits)];
  });
}

function isIn(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}

function addressError(message: string): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(message);
  error.code = FORBIDDEN_ADDRESS;
  return error;
}
