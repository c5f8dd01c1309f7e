import { type Brand, InputError, type MicroUsd, microUsd, must } from "../kernel/index.ts";
import { sqlStateOf, type Transaction } from "../postgres/index.ts";

/** A budget's row. */
export type BudgetId = Brand<string, "BudgetId">;

/** How long a budget lasts until it is whole again. */
export type BudgetPeriod = "ever" | "hour" | "day" | "month";

/** What a budget allows. Whatever is left out stays as it is, or is without limit in a new one. */
export type BudgetTerms = {
  /** The most that may be spent and held in one period, in micro-USD; null for no cap of its own. */
  readonly cap?: MicroUsd | null;
  readonly period?: BudgetPeriod;
  /** Where days and months begin, such as `Europe/Berlin`; UTC unless told. */
  readonly timeZone?: string;
  /** Spent and held beyond this, calls go on but `beyondSoft` happens; null for no such limit. */
  readonly soft?: MicroUsd | null;
  readonly beyondSoft?: BeyondSoft;
};

/** What happens beyond a soft limit: a line in the log, or attempts begin with the cheapest model only. */
export type BeyondSoft = "warn" | "degrade";

/** A budget and how it stands. */
export type Budget = {
  readonly id: BudgetId;
  /** From the root, joined by slashes: `company/acme/desk`. */
  readonly name: string;
  readonly cap: MicroUsd | null;
  readonly soft: MicroUsd | null;
  readonly beyondSoft: BeyondSoft;
  readonly period: BudgetPeriod;
  /** Set aside for calls under way, here and below. */
  readonly held: MicroUsd;
  /** Spent in this period, here and below. */
  readonly spent: MicroUsd;
};

const NAME = /^[^/]+(\/[^/]+)*$/;
const DEPTH_MAX = 8;
const NAME_LENGTH_MAX = 500;

/**
 * Makes a budget, and those above it that are missing (without a cap), or changes its terms. Writes
 * factotum.budgets.
 *
 * @param name its place in the tree: `company/acme/desk/run-7`
 * A new period counts what was spent since it began.
 *
 * @throws {InputError} `budget-name`, `budget-invalid` for a negative limit or an unknown time zone;
 * `budget-below-spent` where a cap would be less than what is gone
 */
export async function putBudget(tx: Transaction, name: string, terms: BudgetTerms = {}): Promise<BudgetId> {
  const levels = name.split("/");
  if (!NAME.test(name) || levels.length > DEPTH_MAX || name.length > NAME_LENGTH_MAX) {
    throw new InputError({
      code: "budget-name",
      message: `budget ${name} needs 1 to ${DEPTH_MAX} names joined by slashes, such as company/acme`,
    });
  }
  expectValid(name, terms);
  // The root's lock, as whoever moves a balance takes it first.
  await tx.query("select from factotum.budgets where name = $1 for update", [levels[0]]);
  let parent: BudgetId | null = null;
  for (let depth = 1; depth < levels.length; depth += 1) {
    parent = await ensure(tx, levels.slice(0, depth).join("/"), parent);
  }
  const id = await ensure(tx, name, parent);
  await change(tx, id, name, terms);
  return id;
}

