import { InputError } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { Reader } from "./run.ts";

/** By what there are limits. */
export const limitKinds = ["tenant", "agent", "provider"] as const;

/** How much of one tenant's, agent's or provider's work is taken up, by all workers together. */
export type Limit = {
  readonly kind: (typeof limitKinds)[number];
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

/** A limit as it stands. */
export type LimitLine = Limit & {
  /** The project whose configuration declares it; null: a person put it. */
  readonly declaredBy: string | null;
};

const BOUND_MAX = 1_000_000;

/**
 * The limit, if it can be one.
 *
 * @throws {InputError} `limit-invalid`
 */
export function checkLimit(limit: Limit): Limit {
  const because = problemOf(limit);
  if (because === undefined) return limit;
  const message = `the limit of ${limit.kind} ${limit.name} cannot be: ${because}`;
  throw new InputError({ code: "limit-invalid", message });
}

function problemOf({ name, atOnce, perMinute }: Limit): string | undefined {
  if (name === "") return "it needs a name, or * for each that has no limit of its own";
  if (atOnce === undefined && perMinute === undefined) {
    return "it must say how many at once, or how many a minute";
  }
  if (!isBound(atOnce, 0) || !isBound(perMinute, 1)) {
    return `at once is a whole number from 0, a minute from 1, both up to ${BOUND_MAX}`;
  }
  return name === "*" && perMinute !== undefined ? "only a name of its own can have a rate" : undefined;
}

function isBound(value: number | undefined, min: number): boolean {
  return value === undefined || (Number.isInteger(value) && value >= min && value <= BOUND_MAX);
}

/**
 * Puts a limit, in place of one of the same kind and name, when `tx` commits; exact for all that is taken up
 * from then on, whichever worker takes it. Runs in hand already stay there.
 *
 * @throws {InputError} `limit-invalid`
 */
export async function setLimit(tx: Transaction, limit: Limit): Promise<void> {
  await put(tx, checkLimit(limit), null);
}

/**
 * Puts the limits that a project declares in place, when `tx` commits, and lifts those that it declared and
 * no longer does. What a person put on another name stays.
 */
export async function declareLimits(
  tx: Transaction,
  project: string,
  limits: readonly Limit[],
): Promise<void> {
  await tx.query(
    `delete from factotum.limits l where declared_by = $1 and not exists (
       select from unnest($2::text[], $3::text[]) as d (kind, name)
       where d.kind = l.kind and d.name = l.name)`,
    [project, limits.map((limit) => limit.kind), limits.map((limit) => limit.name)],
  );
  for (const limit of limits) await put(tx, checkLimit(limit), project);
}

/** What is as it was is left alone, so that the tokens of a rate are not given twice. */
async function put(tx: Transaction, limit: Limit, declaredBy: string | null): Promise<void> {
  await tx.query(
    `insert into factotum.limits as l (kind, name, at_once, per_minute, declared_by)
     values ($1, $2, $3, $4, $5)
     on conflict on constraint limits_pkey do update
       set at_once = excluded.at_once, per_minute = excluded.per_minute, declared_by = excluded.declared_by
       where (l.at_once, l.per_minute, l.declared_by)
         is distinct from (excluded.at_once, excluded.per_minute, excluded.declared_by)`,
    [limit.kind, limit.name, limit.atOnce ?? null, limit.perMinute ?? null, declaredBy],
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
export async function listLimits(tx: Reader): Promise<readonly LimitLine[]> {
  const { rows } = await tx.query<{
    kind: Limit["kind"];
    name: string;
    at_once: number | null;
    per_minute: number | null;
    declared_by: string | null;
  }>("select kind, name, at_once, per_minute, declared_by from factotum.limits order by kind, name");
  return rows.map(({ kind, name, at_once, per_minute, declared_by }) => ({
    ...{ kind, name, declaredBy: declared_by },
    ...(at_once !== null && { atOnce: at_once }),
    ...(per_minute !== null && { perMinute: per_minute }),
  }));
}
