import type { Transaction } from "../postgres/index.ts";
import { type Budget, type BudgetId, standingOf } from "./budgets.ts";

/**
 * The root of the tree of budgets by model: `models/ENDPOINT/MODEL`, as a model's id is. Every call of a
 * model counts there, whoever makes it, beside the tree that its run or key spends from.
 */
export const MODELS_BUDGET = "models";

/** The budgets that a call of a model counts in, as far as they are there: the lowest is spent from. */
export function modelBudgetNames(model: string): readonly string[] {
  const levels = [MODELS_BUDGET, ...model.split("/")];
  return levels.map((_, at) => levels.slice(0, at + 1).join("/"));
}

/** What of a model's call is asked: its own budgets lie in a tree of their own. */
export type CallBudgets = { readonly budget: BudgetId | null; readonly model: string };

const LEAF = `select b.id from factotum.budgets b where b.name = any ($2)
    and b.path[1] is distinct from (select own.path[1] from factotum.budgets own where own.id = $1)
  order by cardinality(b.path) desc limit 1`;

/** The budget of its model that a call is spent from, beside its own; null where none is in force. */
export async function modelBudgetOf(
  tx: Pick<Transaction, "query">,
  { budget, model }: CallBudgets,
): Promise<BudgetId | null> {
  const { rows } = await tx.query<{ id: BudgetId }>(LEAF, [budget, modelBudgetNames(model)]);
  return rows[0]?.id ?? null;
}

/** All budgets that must have room for a call: its own tree's from the root, then its model's. */
export async function budgetsOfCall(
  tx: Pick<Transaction, "query">,
  { budget, model }: CallBudgets,
): Promise<readonly Budget[]> {
  return standingOf(
    tx,
    `join factotum.budgets b on n.id = any (b.path) where b.id = $1 or b.id = (${LEAF})
     order by b.id is distinct from $1, cardinality(n.path)`,
    [budget, modelBudgetNames(model)],
  );
}

/** The budgets of models that are there, by name: for one who may not ask for each call. */
export async function listModelBudgets(
  tx: Pick<Transaction, "query">,
): Promise<ReadonlyMap<string, BudgetId>> {
  const { rows } = await tx.query<{ id: BudgetId; name: string }>(
    `select b.id, b.name from factotum.budgets r join factotum.budgets b on r.id = b.path[1]
     where r.name = $1 and r.parent is null`,
    [MODELS_BUDGET],
  );
  return new Map(rows.map(({ id, name }) => [name, id]));
}

/** Which of some budgets are beyond a soft limit, here or above, that asks for cheaper models. */
export async function degradedAmong(
  tx: Pick<Transaction, "query">,
  ids: readonly BudgetId[],
): Promise<ReadonlySet<BudgetId>> {
  const { rows } = await tx.query<{ id: BudgetId }>(
    `select distinct b.id from factotum.budgets b join factotum.budgets n on n.id = any (b.path)
     where b.id = any ($1) and n.beyond_soft = 'degrade' and n.soft_micro_usd < n.held_micro_usd
       + case when n.period_start < factotum.period_start(n.period, n.time_zone) then 0
         else n.spent_micro_usd end`,
    [ids],
  );
  return new Set(rows.map(({ id }) => id));
}
