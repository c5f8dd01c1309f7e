/** The names of the made-up business. No carrier here exists; their domains end in `.example`. */
import type { Random } from "./random.ts";

/** Sites: code, city, zone. */
export const SITES = [
  { code: "LIS1", city: "Lisbon", timeZone: "Europe/Lisbon" },
  { code: "LON1", city: "London", timeZone: "Europe/London" },
  { code: "FRA1", city: "Frankfurt", timeZone: "Europe/Berlin" },
  { code: "ZRH1", city: "Zurich", timeZone: "Europe/Zurich" },
  { code: "OSL1", city: "Oslo", timeZone: "Europe/Oslo" },
  { code: "CHI1", city: "Chicago", timeZone: "America/Chicago" },
  { code: "NYC1", city: "New York", timeZone: "America/New_York" },
  { code: "TYO1", city: "Tokyo", timeZone: "Asia/Tokyo" },
] as const;

/** How a carrier writes the ids of circuits and of maintenances. */
export type IdShapes = {
  readonly circuit: (random: Random, a: string, z: string) => string;
  readonly maintenance: (random: Random) => string;
};

/** Carriers, in the order of `CARRIER_SHAPES`. */
export const CARRIERS = [
  {
    name: "Skarvnet",
    mailDomain: "skarvnet.example",
    timeZone: "Europe/Oslo",
    noticeHoursMin: 120,
  },
  {
    name: "Tejo Transit",
    mailDomain: "tejo-transit.example",
    timeZone: "Europe/Lisbon",
    noticeHoursMin: 168,
  },
  {
    name: "Bluewater Cable",
    mailDomain: "bluewater-cable.example",
    timeZone: "Etc/UTC",
    noticeHoursMin: 72,
  },
  {
    name: "Prairie Lambda",
    mailDomain: "prairie-lambda.example",
    timeZone: "America/Chicago",
    noticeHoursMin: null,
  },
  {
    name: "Kumo Exchange",
    mailDomain: "kumo-exchange.example",
    timeZone: "Asia/Tokyo",
    noticeHoursMin: 240,
  },
  {
    name: "Alpenglas",
    mailDomain: "alpenglas.example",
    timeZone: "Europe/Zurich",
    noticeHoursMin: 120,
  },
  {
    name: "Redstone Metro",
    mailDomain: "redstone-metro.example",
    timeZone: "Europe/London",
    noticeHoursMin: null,
  },
] as const;

/** The name of one of the carriers. */
export type CarrierName = (typeof CARRIERS)[number]["name"];

/** Each carrier writes its ids in its own way; most shapes are unlike each other on purpose. */
export const CARRIER_SHAPES: Readonly<Record<CarrierName, IdShapes>> = {
  Skarvnet: {
    circuit: (random) => `SKV-${random.integer(1000, 9999)}-${random.integer(100_000, 999_999)}`,
    maintenance: (random) => `CHG00${random.integer(10_000, 99_999)}`,
  },
  "Tejo Transit": {
    circuit: (random, a, z) =>
      `TJO/${a.slice(0, 3)}-${z.slice(0, 3)}/10G/${String(random.integer(1, 9999)).padStart(4, "0")}`,
    maintenance: (random) => `TT-2026-${random.integer(1000, 9999)}`,
  },
  "Bluewater Cable": {
    circuit: (random) => `BWC${random.integer(100_000, 999_999)}-${random.integer(1, 9)}`,
    maintenance: (random) => `MW-${random.integer(10_000, 99_999)}`,
  },
  "Prairie Lambda": {
    circuit: (random, a) => `PL.ETH.${random.integer(100_000, 999_999)}.${a.slice(0, 3)}`,
    maintenance: (random) => `TKT${random.integer(1_000_000, 9_999_999)}`,
  },
  "Kumo Exchange": {
    circuit: (random) => `KX${random.integer(10_000, 99_999)}-${random.pick(["A", "B"])}`,
    maintenance: (random) => `5-${random.integer(100_000_000, 999_999_999)}`,
  },
  Alpenglas: {
    circuit: (random) => `AG-${random.integer(10, 99)}-${random.integer(100, 999)}-${random.integer(10, 99)}`,
    maintenance: (random) => `W-${random.integer(2600, 2699)}-${random.integer(100, 999)}`,
  },
  "Redstone Metro": {
    circuit: (random) => `RSM${random.integer(10_000, 99_999)}ETH`,
    maintenance: (random) => `CRQ0000${random.integer(10_000, 99_999)}`,
  },
};
