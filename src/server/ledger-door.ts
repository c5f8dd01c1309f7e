import {
  type Margin,
  type MarginKey,
  margins,
  ROOT_BUDGET,
  routingSaved,
  type RoutingSaved,
} from "../agents/index.ts";
import { InputError } from "../kernel/index.ts";
import {
  type AccountBalance,
  type AccountFilter,
  applyDeclared,
  auditBalances,
  auditBudgets,
  type BalanceOff,
  type Budget,
  type BudgetTerms,
  type DeclaredBudgets,
  type Entry,
  type EntryFilter,
  type EntryId,
  type Forecast,
  forecastBudgets,
  type Imbalance,
  listAccounts,
  listBudgets,
  listEntries,
  listPostings,
  MODELS_BUDGET,
  type Posting,
  type PostingPage,
  putBudget,
  ratesOf,
  type Statement,
  totals,
  type TrialBalance,
  trialBalance,
} from "../ledger/index.ts";
import type { ModelCard } from "../models/index.ts";
import type { Database, Transaction } from "../postgres/index.ts";

const TREES = [ROOT_BUDGET, MODELS_BUDGET];

/** A budget, how it stands, and when it will be reached. */
export type BudgetLine = Budget & { readonly forecast: Forecast | null };

/** Which part of the ledger: by run, agent, tenant and business time. */
export type LedgerFilter = Omit<EntryFilter, "attempt">;

/** A page of entries. */
export type EntryPage = { readonly after?: EntryId; readonly limit: number };

/** All of a filter, and what routing saved where a priced model is configured. */
export type LedgerSummary = { readonly statement: Statement; readonly routing: RoutingSaved | null };

/** All accounts added up, and what does not add up: nothing, unless somebody wrote past the guards. */
export type LedgerAudit = {
  readonly units: readonly TrialBalance[];
  /** Balances of an hour that was closed. */
  readonly balancesOff: readonly BalanceOff[];
  readonly budgetsOff: readonly Imbalance[];
};

/** What people and programs may ask of the ledger, and change of its budgets. */
export type LedgerDoor = {
  /** What the entries of a filter come to, and what the cascade is estimated to have saved. */
  summary(filter?: LedgerFilter): Promise<LedgerSummary>;
  entries(filter: LedgerFilter, page: EntryPage): Promise<readonly Entry[]>;
  margins(by: MarginKey, filter?: LedgerFilter): Promise<readonly Margin[]>;
  /** Balances of accounts in every unit: double entry of calls, outcomes and transfers. */
  accounts(filter?: AccountFilter): Promise<readonly AccountBalance[]>;
  /** Debits and credits of all accounts by unit, and every kept balance that is not what was booked. */
  trialBalance(): Promise<LedgerAudit>;
  /** The bookings that accounts' balances are the sum of. */
  postings(filter: AccountFilter, page: PostingPage): Promise<readonly Posting[]>;
  budgets(below?: string): Promise<readonly BudgetLine[]>;
  /** Makes or changes a budget; at work in every process from the next model call on. */
  setBudget(name: string, terms: BudgetTerms): Promise<BudgetLine>;
};

/** Makes the door; `strongest` tells the last model of the ladder, as it is priced now. */
export function makeLedgerDoor(db: Database, strongest: () => ModelCard | undefined): LedgerDoor {
  return {
    summary: (filter = {}) =>
      db.transaction(
        async (tx) => ({
          statement: await totals(tx, filter),
          routing: await routing(tx, strongest(), filter),
        }),
        { readOnly: true },
      ),
    entries: (filter, page) => listEntries(db, filter, page),
    margins: (by, filter = {}) => margins(db, by, filter),
    accounts: (filter) => db.transaction((tx) => listAccounts(tx, filter), { readOnly: true }),
    trialBalance: () =>
      db.transaction(
        async (tx) => ({
          units: await trialBalance(tx),
          balancesOff: await auditBalances(tx),
          budgetsOff: await auditBudgets(tx),
        }),
        { isolation: "repeatable read", readOnly: true },
      ),
    postings: (filter, page) => listPostings(db, filter, page),
    budgets: (below) => db.transaction((tx) => budgetLines(tx, below), { readOnly: true }),
    setBudget: (name, terms) =>
      db.transaction(async (tx) => {
        checkName(name);
        await putBudget(tx, name, terms);
        const lines = await budgetLines(tx, name);
        return lines.find((line) => line.name === name) ?? missing(name);
      }),
  };
}

/** Applies the budgets of a configuration. @throws {InputError} `budget-name`, `usd-invalid` */
export async function applyBudgets(tx: Transaction, budgets: DeclaredBudgets): Promise<void> {
  for (const name of Object.keys(budgets)) checkName(name);
  await applyDeclared(tx, budgets);
}

async function routing(
  tx: Transaction,
  strongest: ModelCard | undefined,
  filter: LedgerFilter,
): Promise<RoutingSaved | null> {
  if (strongest === undefined) return null;
  const { rows } = await tx.query<{ at: Date }>("select factotum.now() as at");
  const found = ratesOf(strongest, rows[0]?.at ?? new Date(0));
  if (found.kind === "missing") return null;
  return routingSaved(tx, { id: strongest.id, rates: found.rates }, filter);
}

async function budgetLines(tx: Transaction, below: string | undefined): Promise<readonly BudgetLine[]> {
  const forecasts = new Map((await forecastBudgets(tx)).map((one) => [one.name, one]));
  const budgets = await listBudgets(tx, below);
  return budgets.map((budget) => ({ ...budget, forecast: forecasts.get(budget.name) ?? null }));
}

/** Calls spend from these trees only; a budget beside them would hold nothing back, and look as if it did. */
function checkName(name: string): void {
  if (TREES.some((root) => name === root || name.startsWith(`${root}/`))) return;
  throw new InputError({
    code: "budget-name",
    message:
      `budget ${name} holds no run back: name it ${ROOT_BUDGET}, ${ROOT_BUDGET}/TENANT or ` +
      `${ROOT_BUDGET}/TENANT/AGENT, where the tenant of one business is default, or ${MODELS_BUDGET}/MODEL`,
  });
}

function missing(name: string): never {
  throw new InputError({ code: "budget-unknown", message: `there is no budget ${name}` });
}
