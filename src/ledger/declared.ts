import { InputError, type MicroUsd, microUsd } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { type BeyondSoft, type BudgetPeriod, type BudgetTerms, putBudget } from "./budgets.ts";
import { millionths } from "./decimal.ts";

/** A budget as a configuration states it; amounts are decimal US dollars, such as `"12.50"`. */
export type DeclaredBudget = {
  readonly capUsd?: string;
  readonly softUsd?: string;
  readonly beyondSoft?: BeyondSoft;
  readonly period?: BudgetPeriod;
  readonly timeZone?: string;
};

/** Budgets by their place in the tree, such as `company/acme/desk`. */
export type DeclaredBudgets = { readonly [name: string]: DeclaredBudget };

/**
 * Applies what a configuration says of its budgets, each only where that has changed since it was last
 * applied, so that a cap which a person raised meanwhile stays raised. Writes factotum.budgets.
 *
 * @throws {InputError} `usd-invalid`, and what `putBudget` throws
 */
export async function applyDeclared(tx: Transaction, budgets: DeclaredBudgets): Promise<void> {
  // The roots first, as whoever moves a balance takes them; then parents before children, always in one
  // order: two processes that start at once never deadlock.
  await tx.query("select from factotum.budgets where name = any ($1) order by id for update", [
    Object.keys(budgets).map((name) => name.split("/")[0]),
  ]);
  for (const name of Object.keys(budgets).sort()) {
    const said = budgets[name] ?? {};
    const declared = JSON.stringify(said);
    const { rows } = await tx.query(
      "select from factotum.budgets where name = $1 and declared = $2::jsonb for update",
      [name, declared],
    );
    if (rows.length > 0) continue;
    const id = await putBudget(tx, name, termsOf(said));
    await tx.query("update factotum.budgets set declared = $2 where id = $1", [id, declared]);
  }
}

/** Where the configuration says nothing, there is no limit: what it once said is taken back. */
function termsOf({ capUsd, softUsd, beyondSoft, period, timeZone }: DeclaredBudget): BudgetTerms {
  return {
    cap: capUsd === undefined ? null : parseUsd(capUsd),
    soft: softUsd === undefined ? null : parseUsd(softUsd),
    beyondSoft: beyondSoft ?? "warn",
    period: period ?? "ever",
    timeZone: timeZone ?? "UTC",
  };
}

const AMOUNT = /^\d{1,12}(\.\d{1,6})?$/;

/** Dollars typed by a person: `5`, `5.00`, `0.000001`. @throws {InputError} `usd-invalid` */
export function parseUsd(text: string): MicroUsd {
  const units = AMOUNT.test(text) ? millionths(text) : null;
  if (units !== null) return microUsd(units);
  throw new InputError({
    code: "usd-invalid",
    message: `${text} is no amount in US dollars; write a decimal of up to six places, such as 5.00`,
  });
}
