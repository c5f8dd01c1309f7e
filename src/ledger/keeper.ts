import { must } from "../kernel/index.ts";
import type { Database, Session } from "../postgres/index.ts";

/** A process that holds money: alive while its lease runs or its connection holds the lock on its id. */
export type Keeper = {
  readonly id: string;
  leave(): Promise<void>;
};

const RENEWALS_PER_LEASE = 3;

/**
 * Enrols a keeper and keeps it alive. Both signs must be gone before anybody takes it for dead: the lock
 * alone is lost in a restart of Postgres, the lease alone runs out in a process that stands still.
 */
export async function keep(
  db: Database,
  options: { readonly name: string; readonly leaseMs: number },
): Promise<Keeper> {
  const { rows } = await db.query<{ id: string }>(
    `insert into factotum.keepers (name, alive_until)
     values ($1, clock_timestamp() + $2 * interval '1 millisecond') returning id`,
    [options.name, options.leaseMs],
  );
  const { id } = must(rows[0], "the new keeper's row");
  let session: Session | undefined = await lock(db, id);
  let renewing: Promise<void> | undefined;
  const renew = async (): Promise<void> => {
    try {
      await must(session, "session").query(RENEW, [id, options.name, options.leaseMs]);
    } catch {
      session?.destroy();
      session = undefined;
      session = await lock(db, id).catch(() => undefined);
      await session?.query(RENEW, [id, options.name, options.leaseMs]).catch(() => undefined);
    }
  };
  const timer = setInterval(() => {
    renewing ??= renew().finally(() => {
      renewing = undefined;
    });
  }, options.leaseMs / RENEWALS_PER_LEASE);
  timer.unref();
  return {
    id,
    async leave() {
      clearInterval(timer);
      await renewing;
      // Not destroyed: Postgres would free the lock only when it sees that nobody is there any more.
      await session?.release();
      // Its open holds are orphans from now on.
      await db.query("update factotum.keepers set alive_until = '-infinity' where id = $1", [id]);
    },
  };
}

/** A keeper that was taken for dead while it stood still has lost its holds, and enrols again. */
const RENEW = `insert into factotum.keepers (id, name, alive_until) overriding system value
  values ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
  on conflict (id) do update set alive_until = excluded.alive_until`;

async function lock(db: Database, id: string): Promise<Session> {
  const session = await db.session();
  try {
    await session.query("select pg_advisory_lock(factotum.keeper_lock_key($1))", [id]);
    return session;
  } catch (error) {
    session.destroy();
    throw error;
  }
}
