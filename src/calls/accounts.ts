import { type MicroUsd, microUsd } from "../kernel/index.ts";
import {
  bookLooseCalls,
  type BudgetId,
  type HoldId,
  type LooseBooking,
  openPurse,
  openTeller,
  type Purse,
  settleLater,
} from "../ledger/index.ts";
import type { Database, Transaction } from "../postgres/index.ts";

export type { Taken, Taking } from "../ledger/index.ts";

/** The ledger, as one needs it who calls models for others, without runs. */
export type Accounts = {
  /** The purse over a budget; the same one whenever it is asked for. */
  purse(budget: string): Purse;
  /** Books tries in the caller's own transaction. */
  book(tx: Transaction, bookings: readonly LooseBooking[]): Promise<void>;
  /**
   * Ends slices whose process died: what `known` says of one is spent, and the rest is spent as well, since
   * nobody knows which calls were out. Until then they count in full, too.
   *
   * @returns the slices ended
   */
  reconcile(known: (tx: Transaction, slice: string) => Promise<MicroUsd>): Promise<readonly LostSlice[]>;
  close(): Promise<void>;
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
  const purses = new Map<string, Purse>();
  let slices = 0;
  const nextId = (): HoldId => {
    slices += 1;
    return `${SLICES}${options.nonce}-${slices}` as HoldId;
  };
  const { sliceMax, say } = options;
  const open = (budget: string): Purse => {
    const purse = openPurse(teller, {
      ...{ budget: budget as BudgetId, nextId },
      ...(sliceMax !== undefined && { sliceMax }),
      ...(say !== undefined && { say }),
    });
    purses.set(budget, purse);
    return purse;
  };
  return {
    purse: (budget) => purses.get(budget) ?? open(budget),
    book: bookLooseCalls,
    reconcile: (known) => db.transaction((tx) => endLost(tx, known)),
    async close() {
      await Promise.all([...purses.values()].map((purse) => purse.close()));
      await teller.close();
    },
  };
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
