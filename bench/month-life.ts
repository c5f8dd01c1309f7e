/**
 * A month of the desk on a fake clock: notices arrive with their lead times, windows open and close,
 * reschedules and cancellations come mid-way, people answer at once, late or never, and the worker is
 * restarted every day. What comes of it is held against what the generator knows to be true.
 */
import { createHash } from "node:crypto";
import { makeBusiness } from "../examples/network-ops/business/index.ts";
import { recordStatement } from "../examples/network-ops/calendar/index.ts";
import { type DayItem, makeDay } from "../examples/network-ops/day/index.ts";
import { NOC } from "../examples/network-ops/desk/tools.ts";
import config from "../examples/network-ops/factotum.config.ts";
import { fingerprint, readMail } from "../examples/network-ops/intake/index.ts";
import { Notice } from "../examples/network-ops/notice.ts";
import { FactotumError, toJson } from "factotum/kernel";
import { type Database, setClock } from "factotum/postgres";
import { type Factotum, openFactotum, type Question } from "factotum/server";

/** What a month came to. */
export type Month = {
  readonly seed: number;
  readonly days: number;
  readonly notices: number;
  readonly questions: number;
  readonly answered: number;
  /** Answers that came after the time-out, and were refused. */
  readonly late: number;
  readonly never: number;
  readonly restarts: number;
  readonly calendarRows: number;
  readonly tickets: number;
  /** Lines of the calendar and titles of tickets that are there and ought not to be, or the other way. */
  readonly wrong: readonly string[];
};

/** Where a desk's database is: a folder for an embedded one, or an address. */
export type Place = { readonly directory: string; readonly url?: string };

type Arrival = { readonly at: Date; readonly item: DayItem; readonly notice: Notice; readonly key: string };
type Plan = { readonly at: Date; readonly choice: string; readonly calls?: NonNullable<Given> };
type Given = readonly { readonly tool: string; readonly input: ReturnType<typeof toJson> }[] | undefined;

const DAY = new Date("2026-03-02T07:00:00Z");
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** The last ordinary window closes some two months after the first notice; a few come in another season. */
const DAYS_MAX = 120;
const LAST = new Date(DAY.getTime() + (DAYS_MAX - 1) * DAY_MS);
/** Windows that begin earlier than this were announced before: their notices come on the first day. */
const SOON_MS = 12 * DAY_MS;

/** Lives the month. `stories` bounds how many of the queue's messages are taken; all unless told. */
export async function liveMonth(
  seed: number,
  place: Place,
  truthPlace: Place,
  stories = Number.POSITIVE_INFINITY,
): Promise<Month> {
  const arrivals = await arrivalsOf(seed, stories);
  const desk = await openDesk(place);
  const life = await live(desk, arrivals);
  const truth = await openDesk(truthPlace);
  const expected = await truthOf(truth, arrivals, seed);
  const got = [...(await calendar(desk.db)), ...(await ticketsOf(desk.db))];
  const wrong = [
    ...expected.filter((line) => !got.includes(line)).map((line) => `missing: ${line}`),
    ...got.filter((line) => !expected.includes(line)).map((line) => `not true: ${line}`),
  ];
  const tickets = (await ticketsOf(desk.db)).length;
  const calendarRows = got.length - tickets;
  await desk.close();
  await truth.close();
  return { seed, notices: arrivals.length, ...life, calendarRows, tickets, wrong };
}

/** When each message of the queue comes in: later words about a maintenance come days later. */
async function arrivalsOf(seed: number, stories: number): Promise<readonly Arrival[]> {
  const arrivals: Arrival[] = [];
  const latest = new Map<string, Date>();
  const day = await makeDay(seed, makeBusiness(1, DAY), DAY);
  for (const item of day.slice(0, stories)) {
    const notice = Notice.parse(await readMail(item.eml));
    const { truth } = item;
    const id = truth.kind === "states" ? truth.statement.maintenanceId : item.file;
    const before =
      truth.kind === "repeats" ? arrivals.find((one) => one.item.file === truth.file)?.at : latest.get(id);
    const starts =
      truth.kind === "states" ? truth.statement.windows.map((one) => Date.parse(one.startsAt)) : [];
    const soon = starts.length === 0 || Math.min(...starts) < DAY.getTime() + SOON_MS;
    const wait = before === undefined ? (soon ? 0 : pick(`${seed}/${id}`, 7)) : 2 + pick(item.file, 4);
    const at = new Date((before ?? DAY).getTime() + wait * DAY_MS + pick(item.file, 600) * 60_000);
    latest.set(id, at);
    arrivals.push({ at, item, notice, key: fingerprint(notice) });
  }
  return arrivals.toSorted((a, b) => a.at.getTime() - b.at.getTime());
}

