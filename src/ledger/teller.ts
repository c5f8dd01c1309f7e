import { setTimeout } from "node:timers/promises";
import { type Brand, FactotumError, InputError, type MicroUsd, must } from "../kernel/index.ts";
import {
  type Database,
  isConnectionFault,
  PostgresError,
  type Session,
  type Transaction,
} from "../postgres/index.ts";
import type { BudgetId } from "./budgets.ts";
import { keep, type Keeper } from "./keeper.ts";

/** Names a hold; made by the caller before it asks, so that asking twice holds once. A call's id will do. */
export type HoldId = Brand<string, "HoldId">;

/** Money to be set aside. */
export type HoldRequest = {
  readonly id: HoldId;
  /** The leaf that it is spent from; every budget above must have room, too. */
  readonly budget: BudgetId;
  /** Budgets of other trees that it counts on as well, such as its model's; no two under one root. */
  readonly also?: readonly BudgetId[];
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
  /** No room: the first budget from the root that is full, of its own tree before the others. */
  | { readonly kind: "full"; readonly budget: BudgetId };

/** The one that holds and settles money for a process. */
export type Teller = {
  /**
   * Sets money aside. Committed and on disk when it answers.
   *
   * @throws {InputError} `hold-ended` where that hold was settled or released before, `budget-unknown`,
   * `budgets-overlap` where two of its budgets are of one tree, `hold-invalid` for an id or an amount that
   * no hold can have
   */
  hold(request: HoldRequest): Promise<Admission>;
  /**
   * Ends a hold with what it came to: up to its amount from the budget, the rest as our own loss.
   *
   * @throws {InputError} `hold-invalid`
   */
  settle(id: HoldId, actual: MicroUsd): Promise<void>;
  /**
   * Folds in what turns settled, ends what dead processes left, and closes the balances of an hour that is
   * over. Happens by itself every second, too.
   */
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

/** Requests in one visit. */
const BATCH_MAX = 512;
/** Visits under way at once: while the disk is waited for, the next one is at the tree. */
const VISITS_MAX = 2;
/** Settlements of turns that are folded in on one visit. */
const QUEUE_MAX = 1_000;
const ORPHANS_MAX = 1_000;
const SWEEP_MS = 1_000;
/** Whether an hour is over is asked every so manieth sweep, the first among them. */
const SWEEPS_PER_CLOSING = 60;
const LEASE_MS = 15_000;
/** A billion dollars in micro-USD: sums of as many as fit into a table stay within a bigint. */
const AMOUNT_MAX = 1_000_000_000_000_000n;
const ID_LENGTH_MAX = 500;
const BUDGET_ID = /^\d{1,18}$/;
/** Pauses between tries while Postgres is away, doubled up to the last. */
const RETRY_MS_FIRST = 20;
const RETRY_MS_MAX = 1_000;
/** After so long without Postgres the callers are told. */
const AWAY_MS_MAX = 30_000;

type Asked<T> = { readonly resolve: (value: T) => void; readonly reject: (error: unknown) => void };
type Holding = Asked<Admission> & { readonly request: HoldRequest };
type Settling = Asked<void> & { readonly id: HoldId; readonly actual: MicroUsd };
type Visit = { readonly holdings: readonly Holding[]; readonly settlings: readonly Settling[] };

const TELL = "select id, verdict, budget from factotum.tell($1, $2, $3, $4, $5, $6, $7, $8, $9)";

/**
 * Opens a teller: all holds and settlements of a process that are asked for while one visit to Postgres is
 * under way go on the next one together (group commit), since every visit locks the root of the tree.
 */
export async function openTeller(db: Database, options: TellerOptions): Promise<Teller> {
  const keeper = await keep(db, { name: options.name, leaseMs: options.leaseMs ?? LEASE_MS });
  const holdings: Holding[] = [];
  const settlings: Settling[] = [];
  const visiting = new Set<Promise<void>>();
  const lines: Session[] = [];
  let planned = false;
  let closed = false;

  const go = (): void => {
    planned = false;
    if (visiting.size >= VISITS_MAX || holdings.length + settlings.length === 0) return;
    const visit = { settlings: settlings.splice(0, BATCH_MAX), holdings: holdings.splice(0, BATCH_MAX) };
    const visited = visitFor({ db, keeper, lines }, visit).finally(() => {
      visiting.delete(visited);
      plan();
    });
    visiting.add(visited);
    plan();
  };
  // One turn of the event loop, so that callers who are answered together ask again together.
  const plan = (): void => {
    if (planned) return;
    planned = true;
    setImmediate(go);
  };
  let sweeps = 0;
  const sweep = async (): Promise<void> => {
    await db.query("select factotum.tell($1, '{}', '{}', '{}', '{}', '{}', '{}', $2)", [
      keeper.id,
      QUEUE_MAX,
    ]);
    await db.query("select factotum.reap($1)", [ORPHANS_MAX]);
    if (sweeps % SWEEPS_PER_CLOSING === 0) await db.query("select factotum.close_when_due()");
    sweeps += 1;
  };
  const timer = setInterval(() => {
    sweep().catch((error: unknown) => options.say?.(`the ledger's sweep failed: ${String(error)}`));
  }, SWEEP_MS);
  timer.unref();

  const idle = async (): Promise<void> => {
    if (visiting.size + holdings.length + settlings.length === 0) return;
    await (visiting.size > 0 ? Promise.race(visiting) : new Promise((resolve) => setImmediate(resolve)));
    await idle();
  };
  const asking = <T>(take: (asked: Asked<T>) => void): Promise<T> => {
    if (closed) return Promise.reject(tellerClosed());
    return new Promise<T>((resolve, reject) => {
      take({ resolve, reject });
      plan();
    });
  };
  return {
    async hold(request) {
      expectAskable(request);
      return asking<Admission>((asked) => holdings.push({ ...asked, request }));
    },
    async settle(id, actual) {
      expectValid(id, actual);
      return asking<void>((asked) => settlings.push({ ...asked, id, actual }));
    },
    sweep,
    async close() {
      closed = true;
      clearInterval(timer);
      await idle();
      await Promise.all(lines.map((line) => line.release()));
      await keeper.leave();
    },
  };
}

/** What no hold can have is refused here: in a visit, it would take everybody else's requests with it. */
function expectValid(id: HoldId, amount: MicroUsd): void {
  const isNamed = id.length > 0 && id.length <= ID_LENGTH_MAX && !id.includes("\0");
  if (isNamed && amount >= 0n && amount <= AMOUNT_MAX) return;
  throw new InputError({
    code: "hold-invalid",
    message:
      `hold ${JSON.stringify(id.slice(0, ID_LENGTH_MAX))} of ${amount} micro-USD is none: an id has 1 to ` +
      `${ID_LENGTH_MAX} characters, and an amount is between 0 and ${AMOUNT_MAX}`,
  });
}

function expectAskable(request: HoldRequest): void {
  expectValid(request.id, request.amount);
  const budgets = [request.budget, ...(request.also ?? [])];
  if (!budgets.every((id) => BUDGET_ID.test(id))) throw refusal(request, "no-budget");
}

type Office = {
  readonly db: Database;
  readonly keeper: Keeper;
  /** Connections that no visit uses. */
  readonly lines: Session[];
};

/** One visit, tried again while Postgres is away: everything in it may be asked twice. */
async function visitFor(office: Office, visit: Visit): Promise<void> {
  const began = performance.now();
  for (let pause = RETRY_MS_FIRST; ; pause = Math.min(pause * 2, RETRY_MS_MAX)) {
    try {
      answerAll(visit, await tellForGood(office, visit));
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

/**
 * A visit and the wait for the disk, on one connection: on another, a server that fell and came back in
 * between would say that all is on disk, and have forgotten the visit.
 */
async function tellForGood({ db, keeper, lines }: Office, visit: Visit): Promise<Verdicts> {
  const line = lines.pop() ?? (await db.session());
  try {
    const verdicts = await tell(line, keeper, visit);
    await line.query("select factotum.make_durable()");
    lines.push(line);
    return verdicts;
  } catch (error) {
    line.destroy();
    throw error;
  }
}

type Refusal = "ended" | "no-budget" | "overlap";
type Verdicts = ReadonlyMap<HoldId, Verdict>;
type Verdict = {
  readonly id: HoldId;
  readonly verdict: "full" | Refusal;
  readonly budget: BudgetId | null;
};

async function tell(line: Session, keeper: Keeper, visit: Visit): Promise<Verdicts> {
  // The same hold asked for twice at once is one hold, and is settled by the first who says what it came to.
  const settled = new Map(visit.settlings.toReversed().map(({ id, actual }) => [id, actual]));
  const wanted = new Map(visit.holdings.map(({ request }) => [request.id, request]));
  const requests = [...wanted.values()];
  const { rows } = await line.query<Verdict>(TELL, [
    keeper.id,
    [...settled.keys()],
    [...settled.values()],
    requests.map(({ id }) => id),
    requests.map(({ budget }) => budget),
    requests.map(({ amount }) => amount),
    requests.map(({ ifOrphaned }) => ifOrphaned),
    QUEUE_MAX,
    requests.some(hasSides) ? requests.map((one) => (hasSides(one) ? `{${one.also?.join()}}` : null)) : [],
  ]);
  return new Map(rows.map((row) => [row.id, row]));
}

function hasSides({ also = [] }: HoldRequest): boolean {
  return also.length > 0;
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

function refusal({ id, budget, also = [] }: HoldRequest, verdict: Refusal): InputError {
  const named = [budget, ...also].join(", ");
  const [code, message] = {
    ended: [
      "hold-ended",
      `hold ${id} was settled or released before; a new call needs a hold of its own`,
    ] as const,
    "no-budget": [
      "budget-unknown",
      `hold ${id} names budgets that are not there, of ${named}; make them with putBudget`,
    ] as const,
    overlap: [
      "budgets-overlap",
      `hold ${id} names two budgets under one root, of ${named}; name the lower one alone`,
    ] as const,
  }[verdict];
  return new InputError({ code, message });
}

/**
 * Says in a turn's own transaction what a hold came to. Touches no budget, so turns never queue for one:
 * the next sweep of any teller folds it in, and until then the whole hold counts. Saying it twice changes
 * nothing. Writes factotum.settlements.
 *
 * @throws {InputError} `hold-invalid`, before the transaction is touched
 */
export async function settleLater(tx: Transaction, id: HoldId, actual: MicroUsd): Promise<void> {
  expectValid(id, actual);
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
