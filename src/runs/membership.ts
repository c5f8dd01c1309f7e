import { must } from "../kernel/index.ts";
import type { Database, Session } from "../postgres/index.ts";
import { channel } from "./start.ts";

/**
 * A worker's place among the workers: one dedicated connection that holds an advisory lock (freed by
 * Postgres when the process dies) and a lease that is renewed (which runs out when the process hangs). It
 * is lost once and never regained: a worker that lost it joins again under a new id.
 */
export type Membership = {
  readonly id: string;
  /**
   * What goes through its connection, so that each claim proves it alive: one after the other, renewals of
   * the lease among them, since the driver warns where a statement is sent while another is under way.
   */
  ask<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** Aborted, with the reason, when the connection or the lease is lost. */
  readonly lost: AbortSignal;
  /** Gives it up in good order. */
  leave(): Promise<void>;
};

/** What a membership is made of. */
export type MembershipOptions = {
  readonly name: string;
  /** Whose runs it takes up; null: every agent's. */
  readonly agents: readonly string[] | null;
  readonly concurrency: number;
  readonly leaseMs: number;
  /** Called with the payload of each notification. */
  readonly hear: (payload: string) => void;
};

/** Rows of workers that died are kept this long, for whoever asks what happened. */
const DEAD_KEPT = "1 day";
/** A renewal is tried this often in one lease, and given as long to be answered. */
const RENEWALS_PER_LEASE = 3;

/** Connects, takes the lock, listens, and renews the lease until left or lost. */
export async function join(db: Database, options: MembershipOptions): Promise<Membership> {
  const session = await db.session();
  try {
    const id = await within(options.leaseMs, enrol(session, options));
    return keep(session, id, options);
  } catch (error) {
    session.destroy();
    throw error;
  }
}

async function enrol(session: Session, options: MembershipOptions): Promise<string> {
  // Lets Postgres notice within 15 s that the machine at the other end is gone; no effect on a local socket.
  // And what it looks for is read by index, also where its plans were made when there were hardly any runs.
  await session.query(
    `set tcp_keepalives_idle = 5; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 2;
     set enable_seqscan = off;
     listen ${channel};
     delete from factotum.workers where lease_until < clock_timestamp() - interval '${DEAD_KEPT}'`,
  );
  const { rows } = await session.query<{ id: string }>(
    `insert into factotum.workers (name, lease_until, agents, concurrency)
     values ($1, clock_timestamp() + $2 * interval '1 millisecond', $3, $4) returning id`,
    [options.name, options.leaseMs, options.agents, options.concurrency],
  );
  const id = must(rows[0], "the new worker's row").id;
  await session.query("select pg_advisory_lock(factotum.worker_lock_key($1))", [id]);
  return id;
}

function keep(session: Session, id: string, options: MembershipOptions): Membership {
  const controller = new AbortController();
  const { client } = session;
  const ask = oneAtATime(session);
  const hear = (message: { payload?: string | undefined }): void => options.hear(message.payload ?? "");
  const fail = (error?: Error): void =>
    lose(error === undefined ? "the connection was closed" : error.message);
  const close = (): void => {
    clearInterval(renewing);
    client.off("notification", hear);
    client.off("error", fail);
    client.off("end", fail);
    session.destroy();
  };
  const lose = (because: string): void => {
    if (controller.signal.aborted) return;
    controller.abort(new Error(because));
    close();
  };
  const everyMs = options.leaseMs / RENEWALS_PER_LEASE;
  const renewing = setInterval(() => {
    const renewed = ask((mine) => renew(mine, id, options.leaseMs));
    void within(everyMs, renewed).catch(fail);
  }, everyMs);
  client.on("notification", hear);
  client.on("error", fail);
  client.on("end", fail);
  return {
    id,
    ask,
    lost: controller.signal,
    leave: async () => {
      if (controller.signal.aborted) return;
      const farewell = `with gone as (delete from factotum.workers where id = $1 returning id)
        select pg_advisory_unlock(factotum.worker_lock_key(id)) from gone`;
      await ask((mine) => mine.query(farewell, [id])).catch(() => undefined);
      lose("the worker left");
    },
  };
}

/** What is asked waits for the answer to what was asked before. */
function oneAtATime(session: Session): Membership["ask"] {
  let last: Promise<unknown> = Promise.resolve();
  return async (work) => {
    const mine = last.then(() => work(session));
    last = mine.catch(() => undefined);
    return await mine;
  };
}

/** Throws when the lease has run out. */
async function renew(session: Session, id: string, leaseMs: number): Promise<void> {
  const { rowCount } = await session.query(
    `update factotum.workers set lease_until = clock_timestamp() + $2 * interval '1 millisecond'
     where id = $1 and lease_until > clock_timestamp()`,
    [id, leaseMs],
  );
  if (rowCount === 0) throw new Error("its lease ran out: the process stood still for too long");
}

/** The promise, unless it takes too long: a cut network gives no answer at all. */
async function within<T>(answerMsMax: number, answer: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const tooLate = (): void => late.reject(new Error(`Postgres did not answer within ${answerMsMax} ms`));
  const timer = setTimeout(tooLate, answerMsMax);
  return await Promise.race([answer, late.promise]).finally(() => clearTimeout(timer));
}
