/** The made-up business as plain data: the same for the same seed and day. */
import type { Impact, Statement, Status } from "../notice.ts";
import { CARRIER_SHAPES, type CarrierName, CARRIERS, SITES } from "./names.ts";
import { makeRandom, type Random } from "./random.ts";
import { type LocalWindow, nightAfter, utc } from "./times.ts";

export type BusinessSite = (typeof SITES)[number];
export type BusinessDevice = { readonly name: string; readonly site: string; readonly role: string };
export type BusinessCarrier = (typeof CARRIERS)[number];
export type BusinessCircuit = {
  readonly carrier: CarrierName;
  readonly circuitId: string;
  readonly aDevice: string;
  /** Null for a circuit that leaves our network. */
  readonly zDevice: string | null;
  readonly capacityMbps: number;
  readonly purpose: string;
};
export type BusinessGroup = {
  readonly name: string;
  readonly protects: string;
  readonly circuits: readonly BusinessCircuit[];
};
export type BusinessFreeze = {
  /** Code of a site; null freezes the whole network. */
  readonly site: string | null;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly reason: string;
};
export type BusinessTicket = {
  readonly title: string;
  readonly circuit: BusinessCircuit;
  readonly openedAt: string;
};

/** Everything the business knows when the day begins. */
export type Business = {
  readonly at: Date;
  readonly sites: readonly BusinessSite[];
  readonly devices: readonly BusinessDevice[];
  readonly carriers: readonly BusinessCarrier[];
  readonly circuits: readonly BusinessCircuit[];
  readonly groups: readonly BusinessGroup[];
  readonly freezes: readonly BusinessFreeze[];
  readonly tickets: readonly BusinessTicket[];
  /** What carriers announced before this day, one maintenance each; the day's notices go on with them. */
  readonly earlier: Readonly<Record<CarrierName, Statement>>;
};

/** Circuits of each carrier that belong to no redundancy group. */
const SINGLES = 6;
/** Days after `at` that no ordinary window falls on: freezes are here. */
export const FREEZE_DAYS = { site: 82, whole: 88 } as const;

const CAPACITIES = [1_000, 10_000, 10_000, 100_000] as const;
const USES = [
  "internet transit",
  "peering port",
  "customer access",
  "office uplink",
  "voice trunk",
  "video distribution",
  "backup of the billing system",
] as const;

/**
 * The business: 8 sites, 24 devices, 7 carriers, about 60 circuits, 9 redundancy groups (the first
 * with one carrier on both paths, the third with three paths), freezes, tickets and earlier work.
 *
 * @param at the day: earlier work and freezes lie around it
 */
export function makeBusiness(seed: number, at: Date): Business {
  const random = makeRandom(seed);
  const devices = SITES.flatMap(({ code }) =>
    ["core", "edge", "access"].map((role) => ({ name: `${code.toLowerCase()}-${role}1`, site: code, role })),
  );
  const draw = makeCircuits(random);
  const groups = makeGroups(random, draw);
  const singles = CARRIERS.flatMap(({ name }) =>
    Array.from({ length: SINGLES }, () => {
      const { code, city } = random.pick(SITES);
      const z = random.pick(SITES).code;
      const device = `${code.toLowerCase()}-${random.pick(["edge", "access"])}1`;
      return draw(name, [code, z], {
        aDevice: device,
        zDevice: null,
        purpose: `${random.pick(USES)}, ${city}`,
      });
    }),
  );
  const circuits = [...groups.flatMap((one) => one.circuits), ...singles];
  return {
    at,
    sites: SITES,
    devices,
    carriers: CARRIERS,
    circuits,
    groups,
    freezes: makeFreezes(at),
    tickets: [0, 2, 4].map((place) => ({
      title:
        ["Optics near the limit", "Waiting for the carrier's root cause", "Renew the contract"][place / 2] ??
        "",
      circuit: singles[place * SINGLES] as BusinessCircuit,
      openedAt: utc(nightAfter(at, "Etc/UTC", -9 - place, 9, 1).start),
    })),
    earlier: makeEarlier(random, singles, at),
  };
}

type Ends = Pick<BusinessCircuit, "aDevice" | "zDevice" | "purpose">;
type Draw = (carrier: CarrierName, route: readonly [string, string], ends: Ends) => BusinessCircuit;

