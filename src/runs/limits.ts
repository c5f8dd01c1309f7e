import type { Transaction } from "../postgres/index.ts";
import type { Reader } from "./run.ts";

/** How much of one tenant's, agent's or provider's work is taken up, by all workers together. */
export type Limit = {
  readonly kind: "tenant" | "agent" | "provider";
  /** Whose; `*`: each one's that has no limit of its own, and then without `perMinute`. */
  readonly name: string;
  /** Runs in workers' hands at once, those of workers that died included until they are taken up again. */
  readonly atOnce?: number;
  /**
   * Times that a run is taken up, in real time: over any span of t minutes at most this times t, and one
   * second's worth (at least one) at once. A run that wakes is taken up again.
   */
  readonly perMinute?: number;
};

/**
 * Puts a limit, in place of one of the same kind and name, when `tx` commits; exact for all that is taken up
 * from then on, whichever worker takes it. Runs in hand already stay there.
 */
export async function setLimit(tx: Transaction, limit: Limit): Promise<void> {
  await tx.query(
    `insert into factotum.limits (kind, name, at_once, per_minute) values ($1, $2, $3, $4)
     on conflict on constraint limits_pkey do update
       set at_once = excluded.at_once, per_minute = excluded.per_minute`,
    [limit.kind, limit.name, limit.atOnce ?? null, limit.perMinute ?? null],
  );
}

/** Lifts a limit when `tx` commits; false when there is none. */
export async function liftLimit(tx: Transaction, limit: Pick<Limit, "kind" | "name">): Promise<boolean> {
  const { rowCount } = await tx.query("delete from factotum.limits where kind = $1 and name = $2", [
    limit.kind,
    limit.name,
  ]);
  return rowCount > 0;
}

/** Every limit, by kind and name. */
export async function listLimits(tx: Reader): Promise<readonly Limit[]> {
  const { rows } = await tx.query<{
    kind: Limit["kind"];
    name: string;
    at_once: number | null;
    per_minute: number | null;
  }>("select kind, name, at_once, per_minute from factotum.limits order by kind, name");
  return rows.map(({ kind, name, at_once, per_minute }) => ({
    ...{ kind, name },
    ...(at_once !== null && { atOnce: at_once }),
    ...(per_minute !== null && { perMinute: per_minute }),
  }));
}