/** A number below `below` that is always the same for a text. */
function pick(text: string, below: number): number {
  return createHash("sha256").update(text).digest().readUInt32BE(0) % below;
}

async function openDesk({ directory, url }: Place): Promise<Factotum> {
  const settings = {
    ...config,
    clock: { at: DAY, rate: 0 },
    channels: { [NOC]: { deliver: async () => {} } },
  };
  const env = url === undefined ? {} : { DATABASE_URL: url };
  const desk = await openFactotum(settings, { env, directory, say: () => {} });
  await desk.prepare();
  return desk;
}

async function live(desk: Factotum, arrivals: readonly Arrival[]) {
  const counts = { questions: 0, answered: 0, late: 0, never: 0, restarts: 0, days: 0 };
  const plans = new Map<Question["id"], Plan | undefined>();
  const waiting = [...arrivals];
  let worker = desk.work();
  let now = DAY;
  for (;;) {
    await worker.drained();
    for (const question of await desk.inbox()) {
      if (plans.has(question.id)) continue;
      counts.questions += 1;
      const plan = planFor(question, arrivals, await desk.showRun(question.runId), now);
      if (plan === undefined) counts.never += 1;
      plans.set(question.id, plan);
    }
    const next = nextTime(
      [waiting[0]?.at, ...[...plans.values()].map((plan) => plan?.at), await wakeOf(desk)],
      now,
    );
    if (next === undefined) break;
    if (Math.floor(next.getTime() / DAY_MS) > Math.floor(now.getTime() / DAY_MS)) {
      await worker.stop();
      worker = desk.work();
      counts.restarts += 1;
    }
    now = next;
    await setClock(desk.db, { at: now, rate: 0 });
    while (waiting[0] !== undefined && waiting[0].at <= now) await receive(desk, waiting.shift());
    for (const [id, plan] of plans) {
      if (plan === undefined || plan.at > now) continue;
      plans.set(id, undefined);
      counts[await giveAnswer(desk, id, plan)] += 1;
    }
  }
  await worker.stop();
  return { ...counts, days: Math.round((now.getTime() - DAY.getTime()) / DAY_MS) };
}

async function receive(desk: Factotum, arrival: Arrival | undefined): Promise<void> {
  if (arrival === undefined) return;
  const { key, notice } = arrival;
  await desk.start({ agent: "network-desk", key, input: toJson(notice) });
}

async function giveAnswer(desk: Factotum, id: Question["id"], plan: Plan): Promise<"answered" | "late"> {
  const { choice, calls } = plan;
  try {
    await desk.answer(id, { choice, by: "ann", ...(calls !== undefined && { calls }) });
    return "answered";
  } catch (error) {
    if (error instanceof FactotumError && error.code === "question-closed") return "late";
    throw error;
  }
}

function nextTime(times: readonly (Date | undefined)[], now: Date): Date | undefined {
  const last = DAY.getTime() + DAYS_MAX * DAY_MS;
  const coming = times.flatMap((time) =>
    time === undefined || time.getTime() > last ? [] : [time.getTime()],
  );
  return coming.length === 0 ? undefined : new Date(Math.max(Math.min(...coming), now.getTime()));
}

async function wakeOf(desk: Factotum): Promise<Date | undefined> {
  const { rows } = await desk.db.query<{ at: Date | null }>(
    "select min(wake_at) as at from factotum.runs where status = 'waiting'",
  );
  return rows[0]?.at ?? undefined;
}

/** How a person takes a question about a maintenance that nobody said was over. */
type Manner = "completed" | "still-running" | "never" | "late";

function mannerOf(carrier: string, id: string): Manner {
  const manners: readonly Manner[] = ["completed", "still-running", "never", "late"];
  return manners[pick(`${carrier}/${id}`, manners.length)] ?? "never";
}

