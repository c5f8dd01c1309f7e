import { canonicalJson, FactotumError, messageOf, storableText, toJson } from "../kernel/index.ts";
import type { Database, Transaction } from "../postgres/index.ts";
import { type Occurrences, occurrencesOf, type Timing } from "./occurrences.ts";
import type { Reader } from "./run.ts";
import { type RunOrder, startRun } from "./start.ts";
import { becauseText } from "./text.ts";

/** What is done about occurrences that came while no process was looking. */
export type Missed = {
  /** Only the latest is made up for, or all of them, or none. */
  readonly catchUp: "one" | "all" | "none";
  /** The most that are made up for at once, the latest ones; 100 unless told. */
  readonly max?: number;
};

/** A schedule that this process can fire. */
export type Schedule = Timing & {
  readonly agent: string;
  /** Unique among those of its agent. */
  readonly name: string;
  /** `one` unless told. */
  readonly missed?: Missed;
  /** What is started for an occurrence; its key is the schedule's and the instant's. May throw. */
  order(at: Date): Omit<RunOrder, "key" | "agent">;
};

/** How a schedule stands. */
export type ScheduleLine = Timing & {
  readonly agent: string;
  readonly name: string;
  readonly missed: Missed;
  readonly nextAt: Date | null;
  readonly lastAt: Date | null;
  /** What its policy on missed occurrences passed over last. */
  readonly passedOver: { readonly from: Date; readonly to: Date } | null;
  /** Why the last occurrence could not be started. */
  readonly problem: string | null;
};

type Row = {
  readonly agent: string;
  readonly name: string;
  readonly fingerprint: string;
  readonly through_at: Date;
  readonly next_at: Date | null;
  readonly last_at: Date | null;
  readonly passed_over_from: Date | null;
  readonly passed_over_to: Date | null;
  readonly problem: string | null;
};

const MISSED_MAX_DEFAULT = 100;
/** The most runs that one schedule starts at once, also where a clock was set on by years. */
const AT_ONCE_MAX = 1_000;
/** Nobody looked for so long: what was due meanwhile is missed, not late. */
const UNATTENDED_MS = 30_000;

/**
 * Writes down what the configuration says now, when `tx` commits. A new schedule, or one that says something
 * else than before, begins with the present: nothing before it counts as missed.
 *
 * @throws {InputError} `schedule-invalid`
 */
export async function declareSchedules(tx: Transaction, schedules: readonly Schedule[]): Promise<void> {
  if (schedules.length === 0) return;
  const now = await presentOf(tx);
  for (const one of schedules) {
    const next = occurrencesOf(one).next(now);
    await tx.query(
      `insert into factotum.schedules as s (agent, name, fingerprint, through_at, next_at, looked_at)
       values ($1, $2, $3, $4, $5, clock_timestamp())
       on conflict on constraint schedules_pkey do update set
         fingerprint = excluded.fingerprint, through_at = excluded.through_at, next_at = excluded.next_at,
         looked_at = excluded.looked_at, problem = null
       where s.fingerprint <> excluded.fingerprint`,
      [one.agent, one.name, fingerprintOf(one), now, next],
    );
  }
}

/**
 * Starts what is due, by any number of processes at once: each occurrence gets one run, in the transaction
 * that moves its schedule on.
 *
 * @returns how many runs were started
 */
export async function fireSchedules(db: Database, schedules: readonly Schedule[]): Promise<number> {
  if (schedules.length === 0) return 0;
  return await db.transaction(async (tx) => {
    const { rows } = await tx.query<Row & { now: Date; attended: boolean }>(
      `select s.*, factotum.now() as now,
         coalesce(s.looked_at > clock_timestamp() - $4 * interval '1 millisecond', false) as attended
       from factotum.schedules s
       join ${DECLARED} using (agent, name, fingerprint)
       for update of s skip locked`,
      [...columnsOf(schedules), UNATTENDED_MS],
    );
    await tx.query(
      `update factotum.schedules s set looked_at = clock_timestamp()
       from unnest($1::text[], $2::text[]) m (agent, name) where s.agent = m.agent and s.name = m.name`,
      [rows.map((row) => row.agent), rows.map((row) => row.name)],
    );
    let started = 0;
    for (const row of rows) {
      if (row.next_at === null || row.next_at > row.now) continue;
      const one = schedules.find(({ agent, name }) => agent === row.agent && name === row.name);
      if (one !== undefined) started += await fire(tx, one, row);
    }
    return started;
  });
}

