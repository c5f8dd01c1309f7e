import { type MicroUsd, microUsd } from "../kernel/index.ts";
import {
  type BudgetId,
  degradedAmong,
  type HoldId,
  listModelBudgets,
  type LooseBook,
  makeLooseBook,
  modelBudgetNames,
  openPurse,
  openTeller,
  type Purse,
  settleLater,
} from "../ledger/index.ts";
import type { Database, Transaction } from "../postgres/index.ts";

export type { LooseBook, Taken, Taking } from "../ledger/index.ts";

/** The ledger, as one needs it who calls models for others, without runs. */
export type Accounts = {
  /**
   * Who pays for a call: the key's budget and the model's, as far as there are any; null for neither. The
   * same one whenever it is asked for.
   */
  payer(budget: string | null, model: string): Payer | null;
  /** Reads which models have budgets, and who is to be thrifty; what changed since is at work from now on. */
  look(): Promise<void>;
  /** A book for tries, which is written in a transaction of whoever fills it. */
  newBook(): LooseBook;
  /**
   * Ends slices whose process died: what `known` says of one is spent, and the rest is spent as well, since
   * nobody knows which calls were out. Until then they count in full, too.
   *
   * @returns the slices ended
   */
  reconcile(known: (tx: Transaction, slice: string) => Promise<MicroUsd>): Promise<readonly LostSlice[]>;
  close(): Promise<void>;
};

/** Who pays. */
type Payer = {
  readonly purse: Purse;
  /** Beyond a soft limit that asks for cheaper models. */
  readonly isThrifty: boolean;
};

/** A slice of a process that died, and what of it nobody can account for. */
export type LostSlice = { readonly slice: string; readonly unknown: MicroUsd };

const SLICES = "slice-";
const SLICES_MAX = 100;

/**
 * Opens the accounts of a process.
 *
 * @param options.name names the process, for people
 * @param options.nonce makes the names of its slices its own
 */
export async function openAccounts(
  db: Database,
  options: {
    readonly name: string;
    readonly nonce: string;
    readonly sliceMax?: MicroUsd;
    readonly leaseMs?: number;
    readonly say?: (line: string) => void;
  },
): Promise<Accounts> {
  const teller = await openTeller(db, options);
  const payers = new Map<string, Payer & { isThrifty: boolean; readonly budgets: readonly BudgetId[] }>();
  let models: ReadonlyMap<string, BudgetId> = new Map();
  let slices = 0;
  const nextId = (): HoldId => {
    slices += 1;
    return `${SLICES}${options.nonce}-${slices}` as HoldId;
  };
  const { sliceMax, say } = options;
  const look = async (): Promise<void> => {
    models = await listModelBudgets(db);
    const all = [...payers.values()];
    const degraded = await degradedAmong(
      db,
      all.flatMap(({ budgets }) => budgets),
    );
    for (const one of all) one.isThrifty = one.budgets.some((id) => degraded.has(id));
  };
  await look();
  const accounts: Accounts = {
    payer(own, model) {
      const budgets = budgetsFor(own as BudgetId | null, model, models);
      const [budget, ...also] = budgets;
      if (budget === undefined) return null;
      const found = payers.get(budgets.join());
      if (found !== undefined) return found;
      const purse = openPurse(teller, {
        ...{ budget, also, nextId },
        ...(sliceMax !== undefined && { sliceMax }),
        ...(say !== undefined && { say }),
      });
      const payer = { purse, budgets, isThrifty: false };
      payers.set(budgets.join(), payer);
      return payer;
    },
    look,
    newBook: makeLooseBook,
    reconcile: (known) => db.transaction((tx) => endLost(tx, known)),
    async close() {
      await Promise.all([...payers.values()].map(({ purse }) => purse.close()));
      await teller.close();
    },
  };
  return accounts;
}

/** A key's own budget and its model's lowest; one that is paid from a model's budget counts there once. */
function budgetsFor(
  own: BudgetId | null,
  model: string,
  models: ReadonlyMap<string, BudgetId>,
): readonly BudgetId[] {
  if (models.size === 0) return own === null ? [] : [own];
  const lowest = modelBudgetNames(model).findLast((name) => models.has(name));
  const leaf = lowest === undefined ? undefined : models.get(lowest);
  if (leaf === undefined) return own === null ? [] : [own];
  if (own === null) return [leaf];
  return [...models.values()].includes(own) ? [own] : [own, leaf];
}

async function endLost(
  tx: Transaction,
  known: (tx: Transaction, slice: string) => Promise<MicroUsd>,
): Promise<readonly LostSlice[]> {
  const { rows } = await tx.query<{ id: HoldId; amount: string }>(
    `select h.id, h.amount_micro_usd as amount from factotum.holds h
     where h.state = 'unknown' and starts_with(h.id, $1)
       and not exists (select from factotum.settlements s where s.hold = h.id)
     order by h.id limit ${SLICES_MAX}`,
    [SLICES],
  );
  const lost: LostSlice[] = [];
  for (const { id, amount } of rows) {
    const spent = await known(tx, id);
    const all = microUsd(BigInt(amount));
    await settleLater(tx, id, spent > all ? spent : all);
    lost.push({ slice: id, unknown: microUsd(spent > all ? 0n : all - spent) });
  }
  return lost;
}
