import { InputError, must, type TenantId } from "../kernel/index.ts";
import { copyIn, copyText, sqlStateOf, type Transaction } from "../postgres/index.ts";

/** Something that was used, as its source counted it. */
export type UsageEvent = {
  /** Who counted it; its ids are its own. */
  readonly source: string;
  /** The source's id of this event, by which it counts once. */
  readonly id: string;
  /** When it was used, to the millisecond; late events count where they belong. */
  readonly at: Date;
  readonly tenant: TenantId;
  /** Who used it: a customer, an agent, a key. */
  readonly subject: string;
  /** What was used, in its smallest unit: `tokens.input`, `joules`, `requests`. */
  readonly meter: string;
  /** Whole units, at most 10^15; negative where the source takes back what it counted before. */
  readonly quantity: bigint;
};

/** What became of a batch of events. */
export type UsageRecorded = {
  readonly fresh: number;
  /** Said before, word for word: nothing changed. */
  readonly repeated: number;
  /** Said otherwise before under the same key: none of that key is counted until a person has looked. */
  readonly disputed: number;
};

/** Events of one call. */
export const USAGE_BATCH_MAX = 10_000;
const QUANTITY_MAX = 1_000_000_000_000_000n;
const NAME_LENGTH_MAX = 500;

const COLUMNS = "source, id, at, tenant, subject, meter, quantity";
const GIVEN = `unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::text[],
  $7::bigint[]) as g (${COLUMNS})`;

const INSERT = `insert into factotum.usage_events (${COLUMNS}) select ${COLUMNS} from ${GIVEN}
  on conflict on constraint usage_events_pkey do nothing`;
const COPY = `savepoint usage; copy factotum.usage_events (${COLUMNS}) from stdin; release savepoint usage`;
const UNIQUE_VIOLATION = "23505";

/**
 * Records usage events, each once by source and id: late, doubled and shuffled events leave the same rows
 * behind. Writes factotum.usage_events, and usage_disputes where a key is used for two things.
 *
 * @throws {InputError} `usage-invalid`; nothing of the batch is recorded then
 */
export async function recordUsage(tx: Transaction, events: readonly UsageEvent[]): Promise<UsageRecorded> {
  if (events.length > USAGE_BATCH_MAX) throw invalid(`a batch has ${USAGE_BATCH_MAX} events at most`);
  for (const event of events) expectValid(event);
  // In one order, so that two batches with the same events never wait for each other in a ring.
  const ordered = events.toSorted(byKey);
  if (await allFresh(tx, ordered)) return { fresh: events.length, repeated: 0, disputed: 0 };
  const params = columnsOf(ordered);
  const { rowCount: fresh } = await tx.query(INSERT, params);
  const disputed = await noteDisputes(tx, params);
  return { fresh, repeated: events.length - fresh - disputed, disputed };
}

function byKey(left: UsageEvent, right: UsageEvent): number {
  if (left.source !== right.source) return left.source < right.source ? -1 : 1;
  if (left.id === right.id) return 0;
  return left.id < right.id ? -1 : 1;
}

/**
 * Tries a plain COPY, which costs a third of an insert that looks for conflicts; most batches have none. One
 * that is sent again, as after a lost answer, is known by its ends, so that it leaves no dead rows behind.
 */
async function allFresh(tx: Transaction, ordered: readonly UsageEvent[]): Promise<boolean> {
  const [first, last] = [ordered[0], ordered.at(-1)];
  if (first === undefined || last === undefined) return true;
  if (ordered.some((event, at) => at > 0 && byKey(must(ordered[at - 1], "neighbour"), event) === 0))
    return false;
  const { rows } = await tx.query(
    "select from factotum.usage_events where (source, id) in (($1, $2), ($3, $4)) limit 1",
    [first.source, first.id, last.source, last.id],
  );
  if (rows.length > 0) return false;
  try {
    await copyIn(tx, COPY, linesOf(ordered));
    return true;
  } catch (error) {
    if (sqlStateOf(error) !== UNIQUE_VIOLATION) throw error;
    await tx.query("rollback to savepoint usage");
    return false;
  }
}

function linesOf(events: readonly UsageEvent[]): string {
  let lines = "";
  for (const { source, id, at, tenant, subject, meter, quantity } of events) {
    const who = `${copyText(source)}\t${copyText(id)}\t${at.toISOString()}\t${copyText(tenant)}`;
    lines += `${who}\t${copyText(subject)}\t${copyText(meter)}\t${quantity}\n`;
  }
  return lines;
}

/** Looks each key up by its index: the limit keeps Postgres from reading all history for a join. */
async function noteDisputes(tx: Transaction, params: readonly unknown[]): Promise<number> {
  const { rows } = await tx.query<{ count: number }>(
    `with unlike as (
       select g.* from ${GIVEN} cross join lateral (
         select k.* from factotum.usage_events k where k.source = g.source and k.id = g.id limit 1) e
       where (e.at, e.tenant, e.subject, e.meter, e.quantity)
         is distinct from (g.at, g.tenant, g.subject, g.meter, g.quantity)),
     noted as (
       insert into factotum.usage_disputes (${COLUMNS})
       select distinct ${COLUMNS} from unlike order by ${COLUMNS}
       on conflict on constraint usage_disputes_once do nothing)
     select count(*)::integer as count from unlike`,
    params,
  );
  return must(rows[0], "the count of disputes").count;
}