async function fire(
  tx: Transaction,
  schedule: Schedule,
  row: Row & { readonly now: Date; readonly attended: boolean },
): Promise<number> {
  const occurrences = occurrencesOf(schedule);
  const due = occurrences.latest(row.through_at, row.now, row.attended ? AT_ONCE_MAX : mostOf(schedule));
  let started = 0;
  let problem: string | null = null;
  for (const at of due) {
    await tx.query("savepoint factotum_fire");
    try {
      const order = schedule.order(at);
      const key = `schedule/${schedule.name}/${at.toISOString()}`;
      const { created } = await startRun(tx, { ...order, agent: schedule.agent, key });
      if (created) started += 1;
    } catch (error) {
      // Trouble of the moment must not cost the occurrence: the whole look is made again.
      if (error instanceof FactotumError && error.retry === "later") throw error;
      await tx.query("rollback to savepoint factotum_fire");
      problem = storableText(becauseText(`${at.toISOString()}: ${messageOf(error)}`));
    }
  }
  const passed = passedOver(occurrences, row, due[0]);
  await tx.query(
    `update factotum.schedules set through_at = $3, next_at = $4,
       last_at = coalesce($5, last_at), problem = $6,
       passed_over_from = coalesce($7, passed_over_from), passed_over_to = coalesce($8, passed_over_to)
     where agent = $1 and name = $2`,
    [
      schedule.agent,
      schedule.name,
      row.now,
      occurrences.next(row.now),
      due.at(-1) ?? null,
      problem,
      passed?.from ?? null,
      passed?.to ?? null,
    ],
  );
  return started;
}

/** The first and the last occurrence before those that were taken. */
function passedOver(
  occurrences: Occurrences,
  { through_at: through, now }: Row & { readonly now: Date },
  first: Date | undefined,
): ScheduleLine["passedOver"] {
  const end = first === undefined ? now : new Date(first.getTime() - 1);
  const from = occurrences.next(through);
  if (from === null || from > end) return null;
  return { from, to: occurrences.latest(through, end, 1)[0] ?? from };
}

function mostOf({ missed = { catchUp: "one" } }: Schedule): number {
  switch (missed.catchUp) {
    case "none":
      return 0;
    case "one":
      return 1;
    case "all":
      return Math.min(missed.max ?? MISSED_MAX_DEFAULT, AT_ONCE_MAX);
  }
}

/** Where no worker is left, what comes due from now on is missed, however short the time. */
export async function leaveSchedules(db: Database): Promise<void> {
  await db.query(
    `update factotum.schedules set looked_at = null
     where not exists (select from factotum.living_workers)`,
  );
}

/**
 * Real milliseconds until the next occurrence of these; null: there is none, or the clock stands. What other
 * configurations declared, former ones too, is theirs to fire.
 */
export async function scheduleDueInMs(db: Reader, schedules: readonly Schedule[]): Promise<number | null> {
  if (schedules.length === 0) return null;
  const { rows } = await db.query<{ ms: number | null }>(
    `select (extract(epoch from min(next_at) - factotum.now()) * 1000
       / nullif(coalesce((select rate from factotum.clock), 1), 0))::float8 as ms
     from factotum.schedules join ${DECLARED} using (agent, name, fingerprint)`,
    columnsOf(schedules),
  );
  return rows[0]?.ms ?? null;
}

/** How the given schedules stand, by agent and name. */
export async function listSchedules(
  db: Reader,
  schedules: readonly Schedule[],
): Promise<readonly ScheduleLine[]> {
  const { rows } = await db.query<Row>("select * from factotum.schedules");
  const now = await presentOf(db);
  return schedules.map((one) => {
    const { agent, name, cron, zone, calendar, missed = { catchUp: "one" } } = one;
    const row = rows.find(
      (known) => known.agent === agent && known.name === name && known.fingerprint === fingerprintOf(one),
    );
    const { passed_over_from: from = null, passed_over_to: to = null } = row ?? {};
    return {
      ...{ agent, name, cron, zone, missed, ...(calendar !== undefined && { calendar }) },
      nextAt: row === undefined ? occurrencesOf(one).next(now) : row.next_at,
      lastAt: row?.last_at ?? null,
      passedOver: from === null || to === null ? null : { from, to },
      problem: row?.problem ?? null,
    };
  });
}

async function presentOf(db: Reader): Promise<Date> {
  const { rows } = await db.query<{ now: Date }>("select factotum.now() as now");
  return rows[0]?.now as Date;
}

/** Schedules as the three columns that `columnsOf` gives values for. */
const DECLARED = "unnest($1::text[], $2::text[], $3::text[]) m (agent, name, fingerprint)";

function columnsOf(schedules: readonly Schedule[]): readonly (readonly string[])[] {
  return [
    schedules.map((one) => one.agent),
    schedules.map((one) => one.name),
    schedules.map((one) => fingerprintOf(one)),
  ];
}

/** Two processes with different configurations never fire the same schedule side by side. */
function fingerprintOf({ cron, zone, calendar }: Schedule): string {
  return canonicalJson(toJson({ cron, zone, calendar }));
}
