import { defaultTenant, type Json, must, type TenantId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { RunError } from "./errors.ts";
import { type Run, runColumns, runOf, type RunRow } from "./run.ts";
import { jsonAsSent, jsonText } from "./text.ts";

/** What a run is started from. */
export type RunOrder = {
  /** `default` by default. */
  readonly tenant?: TenantId;
  readonly agent: string;
  readonly agentVersion: number;
  /** What makes it the same run if it is ordered again; omitted, every order is another run. */
  readonly key?: string;
  readonly input: Json;
  /** The state that the first turn finds; null by default. */
  readonly state?: Json;
  /** Higher goes first; 0 by default. */
  readonly priority?: number;
  /** Whom its first turns call, so that a limit on that provider holds for it. */
  readonly provider?: string;
  /** The run begins parked until this business time, for whoever drives it from outside. */
  readonly parkedUntil?: Date;
  /** Business time past which it is ended, whatever it does. */
  readonly deadline?: Date;
};

/** The channel on which workers hear of new and woken runs. */
export const channel = "factotum_runs";

/** What became of an order. */
export type Started = {
  readonly run: Run;
  /** False: there is a run of this key already, and this is it. */
  readonly created: boolean;
};

/** Orders in one statement; more of them go in several, in the same transaction. */
const TOGETHER_MAX = 1_000;

/**
 * Starts a run when `tx` commits; workers are told at the same moment. Race-free on (tenant, agent, key):
 * of any number of orders with the same key, one creates the run and the others get it, whatever their
 * input.
 *
 * @throws {RunError} `start-unseen` in a repeatable-read transaction that cannot see the run another one
 * created
 */
export async function startRun(tx: Transaction, order: RunOrder): Promise<Started> {
  return must((await startRuns(tx, [order]))[0], "the run that was ordered");
}

/**
 * Starts many runs when `tx` commits, all or none of them, by one statement for a thousand; of orders with
 * the same key the first creates the run. See `startRun`.
 *
 * @returns what became of each order, in their order
 */
export async function startRuns(tx: Transaction, orders: readonly RunOrder[]): Promise<readonly Started[]> {
  const started: Started[] = [];
  for (let from = 0; from < orders.length; from += TOGETHER_MAX) {
    started.push(...(await startTogether(tx, orders.slice(from, from + TOGETHER_MAX))));
  }
  return started;
}

/**
 * Ids are given out in the order of the orders, whose age decides who goes first; rows are put in by key, so
 * that two who start the same runs at once never wait for each other in a circle. Whoever ends overdue runs
 * is told of deadlines, since it may rest until a later one.
 */
const starting = `
  with given as materialized (
    select nextval('factotum.runs_id_seq') as id, o.*
    from unnest($1::text[], $2::text[], $3::integer[], $4::text[], $5::json[], $6::json[], $7::integer[],
      $8::text[], $9::timestamptz[], $10::timestamptz[]) with ordinality
      as o (tenant, agent, agent_version, key, input, state, priority, provider, parked_until, deadline,
        nth)),
  created as (
    insert into factotum.runs as r (id, tenant, agent, agent_version, key, input, state, priority, provider,
      status, wake_at, deadline_at)
    overriding system value
    select id, tenant, agent, agent_version, key, input, state, priority, provider,
      case when parked_until is null then 'ready' else 'waiting' end, parked_until, deadline
    from given order by tenant, agent, key, nth
    on conflict on constraint runs_key_unique do nothing
    returning ${runColumns}),
  told as materialized (
    select pg_notify(channel, payload)
    from (values ($11, 'ready'), ('factotum_watch', '')) t (channel, payload)
    where exists (select from created)
      and (channel = $11 or exists (select from given where deadline is not null)))
  select c.*, g.nth::integer, (select count(*) from told)::integer as told
  from created c join given g on g.id = c.id`;

async function startTogether(tx: Transaction, orders: readonly RunOrder[]): Promise<readonly Started[]> {
  const of = <T>(part: (order: RunOrder) => T): T[] => orders.map(part);
  const { rows } = await tx.query<RunRow & { nth: number }>(starting, [
    of((order) => order.tenant ?? defaultTenant),
    of((order) => order.agent),
    of((order) => order.agentVersion),
    of((order) => order.key ?? null),
    of((order) => jsonAsSent(order.input, "input")),
    of((order) => jsonText(order.state ?? null, "state")),
    of((order) => order.priority ?? 0),
    of((order) => order.provider ?? null),
    of((order) => order.parkedUntil ?? null),
    of((order) => order.deadline ?? null),
    channel,
  ]);
  const created = new Map(rows.map((row) => [row.nth, row]));
  const known = await findStarted(
    tx,
    orders.filter((_, at) => !created.has(at + 1)),
  );
  return orders.map((order, at) => {
    const row = created.get(at + 1);
    if (row !== undefined) return { run: runOf(row), created: true };
    return { run: must(known.get(nameOf(order)), "the run that was started before"), created: false };
  });
}

/** By tenant, agent and key: the runs of orders that others, or earlier orders, have started. */
async function findStarted(tx: Transaction, orders: readonly RunOrder[]): Promise<ReadonlyMap<string, Run>> {
  if (orders.length === 0) return new Map();
  const { rows } = await tx.query<RunRow>(
    `select ${runColumns} from unnest($1::text[], $2::text[], $3::text[]) as o (tenant, agent, key)
     join factotum.runs r on r.tenant = o.tenant and r.agent = o.agent and r.key = o.key`,
    [
      orders.map((order) => order.tenant ?? defaultTenant),
      orders.map((order) => order.agent),
      orders.map((order) => order.key),
    ],
  );
  const found = new Map(rows.map((row) => [nameOf({ ...row, tenant: row.tenant as TenantId }), runOf(row)]));
  const unseen = orders.find((order) => !found.has(nameOf(order)));
  if (unseen === undefined) return found;
  throw new RunError({
    code: "start-unseen",
    retry: "later",
    message:
      `run ${unseen.agent}/${unseen.key ?? ""} was started by a transaction that this one cannot see; ` +
      "try again",
  });
}

function nameOf(of: { readonly tenant?: TenantId; readonly agent: string; readonly key?: string | null }) {
  return JSON.stringify([of.tenant ?? defaultTenant, of.agent, of.key]);
}
