/** What the day's stories are written with: fresh work, its continuation, and its words. */
import {
  type Business,
  type BusinessCarrier,
  type BusinessCircuit,
  CARRIER_SHAPES,
  type CarrierName,
  inZone,
  makeRandom,
  nightAfter,
  type Random,
} from "../business/index.ts";
import type { Impact } from "../notice.ts";
import { calendarFile } from "./calendar-file.ts";
import {
  alpenglasLetter,
  bluewaterLetter,
  prairieLetter,
  redstoneLetter,
  skarvnetLetter,
} from "./letters.ts";
import type { MailContent } from "./mail.ts";
import { kumoPage, tejoPage } from "./pages.ts";
import type { Work, WorkWindow } from "./work.ts";

/** The first ordinary night after the day: beyond every carrier's promised notice. */
const FIRST_NIGHT = 21;

/** Makes work for carriers; every ordinary window has a night of its own, so none collide by chance. */
export type CarrierDesk = {
  readonly random: Random;
  readonly business: Business;
  readonly carrier: (name: CarrierName) => BusinessCarrier;
  /** Circuits that belong to no redundancy group and have no earlier work. */
  readonly circuits: (name: CarrierName, count: number) => readonly BusinessCircuit[];
  readonly window: (name: CarrierName, circuits: readonly BusinessCircuit[], impact: Impact) => WorkWindow;
  readonly work: (name: CarrierName, windows: readonly WorkWindow[]) => Work;
  /** The maintenance that the carrier announced before this day. */
  readonly earlier: (name: CarrierName) => Work;
};

const REASONS = [
  "software upgrade of a router",
  "replacement of a power supply",
  "splicing of a fibre",
  "relocation of a cable duct",
  "exchange of a line card",
  "test of a backup generator",
] as const;

/** The desk for one day of one business. */
export function makeCarrierDesk(seed: number, business: Business): CarrierDesk {
  const random = makeRandom(seed ^ 0x5eed);
  const grouped = new Set(business.groups.flatMap((group) => group.circuits.map((one) => one.circuitId)));
  const busy = new Set(
    Object.values(business.earlier).flatMap(({ windows }) =>
      windows.flatMap(({ circuits }) => circuits.map((one) => one.circuitId)),
    ),
  );
  const used = new Set(Object.values(business.earlier).map((statement) => statement.maintenanceId));
  let night = FIRST_NIGHT;
  const carrier = (name: CarrierName): BusinessCarrier => {
    const found = business.carriers.find((one) => one.name === name);
    if (found === undefined) throw new RangeError(`the business has no carrier ${name}`);
    return found;
  };
  const maintenanceId = (name: CarrierName): string => {
    let id = CARRIER_SHAPES[name].maintenance(random);
    while (used.has(id)) id = CARRIER_SHAPES[name].maintenance(random);
    used.add(id);
    return id;
  };
  const place = () => ({ reason: random.pick(REASONS), city: random.pick(business.sites).city });
  return {
    random,
    business,
    carrier,
    circuits: (name, count) =>
      random
        .shuffled(
          business.circuits.filter(
            (one) => one.carrier === name && !grouped.has(one.circuitId) && !busy.has(one.circuitId),
          ),
        )
        .slice(0, count),
    window: (name, circuits, impact) => {
      night += 1;
      const hours = nightAfter(
        business.at,
        carrier(name).timeZone,
        night,
        random.integer(0, 3),
        random.integer(2, 6),
      );
      return { ...hours, circuits: circuits.map(({ circuitId }) => ({ circuitId, impact })) };
    },
    work: (name, windows) => ({
      carrier: carrier(name),
      id: maintenanceId(name),
      status: "CONFIRMED",
      sequence: 0,
      windows,
      ...place(),
    }),
    earlier: (name) => ({ ...announced(business, carrier(name)), ...place() }),
  };
}

/** The work that a carrier announced before the day, as the calendar has it. */
function announced(business: Business, carrier: BusinessCarrier): Omit<Work, "reason" | "city"> {
  const { maintenanceId: id, status, windows } = business.earlier[carrier.name];
  return {
    carrier,
    id,
    status,
    sequence: 0,
    windows: windows.map(({ startsAt, endsAt, circuits }) => ({
      start: inZone(new Date(startsAt), carrier.timeZone),
      end: inZone(new Date(endsAt), carrier.timeZone),
      circuits,
    })),
  };
}

/** How a notice may depart from its carrier's habit. */
export type Manner = {
  /** iCalendar only: local times with this zone instead of UTC. */
  readonly zone?: string;
  /** Prairie Lambda only: a paragraph put into the form. */
  readonly extra?: string;
  /** Alpenglas only: a sentence about what was planned before. */
  readonly before?: string;
  /** Redstone Metro only: circuits in a spreadsheet instead of in sentences. */
  readonly asSheet?: boolean;
};

/** The notice in the carrier's own form. */
export async function wordsOf(work: Work, sentAt: Date, manner: Manner = {}): Promise<MailContent> {
  return await FORMS[work.carrier.name](work, sentAt, manner);
}

type Form = (work: Work, sentAt: Date, manner: Manner) => MailContent | Promise<MailContent>;

const FORMS: Readonly<Record<CarrierName, Form>> = {
  Skarvnet: (work, sentAt, { zone }) =>
    skarvnetLetter(work, calendarFile(work, inZone(sentAt, "Etc/UTC"), zone)),
  "Tejo Transit": (work) => tejoPage(work),
  "Bluewater Cable": (work) => bluewaterLetter(work),
  "Prairie Lambda": (work, _, { extra }) => prairieLetter(work, extra),
  "Kumo Exchange": (work) => kumoPage(work),
  Alpenglas: (work, _, { before }) => alpenglasLetter(work, before),
  "Redstone Metro": (work, _, { asSheet }) => redstoneLetter(work, asSheet ?? false),
};