function columnsOf(events: readonly UsageEvent[]): readonly unknown[] {
  const column = <T>(pick: (event: UsageEvent) => T): T[] => events.map(pick);
  return [
    ...[column((e) => e.source), column((e) => e.id), column((e) => e.at.toISOString())],
    ...[column((e) => e.tenant), column((e) => e.subject), column((e) => e.meter), column((e) => e.quantity)],
  ];
}

function expectValid({ source, id, at, tenant, subject, meter, quantity }: UsageEvent): void {
  const name = JSON.stringify(`${source}/${id}`.slice(0, NAME_LENGTH_MAX));
  for (const text of [source, id, tenant, subject, meter]) {
    if (text.length === 0 || text.length > NAME_LENGTH_MAX || text.includes("\0")) {
      throw invalid(`usage event ${name} has a name that is empty, too long or holds a null character`);
    }
  }
  if (Number.isNaN(at.getTime())) throw invalid(`usage event ${name} has no valid time`);
  if (typeof quantity !== "bigint" || quantity > QUANTITY_MAX || quantity < -QUANTITY_MAX) {
    throw invalid(`usage event ${name} has no whole quantity of up to ${QUANTITY_MAX}`);
  }
}

function invalid(message: string): InputError {
  return new InputError({ code: "usage-invalid", message: `${message}; nothing of the batch was recorded` });
}

/** Usage of one meter by one subject in one hour. */
export type UsageHour = {
  readonly tenant: string;
  readonly subject: string;
  readonly meter: string;
  readonly hour: Date;
  readonly quantity: bigint;
  readonly events: number;
};

/** Which usage to sum: `from` inclusive, `to` exclusive. */
export type UsageFilter = {
  readonly tenant?: TenantId;
  readonly subject?: string;
  readonly meter?: string;
  readonly from?: Date;
  readonly to?: Date;
};

const WHERE = `where ($1::text is null or tenant = $1) and ($2::text is null or subject = $2)
  and ($3::text is null or meter = $3) and ($4::timestamptz is null or at >= $4)
  and ($5::timestamptz is null or at < $5)`;

/** Usage by the hour (UTC), in one order. Keys that are disputed are not counted; reads usage_counted. */
export async function usageByHour(
  tx: Pick<Transaction, "query">,
  filter: UsageFilter = {},
): Promise<readonly UsageHour[]> {
  const { rows } = await tx.query<Omit<UsageHour, "quantity"> & { readonly quantity: string }>(
    `select tenant, subject, meter, date_trunc('hour', at, 'UTC') as hour, sum(quantity)::text as quantity,
       count(*)::integer as events
     from factotum.usage_counted ${WHERE} group by 1, 2, 3, 4
     order by tenant collate "C", subject collate "C", meter collate "C", hour`,
    filterParams(filter),
  );
  return rows.map((row) => ({ ...row, quantity: BigInt(row.quantity) }));
}

/** The events that more is said of than one thing, both sides, in one order. */
export async function usageDisputes(
  tx: Pick<Transaction, "query">,
  filter: UsageFilter = {},
): Promise<readonly UsageEvent[]> {
  const { rows } = await tx.query<EventRow>(
    `select ${COLUMNS} from factotum.usage_disputed ${WHERE}
     order by source, id, at, tenant collate "C", subject collate "C", meter collate "C", quantity`,
    filterParams(filter),
  );
  return rows.map(eventOf);
}

/** Usage events that count, one by one, in one order; reads usage_counted. */
export async function countedUsage(
  tx: Pick<Transaction, "query">,
  filter: UsageFilter = {},
): Promise<readonly UsageEvent[]> {
  const { rows } = await tx.query<EventRow>(
    `select ${COLUMNS} from factotum.usage_counted ${WHERE} order by at, source, id`,
    filterParams(filter),
  );
  return rows.map(eventOf);
}

/** A usage event as it was first told, and whether its key was used for another thing as well. */
export type FoundUsage = { readonly event: UsageEvent; readonly disputed: boolean };

/** Usage events by their keys; those that nobody told are left out. */
export async function findUsage(
  tx: Pick<Transaction, "query">,
  keys: readonly Pick<UsageEvent, "source" | "id">[],
): Promise<readonly FoundUsage[]> {
  const { rows } = await tx.query<EventRow & { readonly disputed: boolean }>(
    `select e.*, exists (select from factotum.usage_disputes d where d.source = e.source and d.id = e.id)
       as disputed
     from unnest($1::text[], $2::text[]) as g (source, id) join factotum.usage_events e using (source, id)
     order by e.at, e.source, e.id`,
    [keys.map(({ source }) => source), keys.map(({ id }) => id)],
  );
  return rows.map(({ disputed, ...row }) => ({ event: eventOf(row), disputed }));
}

type EventRow = Omit<UsageEvent, "quantity"> & { readonly quantity: string };

function eventOf({ source, id, at, tenant, subject, meter, quantity }: EventRow): UsageEvent {
  return { source, id, at, tenant, subject, meter, quantity: BigInt(quantity) };
}

function filterParams(filter: UsageFilter): readonly unknown[] {
  return [
    ...[filter.tenant ?? null, filter.subject ?? null, filter.meter ?? null],
    ...[filter.from ?? null, filter.to ?? null],
  ];
}