/** Draws circuits whose ids never repeat within the business. */
function makeCircuits(random: Random): Draw {
  const used = new Set<string>();
  return (carrier, [a, z], ends) => {
    let circuitId = CARRIER_SHAPES[carrier].circuit(random, a, z);
    while (used.has(circuitId)) circuitId = CARRIER_SHAPES[carrier].circuit(random, a, z);
    used.add(circuitId);
    return { carrier, circuitId, capacityMbps: random.pick(CAPACITIES), ...ends };
  };
}

function makeGroups(random: Random, draw: Draw): BusinessGroup[] {
  return SITES.flatMap((a, place) => {
    const z = SITES[(place + 1) % SITES.length] as BusinessSite;
    const carriers: readonly CarrierName[] =
      place === 0
        ? ["Skarvnet", "Skarvnet"]
        : random.shuffled(CARRIERS.map(({ name }) => name)).slice(0, place === 2 ? 3 : 2);
    return [makeGroup(draw, a, z, carriers)];
  }).concat(makeGroup(draw, SITES[1], SITES[6], ["Tejo Transit", "Bluewater Cable"]));
}

function makeGroup(
  draw: Draw,
  a: BusinessSite,
  z: BusinessSite,
  carriers: readonly CarrierName[],
): BusinessGroup {
  const name = `backbone ${a.code}-${z.code}`;
  return {
    name,
    protects: `all traffic between ${a.city} and ${z.city}`,
    circuits: carriers.map((carrier, path) =>
      draw(carrier, [a.code, z.code], {
        aDevice: `${a.code.toLowerCase()}-core1`,
        zDevice: `${z.code.toLowerCase()}-core1`,
        purpose: `${name}, path ${"ABC"[path] ?? path}`,
      }),
    ),
  };
}

function makeFreezes(at: Date): BusinessFreeze[] {
  const span = (days: number, length: number) => {
    const { start } = nightAfter(at, "Etc/UTC", days, 0, 1);
    return { startsAt: utc(start), endsAt: utc(start.plus({ days: length })) };
  };
  return [
    { site: "FRA1", ...span(FREEZE_DAYS.site, 3), reason: "datacentre power works at Frankfurt" },
    { site: null, ...span(FREEZE_DAYS.whole, 4), reason: "quarterly closing: nothing may change anywhere" },
  ];
}

/** One maintenance a carrier: under way, done last night, or still to come, as the day's notices need. */
function makeEarlier(
  random: Random,
  singles: readonly BusinessCircuit[],
  at: Date,
): Record<CarrierName, Statement> {
  const now = nightAfter(at, "Etc/UTC", 0, 0, 1).start.set({ hour: at.getUTCHours() });
  const around = (hours: number, length: number): LocalWindow => ({
    start: now.plus({ hours }),
    end: now.plus({ hours: hours + length }),
  });
  const make = (carrier: CarrierName, window: LocalWindow, impact: Impact, status: Status): Statement => ({
    carrier,
    maintenanceId: CARRIER_SHAPES[carrier].maintenance(random),
    status,
    sentAt: utc(now.minus({ days: 15, hours: random.integer(1, 20) })),
    ...(carrier === "Skarvnet" ? { sequence: 0 } : {}),
    windows: [
      {
        startsAt: utc(window.start),
        endsAt: utc(window.end),
        circuits: singles
          .filter((circuit) => circuit.carrier === carrier)
          .slice(0, random.integer(1, 2))
          .map(({ circuitId }) => ({ circuitId, impact })),
      },
    ],
  });
  return {
    Skarvnet: make("Skarvnet", around(-2, 6), "OUTAGE", "CONFIRMED"),
    "Tejo Transit": make("Tejo Transit", nightAfter(at, "Europe/Lisbon", 14, 1, 4), "OUTAGE", "CONFIRMED"),
    "Bluewater Cable": make("Bluewater Cable", around(-10, 5), "DEGRADED", "CONFIRMED"),
    "Prairie Lambda": make("Prairie Lambda", around(-1, 4), "OUTAGE", "CONFIRMED"),
    "Kumo Exchange": make("Kumo Exchange", nightAfter(at, "Asia/Tokyo", 17, 2, 3), "OUTAGE", "CONFIRMED"),
    Alpenglas: make("Alpenglas", around(-8, 4), "REDUCED-REDUNDANCY", "CONFIRMED"),
    "Redstone Metro": make(
      "Redstone Metro",
      nightAfter(at, "Europe/London", 20, 0, 6),
      "OUTAGE",
      "CONFIRMED",
    ),
  };
}