function expectValid(name: string, { cap, soft, timeZone = "UTC" }: BudgetTerms): void {
  const isNegative = (cap ?? 0n) < 0n || (soft ?? 0n) < 0n;
  if (!isNegative && isTimeZone(timeZone)) return;
  throw new InputError({
    code: "budget-invalid",
    message: isNegative
      ? `budget ${name} cannot have a limit below 0`
      : `budget ${name} names time zone ${timeZone}, which is not known; write one such as Europe/Berlin`,
  });
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

async function ensure(tx: Transaction, name: string, parent: BudgetId | null): Promise<BudgetId> {
  const found = await tx.query<{ id: BudgetId }>("select id from factotum.budgets where name = $1", [name]);
  if (found.rows[0] !== undefined) return found.rows[0].id;
  const { rows } = await tx.query<{ id: BudgetId }>(
    `with next as (select nextval(pg_get_serial_sequence('factotum.budgets', 'id')) as id)
     insert into factotum.budgets (id, name, parent, path) overriding system value
     select next.id, $1, $2::bigint,
       coalesce((select path from factotum.budgets where id = $2), '{}') || next.id from next
     on conflict on constraint budgets_name_unique do update set name = excluded.name
     returning id`,
    [name, parent],
  );
  return must(rows[0], `the row of budget ${name}`).id;
}

async function change(tx: Transaction, id: BudgetId, name: string, terms: BudgetTerms): Promise<void> {
  try {
    await tx.query("savepoint budget");
    await tx.query("select set_config('factotum.teller', 'on', true)");
    await tx.query(
      `with terms as (
         select b.id, coalesce($4, b.period) as period, coalesce($5, b.time_zone) as zone,
           coalesce($4, b.period) = b.period and coalesce($5, b.time_zone) = b.time_zone as stays
         from factotum.budgets b where b.id = $1)
       update factotum.budgets set
         cap_micro_usd = case when $2 then $3::bigint else cap_micro_usd end,
         period = t.period, time_zone = t.zone,
         soft_micro_usd = case when $6 then $7::bigint else soft_micro_usd end,
         beyond_soft = coalesce($8, beyond_soft),
         period_start = case when t.stays then period_start
           else factotum.period_start(t.period, t.zone) end,
         spent_micro_usd = case when t.stays then spent_micro_usd else (
           select coalesce(sum(s.spent_micro_usd), 0)
           from factotum.spent_of s join factotum.budgets l on l.id = s.leaf
           where t.id = any (l.path) and s.at >= factotum.period_start(t.period, t.zone)) end
       from terms t where budgets.id = t.id`,
      [
        ...[id, terms.cap !== undefined, terms.cap ?? null, terms.period ?? null, terms.timeZone ?? null],
        ...[terms.soft !== undefined, terms.soft ?? null, terms.beyondSoft ?? null],
      ],
    );
    await tx.query("select set_config('factotum.teller', 'off', true)");
    await tx.query("release savepoint budget");
  } catch (error) {
    await tx.query("rollback to savepoint budget");
    if (sqlStateOf(error) !== "23514") throw error;
    throw new InputError({
      code: "budget-below-spent",
      message:
        `budget ${name} cannot be capped at ${terms.cap ?? 0n} micro-USD: more than that is spent or held ` +
        "already; cap it at what is gone to stop all further spending",
      cause: error,
    });
  }
}

type BudgetRow = Omit<Budget, "cap" | "soft" | "held" | "spent"> & {
  readonly cap: string | null;
  readonly soft: string | null;
  readonly held: string;
  readonly spent: string;
};

const SELECT = `
  select n.id, n.name, n.cap_micro_usd as cap, n.soft_micro_usd as soft, n.beyond_soft as "beyondSoft",
    n.period, n.held_micro_usd as held,
    case when n.period_start < factotum.period_start(n.period, n.time_zone) then 0
      else n.spent_micro_usd end as spent
  from factotum.budgets n`;

/** The budgets at and below a place in the tree, or all, parents first. */
export async function listBudgets(
  tx: Pick<Transaction, "query">,
  below?: string,
): Promise<readonly Budget[]> {
  return standingOf(
    tx,
    "where $1::text is null or n.name = $1 or starts_with(n.name, $1 || '/') order by n.path",
    [below ?? null],
  );
}

/** Budgets as they stand, read by the rest of a query after `from factotum.budgets n`. */
export async function standingOf(
  tx: Pick<Transaction, "query">,
  which: string,
  params: readonly unknown[],
): Promise<readonly Budget[]> {
  const { rows } = await tx.query<BudgetRow>(`${SELECT} ${which}`, params);
  return rows.map(budgetFrom);
}

/** What is left until a budget's cap; null where it has none. */
export function leftOf({ cap, spent, held }: Pick<Budget, "cap" | "spent" | "held">): MicroUsd | null {
  return cap === null ? null : microUsd(cap - spent - held);
}

function budgetFrom({ cap, soft, held, spent, ...row }: BudgetRow): Budget {
  return {
    ...row,
    cap: cap === null ? null : microUsd(BigInt(cap)),
    soft: soft === null ? null : microUsd(BigInt(soft)),
    held: microUsd(BigInt(held)),
    spent: microUsd(BigInt(spent)),
  };
}

/** One budget. @throws {InputError} `budget-unknown` */
export async function budgetOf(tx: Pick<Transaction, "query">, id: BudgetId): Promise<Budget> {
  const { rows } = await tx.query<{ name: string }>("select name from factotum.budgets where id = $1", [id]);
  const found = rows[0] === undefined ? undefined : (await listBudgets(tx, rows[0].name))[0];
  if (found !== undefined) return found;
  throw new InputError({
    code: "budget-unknown",
    message: `there is no budget ${id}; make it with putBudget`,
  });
}

/** A balance that is not the sum of its rows. */
export type Imbalance = {
  readonly name: string;
  readonly what: "held" | "spent";
  readonly balance: string;
  readonly sum: string;
};

/**
 * Holds every balance against the sum of the rows behind it: what is held against open holds, what is spent
 * against the spendings of the period. Reads factotum.budgets, holds and spendings in one snapshot.
 *
 * @returns the balances that are off; none, unless somebody wrote past the ledger's functions
 */
export async function auditBudgets(tx: Pick<Transaction, "query">): Promise<readonly Imbalance[]> {
  const { rows } = await tx.query<Imbalance>(
    `with held as (
       select node, sum(h.amount_micro_usd) as sum from factotum.holds h
       join factotum.budgets b on b.id = any (h.budget || h.also), unnest(b.path) node group by node),
     spent as (
       select node, sum(s.spent_micro_usd) as sum from factotum.spent_of s
       join factotum.budgets b on b.id = s.leaf cross join unnest(b.path) node
       join factotum.budgets n on n.id = node and s.at >= n.period_start group by node)
     select b.name, x.what, x.balance::text, x.sum::text from factotum.budgets b
     left join held on held.node = b.id left join spent on spent.node = b.id,
     lateral (values ('held', b.held_micro_usd, coalesce(held.sum, 0)),
       ('spent', b.spent_micro_usd, coalesce(spent.sum, 0))) x (what, balance, sum)
     where x.balance <> x.sum order by b.path`,
  );
  return rows;
}
