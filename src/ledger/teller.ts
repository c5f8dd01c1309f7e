import { setTimeout } from "node:timers/promises";
import { type Brand, FactotumError, InputError, type MicroUsd, must } from "../kernel/index.ts";
import { type Database, isConnectionFault, PostgresError, type Transaction } from "../postgres/index.ts";
import type { BudgetId } from "./budgets.ts";
import { keep, type Keeper } from "./keeper.ts";

/** Names a hold; made by the caller before it asks, so that asking twice holds once. A call's id will do. */
export type HoldId = Brand<string, "HoldId">;

/** Money to be set aside. */
export type HoldRequest = {
  readonly id: HoldId;
  /** The leaf that it is spent from; every budget above must have room, too. */
  readonly budget: BudgetId;
  /** The most that the call can cost, in micro-USD. */
  readonly amount: MicroUsd;
  /**
   * What becomes of it when this process dies: `release` where nothing is sent without a later mark,
   * `keep` where the call may be out and costs money; it then counts until it is settled after all.
   */
  readonly ifOrphaned: "release" | "keep";
};

/** Whether a hold was made. */
export type Admission =
  | { readonly kind: "held" }
  /** No room: the first budget from the root that is full. */
  | { readonly kind: "full"; readonly budget: BudgetId };

/** The one that holds and settles money for a process. */
export type Teller = {
  /**
   * Sets money aside. Committed when it answers.
   *
   * @throws {InputError} `hold-ended` where that hold was settled or released before, `budget-unknown`
   */
  hold(request: HoldRequest): Promise<Admission>;
  /** Ends a hold with what it came to: up to its amount from the budget, the rest as our own loss. */
  settle(id: HoldId, actual: MicroUsd): Promise<void>;
  /** Folds in what turns settled, and ends what dead processes left. Happens by itself every second, too. */
  sweep(): Promise<void>;
  /** Waits for what is under way. Holds that are open stay open, and are orphans once the lease is over. */
  close(): Promise<void>;
};

/** What a teller is made of. */
export type TellerOptions = {
  /** Names the process, for people. */
  readonly name: string;
  /** After so long without a sign of life, and with its connection gone, its holds are orphans. */
  readonly leaseMs?: number;
  readonly say?: (line: string) => void;
};

/** Requests in one visit. One visit costs one commit, and all wait for it. */
const BATCH_MAX = 512;
/** Settlements of turns that are folded in on one visit. */
const QUEUE_MAX = 1_000;
const ORPHANS_MAX = 1_000;
const SWEEP_MS = 1_000;
const LEASE_MS = 15_000;
/** Pauses between tries while Postgres is away, doubled up to the last. */
const RETRY_MS_FIRST = 20;
const RETRY_MS_MAX = 1_000;
/** After so long without Postgres the callers are told. */
const AWAY_MS_MAX = 30_000;

type Asked<T> = { readonly resolve: (value: T) => void; readonly reject: (error: unknown) => void };
type Holding = Asked<Admission> & { readonly request: HoldRequest };
type Settling = Asked<void> & { readonly id: HoldId; readonly actual: MicroUsd };
type Visit = { readonly holdings: readonly Holding[]; readonly settlings: readonly Settling[] };

const TELL = "select id, verdict, budget from factotum.tell($1, $2, $3, $4, $5, $6, $7, $8)";

/**
 * Opens a teller: all holds and settlements of a process that are asked for while one visit to Postgres is
 * under way go on the next one together (group commit), since every visit locks the root of the tree.
 */