/** What a person will answer, and when; undefined where they never do. */
function planFor(
  question: Question,
  arrivals: readonly Arrival[],
  { run, questions }: Awaited<ReturnType<Factotum["showRun"]>>,
  now: Date,
): Plan | undefined {
  const after = (hours: number): Date => new Date(now.getTime() + hours * HOUR_MS);
  const about = /^Is (.+) (\S+) over\?$/.exec(question.card.title);
  if (about !== null && question.topic !== "card") {
    const manner = mannerOf(about[1] ?? "", about[2] ?? "");
    if (manner === "never") return undefined;
    if (manner === "late") return { at: after(5), choice: "completed" };
    const again = questions.some((one) => one.answer?.choice === "still-running");
    return { at: after(1), choice: manner === "still-running" && !again ? manner : "completed" };
  }
  const truth = arrivals.find((one) => one.key === run.key)?.item.truth;
  const at = after(pick(String(run.key), 30));
  if (truth?.kind !== "states") return { at, choice: "discard" };
  // Where a window is near, people hurry: what is entered after it closed, nobody watches.
  const ends = truth.statement.windows.map((window) => Date.parse(window.endsAt));
  const near = ends.some((end) => end < now.getTime() + 2 * DAY_MS);
  return {
    at: near ? after(0) : at,
    choice: "correct",
    calls: [{ tool: "record_notice", input: toJson(truth.statement) }],
  };
}

/** The calendar and the tickets that ought to be, from what the generator meant with each message. */
async function truthOf(
  desk: Factotum,
  arrivals: readonly Arrival[],
  seed: number,
): Promise<readonly string[]> {
  const seeded = await ticketsOf(desk.db);
  const watched = new Map<string, { carrier: string; id: string; heardAt: Date }>();
  for (const { item, key, at } of arrivals) {
    if (item.truth.kind !== "states") continue;
    const { statement } = item.truth;
    await desk.db.transaction((tx) => recordStatement(tx, statement, { fingerprint: `${seed}/${key}` }));
    const { carrier, maintenanceId: id } = statement;
    watched.set(`${carrier}/${id}`, { carrier, id, heardAt: at });
  }
  const chased: string[] = [];
  for (const { carrier, id, heardAt } of watched.values()) {
    const end = await endOf(desk.db, carrier, id);
    // What closes after the last day is still to come.
    if (end === undefined || end <= heardAt || end > LAST) continue;
    const manner = mannerOf(carrier, id);
    if (manner === "never" || manner === "late") {
      chased.push(`ticket Chase ${carrier}: no completion notice for ${id}`);
      continue;
    }
    const sentAt = new Date(end.getTime() + DAY_MS).toISOString();
    const over = { carrier, maintenanceId: id, status: "COMPLETED" as const, sentAt, windows: [] };
    await desk.db.transaction((tx) => recordStatement(tx, over, { fingerprint: `over/${id}` }));
  }
  return [...(await calendar(desk.db)), ...seeded, ...chased];
}

/** When the last live window of a maintenance closes; undefined where none is live. */
export async function endOf(
  db: Pick<Database, "query">,
  carrier: string,
  id: string,
): Promise<Date | undefined> {
  const { rows } = await db.query<{ at: Date | null }>(
    `select max(w.ends_at) as at from netops.maintenance_windows w
       join netops.maintenances m on m.id = w.maintenance_id join netops.carriers k on k.id = m.carrier_id
      where k.name = $1 and m.carrier_maintenance_id = $2
        and w.status not in ('CANCELLED', 'COMPLETED') and m.status not in ('CANCELLED', 'COMPLETED')`,
    [carrier, id],
  );
  return rows[0]?.at ?? undefined;
}

/** The calendar without surrogate keys: equal calendars have equal text. */
export async function calendar(db: Pick<Database, "query">): Promise<readonly string[]> {
  const { rows } = await db.query<{ line: string }>(
    `select concat_ws(' | ', k.name, m.carrier_maintenance_id, m.status, w.number, w.status,
       w.starts_at, w.ends_at,
       (select string_agg(c.carrier_circuit_id || '=' || wc.impact, ',' order by c.carrier_circuit_id)
          from netops.window_circuits wc join netops.circuits c on c.id = wc.circuit_id
         where wc.maintenance_id = w.maintenance_id and wc.window_number = w.number)) as line
       from netops.maintenances m join netops.carriers k on k.id = m.carrier_id
       left join netops.maintenance_windows w on w.maintenance_id = m.id order by 1`,
  );
  return rows.map((row) => row.line);
}

/** The tickets by their titles. */
export async function ticketsOf(db: Pick<Database, "query">): Promise<readonly string[]> {
  const { rows } = await db.query<{ line: string }>(
    "select 'ticket ' || title as line from netops.tickets order by 1",
  );
  return rows.map((row) => row.line);
}
