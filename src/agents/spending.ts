import { admit, type CallFailure, clampToBudget } from "../calls/index.ts";
import { type CallId, defaultTenant, formatUsd, microUsd, type ModelId } from "../kernel/index.ts";
import {
  type Budget,
  type BudgetId,
  budgetsOfCall,
  MODELS_BUDGET,
  openTeller,
  putBudget,
  type Teller,
} from "../ledger/index.ts";
import type { ModelCall, ModelCard } from "../models/index.ts";
import type { Database, Transaction } from "../postgres/index.ts";
import type { Run } from "../runs/index.ts";
import type { Agent } from "./agent.ts";

/** The root of the tree that runs spend from: `company/TENANT/AGENT`, and `/run-N` for an agent's own cap. */
export const ROOT_BUDGET = "company";
/** The shortest answer that is bought where a budget has no room for a longer one. */
const OUTPUT_TOKENS_MIN = 512;

/** How the runs of a process spend from budgets. */
export type Spending = {
  /** The budget that a run spends from, made where it is missing; undefined where none is in force. */
  leafOf(run: Run, agent: Agent): Promise<BudgetId | undefined>;
  /** Sets a call's worst case aside. @returns why it may not be sent */
  admit(callId: CallId): Promise<CallFailure | undefined>;
  /** Tells the people who watch the process. */
  readonly say: (line: string) => void;
  close(): Promise<void>;
};

/**
 * Opens the spending of a process. Its teller is opened by the first call that has a budget, so that a
 * project without budgets pays one look-up a run.
 *
 * @param name names the process, for people
 */
export function openSpending(
  db: Database,
  { name, say }: { readonly name: string; readonly say: (line: string) => void },
): Spending {
  let teller: Promise<Teller> | undefined;
  const open = async (): Promise<Teller> => {
    teller ??= openTeller(db, { name, say });
    try {
      return await teller;
    } catch (error) {
      teller = undefined;
      throw error;
    }
  };
  return {
    say,
    leafOf: (run, agent) => leafOf(db, run, agent),
    admit: (callId) => admit(db, { hold: async (request) => (await open()).hold(request) }, callId),
    async close() {
      const opened = await teller?.catch(() => undefined);
      // Nothing that turns settled is left for the next process to find; where Postgres is away, it will.
      await opened
        ?.sweep()
        .catch((error: unknown) => say(`the ledger's last sweep failed: ${String(error)}`));
      await opened?.close();
    },
  };
}

async function leafOf(db: Database, run: Run, agent: Agent): Promise<BudgetId | undefined> {
  const { runCap } = agent;
  const own = runBudget(run, agent);
  const name = runCap === undefined ? agentBudget(run, agent) : own;
  const { rows } = await db.query<{ id: BudgetId; name: string }>(
    "select id, name from factotum.budgets where name = any ($1)",
    [[ROOT_BUDGET, MODELS_BUDGET, name, own]],
  );
  // A person may have given a run a budget of its own that its agent does not declare.
  const leaf = rows.find((row) => row.name === own) ?? rows.find((row) => row.name === name);
  if (leaf !== undefined) return leaf.id;
  if (rows.length === 0 && runCap === undefined) return undefined;
  return db.transaction((tx) => putBudget(tx, name, runCap === undefined ? {} : { cap: runCap }));
}

/** Where all runs of an agent spend from, for the run's tenant. */
function agentBudget(run: Pick<Run, "tenant">, agent: Pick<Agent, "name">): string {
  // A tenant's name is free text; a slash in it would be another level.
  const tenant = (run.tenant ?? defaultTenant).replaceAll("/", "%2F");
  return [ROOT_BUDGET, tenant, agent.name].join("/");
}

/** The name of a run's own budget, where it has one. */
export function runBudget(run: Pick<Run, "id" | "tenant">, agent: Pick<Agent, "name">): string {
  return `${agentBudget(run, agent)}/run-${run.id}`;
}

/** What spending has to know of a run in hand. */
type Spender = {
  readonly workshop: {
    readonly db: Database;
    readonly ladder: readonly ModelId[];
    readonly spending?: Spending;
  };
  readonly run: Pick<Run, "id">;
  readonly budget?: BudgetId | undefined;
};

/** The call, cut down to what its run's budget has room for. */
export async function clamped(
  tx: Transaction,
  { budget }: Pick<Spender, "budget">,
  call: ModelCall,
  card: ModelCard,
): Promise<ModelCall> {
  return budget === undefined ? call : clampToBudget(tx, { call, card, budget }, OUTPUT_TOKENS_MIN);
}

/** What sending a run's calls asks first. */
export function admitting({ workshop }: Pick<Spender, "workshop">): Partial<Pick<Spending, "admit">> {
  const { spending } = workshop;
  return spending === undefined ? {} : { admit: (id) => spending.admit(id) };
}

/** With which model an attempt begins, for what its budgets' soft limits say. */
export type Degraded =
  | { readonly kind: "as-planned" }
  | { readonly kind: "instead"; readonly model: ModelId; readonly because: string }
  | { readonly kind: "nothing-cheaper"; readonly because: string };

/**
 * Looks at the soft limits above a run, and of its model: warns beyond them, and where one says so, lets the
 * cheapest model stand in, once a run; what it was not good enough for is then a person's.
 */
export async function degrade(w: Spender & { readonly rung: string }, card: ModelCard): Promise<Degraded> {
  const { budget, workshop } = w;
  if (budget === undefined) return { kind: "as-planned" };
  const beyond = (await budgetsOfCall(workshop.db, { budget, model: card.id })).filter(isBeyondSoft);
  for (const one of beyond) workshop.spending?.say(told(one));
  const because = beyond.find((one) => one.beyondSoft === "degrade");
  const cheapest = workshop.ladder[0];
  if (because === undefined || cheapest === undefined || cheapest === card.id) return { kind: "as-planned" };
  const said = `${told(because)}, so only ${cheapest} may be called; raise it with ${raise(because)}`;
  // On this rung it may be tried again, as after a conflict.
  const tried = await workshop.db.query(
    "select from factotum.attempts where run_id = $1 and model = $2 and rung <> $3 limit 1",
    [w.run.id, cheapest, w.rung],
  );
  if (tried.rows.length > 0) return { kind: "nothing-cheaper", because: said };
  return { kind: "instead", model: cheapest, because: said };
}

function isBeyondSoft({ soft, spent, held }: Budget): boolean {
  return soft !== null && spent + held > soft;
}

function told({ name, soft, spent, held }: Budget): string {
  const gone = formatUsd(microUsd(spent + held));
  return `budget ${name} is beyond its soft limit: ${gone} of ${formatUsd(soft ?? microUsd(0))}`;
}

function raise({ name, soft }: Budget): string {
  const doubled = formatUsd(microUsd((soft ?? 0n) * 2n)).slice(1);
  return `factotum budget set ${name} --soft ${doubled}`;
}
