import { type Clock, systemClock } from "../kernel/index.ts";
import type { Transaction } from "./connections.ts";

/** How the business clock runs on from now: from `at` (default: where it is), `rate` times real time. */
export type ClockSetting = { readonly at?: Date; readonly rate?: number };

type Asker = Pick<Transaction, "query">;

/** Sets the clock that `factotum.now()` reads, for everyone who uses this database; writes factotum.clock. */
export async function setClock(db: Asker, setting: ClockSetting): Promise<void> {
  await db.query(
    `insert into factotum.clock as c (anchor_real, anchor_at, rate)
     values (now(), coalesce($1::timestamptz, factotum.now()), $2)
     on conflict (only_row) do update
       set anchor_real = excluded.anchor_real, anchor_at = excluded.anchor_at, rate = excluded.rate`,
    [setting.at ?? null, setting.rate ?? 1],
  );
}

/** Puts the clock back on real time. */
export async function resetClock(db: Asker): Promise<void> {
  await db.query("delete from factotum.clock");
}

/** The same clock without a query each time: read once, so a later `setClock` needs a new one. */
export async function databaseClock(db: Asker): Promise<Clock> {
  const before = systemClock.now().getTime();
  const { rows } = await db.query<{ real: Date; at: Date; rate: number }>(
    `select clock_timestamp() as real, factotum.now() as at,
            coalesce((select rate from factotum.clock), 1) as rate`,
  );
  const at = rows[0]?.at.getTime() ?? before;
  const rate = rows[0]?.rate ?? 1;
  return { now: () => new Date(at + (systemClock.now().getTime() - before) * rate) };
}