export async function openTeller(db: Database, options: TellerOptions): Promise<Teller> {
  const keeper = await keep(db, { name: options.name, leaseMs: options.leaseMs ?? LEASE_MS });
  let holdings: Holding[] = [];
  let settlings: Settling[] = [];
  let visiting: Promise<void> | undefined;
  let closed = false;

  const run = async (): Promise<void> => {
    while (holdings.length + settlings.length > 0) {
      const visit = { settlings: settlings.splice(0, BATCH_MAX), holdings: holdings.splice(0, BATCH_MAX) };
      await visitFor(db, keeper, visit);
    }
  };
  const begin = (): void => {
    // One turn of the event loop, so that callers who are answered together ask again together.
    visiting ??= new Promise<void>((resolve) => setImmediate(resolve)).then(run).finally(() => {
      visiting = undefined;
      if (holdings.length + settlings.length > 0) begin();
    });
  };
  const sweep = async (): Promise<void> => {
    await db.query("select factotum.tell($1, '{}', '{}', '{}', '{}', '{}', '{}', $2)", [
      keeper.id,
      QUEUE_MAX,
    ]);
    await db.query("select factotum.reap($1)", [ORPHANS_MAX]);
  };
  const timer = setInterval(() => {
    sweep().catch((error: unknown) => options.say?.(`the ledger's sweep failed: ${String(error)}`));
  }, SWEEP_MS);
  timer.unref();

  const idle = async (): Promise<void> => {
    if (visiting === undefined) return;
    await visiting;
    await idle();
  };
  const asking = <T>(take: (asked: Asked<T>) => void): Promise<T> => {
    if (closed) return Promise.reject(tellerClosed());
    return new Promise<T>((resolve, reject) => {
      take({ resolve, reject });
      begin();
    });
  };
  return {
    hold: (request) => asking<Admission>((asked) => holdings.push({ ...asked, request })),
    settle: (id, actual) => asking<void>((asked) => settlings.push({ ...asked, id, actual })),
    sweep,
    async close() {
      closed = true;
      clearInterval(timer);
      await idle();
      await keeper.leave();
    },
  };
}

/** One visit, tried again while Postgres is away: everything in it may be asked twice. */
async function visitFor(db: Database, keeper: Keeper, visit: Visit): Promise<void> {
  const began = performance.now();
  for (let pause = RETRY_MS_FIRST; ; pause = Math.min(pause * 2, RETRY_MS_MAX)) {
    try {
      answerAll(visit, await tell(db, keeper, visit));
      return;
    } catch (error) {
      const passing = isConnectionFault(error) || (error instanceof FactotumError && error.retry === "later");
      if (!passing || performance.now() - began > AWAY_MS_MAX) {
        for (const one of [...visit.holdings, ...visit.settlings]) one.reject(error);
        return;
      }
      await setTimeout(pause);
    }
  }
}

type Verdict = {
  readonly id: HoldId;
  readonly verdict: "full" | "ended" | "no-budget";
  readonly budget: BudgetId | null;
};

async function tell(db: Database, keeper: Keeper, visit: Visit): Promise<ReadonlyMap<HoldId, Verdict>> {
  // The same hold asked for twice at once is one hold.
  const wanted = new Map(visit.holdings.map(({ request }) => [request.id, request]));
  const requests = [...wanted.values()];
  const { rows } = await db.query<Verdict>(TELL, [
    keeper.id,
    visit.settlings.map(({ id }) => id),
    visit.settlings.map(({ actual }) => actual),
    requests.map(({ id }) => id),
    requests.map(({ budget }) => budget),
    requests.map(({ amount }) => amount),
    requests.map(({ ifOrphaned }) => ifOrphaned),
    QUEUE_MAX,
  ]);
  return new Map(rows.map((row) => [row.id, row]));
}

function answerAll(visit: Visit, verdicts: ReadonlyMap<HoldId, Verdict>): void {
  for (const one of visit.settlings) one.resolve();
  for (const { request, resolve, reject } of visit.holdings) {
    const found = verdicts.get(request.id);
    if (found === undefined) resolve({ kind: "held" });
    else if (found.verdict === "full") resolve({ kind: "full", budget: must(found.budget, "full budget") });
    else reject(refusal(request, found.verdict));
  }
}

function refusal(request: HoldRequest, verdict: "ended" | "no-budget"): InputError {
  if (verdict === "ended") {
    return new InputError({
      code: "hold-ended",
      message: `hold ${request.id} was settled or released before; a new call needs a hold of its own`,
    });
  }
  return new InputError({
    code: "budget-unknown",
    message: `hold ${request.id} names budget ${request.budget}, which is not there; make it with putBudget`,
  });
}

/**
 * Says in a turn's own transaction what a hold came to. Touches no budget, so turns never queue for one:
 * the next sweep of any teller folds it in, and until then the whole hold counts. Saying it twice changes
 * nothing. Writes factotum.settlements.
 */
export async function settleLater(tx: Transaction, id: HoldId, actual: MicroUsd): Promise<void> {
  await tx.query(
    `insert into factotum.settlements (hold, actual_micro_usd) values ($1, $2)
     on conflict on constraint settlements_pkey do nothing`,
    [id, actual],
  );
}

function tellerClosed(): PostgresError {
  return new PostgresError({
    code: "teller-closed",
    retry: "never",
    message: "this teller was closed; open another with openTeller()",
  });
}
