/** Spenders that are killed, on a server that is killed: what came of the money. */
import { type ChildProcess, fork } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { microUsd } from "factotum/kernel";
import {
  auditBudgets,
  type BudgetId,
  type HoldId,
  listBudgets,
  openTeller,
  putBudget,
} from "factotum/ledger";
import { type Database, type DatabaseOptions, migrate, openDatabase } from "factotum/postgres";
import type { SpenderOrder, SpenderReport } from "./ledger-spender.ts";

/** How hard it is tried. */
export type ChaosOptions = {
  readonly directory: string;
  readonly processes: number;
  readonly spenders: number;
  readonly seconds: number;
  readonly seed: number;
  /** Kill the server, too. */
  readonly killPostgres: boolean;
};

/** What came of it. Money in micro-USD. */
export type ChaosReport = {
  readonly spenders: number;
  readonly kills: { readonly clients: number; readonly postgres: number };
  readonly calls: number;
  /** What calls of a budget cost within their holds, beyond its cap; the worst of all budgets. */
  readonly overrun: number;
  /** Holds that are still open when everything was settled and reconciled. */
  readonly leaked: number;
  /** Calls that the provider saw and the ledger does not know, or knows otherwise. */
  readonly unbooked: number;
  readonly imbalances: number;
  /** Of the caps, how much was spent: without it nothing was tried. */
  readonly spentShare: number;
  readonly excess: number;
};

const spender = join(import.meta.dirname, "ledger-spender.ts");
const ROOT = "company";
/** Small enough to run out while the spenders race. */
const CAP_PER_SPENDER = 3_000n;

/** Kills spenders and their server at random, reconciles what died, and holds the books against the calls. */
export async function chaos(options: ChaosOptions): Promise<ChaosReport> {
  const database: DatabaseOptions = { kind: "embedded", directory: options.directory };
  const db = await openDatabase(database);
  try {
    await migrate(db);
    const leaves = await plant(db, options.spenders);
    const logs = Array.from({ length: options.processes }, (_, at) =>
      join(options.directory, `calls-${at}.log`),
    );
    const kills = await storm(db, database, leaves, logs, options);
    await settleWhatDied(db, logs);
    return { spenders: options.spenders, kills, ...(await judge(db, logs)) };
  } finally {
    await db.close();
  }
}

/** Four levels: company, tenants, agents, runs; caps on each, so that any of them may be full first. */
async function plant(db: Database, spenders: number): Promise<readonly BudgetId[]> {
  const total = CAP_PER_SPENDER * BigInt(spenders);
  const leaves: BudgetId[] = [];
  await db.transaction(async (tx) => {
    await putBudget(tx, ROOT, { cap: microUsd(total) });
    for (let tenant = 0; tenant < 4; tenant += 1) {
      await putBudget(tx, `${ROOT}/t${tenant}`, { cap: microUsd((total * 3n) / 10n) });
      for (let agent = 0; agent < 4; agent += 1) {
        await putBudget(tx, `${ROOT}/t${tenant}/a${agent}`, { cap: microUsd(total / 12n) });
        for (let run = 0; run < 16; run += 1) {
          leaves.push(
            await putBudget(tx, `${ROOT}/t${tenant}/a${agent}/r${run}`, { cap: microUsd(total / 100n) }),
          );
        }
      }
    }
  });
  return leaves;
}

async function storm(
  db: Database,
  database: DatabaseOptions,
  leaves: readonly BudgetId[],
  logs: readonly string[],
  options: ChaosOptions,
): Promise<ChaosReport["kills"]> {
  const until = performance.now() + options.seconds * 1_000;
  const children = new Map<number, ChildProcess>();
  let [clients, postgres, born] = [0, 0, 0];
  const start = (at: number): void => {
    const order: SpenderOrder = {
      ...{ database, leaves, seconds: Math.max(1, (until - performance.now()) / 1_000) },
      ...{ name: `p${at}-${(born += 1)}`, log: logs[at] ?? "", seed: options.seed + born },
      spenders: Math.ceil(options.spenders / options.processes),
    };
    const child = fork(spender, [JSON.stringify(order)], { execArgv: ["--conditions=factotum-source"] });
    children.set(at, child);
  };
  for (let at = 0; at < options.processes; at += 1) start(at);
  for (let round = 0; performance.now() < until - 1_000; round += 1) {
    await delay(300 + ((options.seed * 31 + round * 197) % 900));
    if (options.killPostgres && round % 4 === 3) {
      process.kill(await postmaster(db), "SIGKILL");
      postgres += 1;
    } else {
      const at = (options.seed + round) % options.processes;
      children.get(at)?.kill("SIGKILL");
      clients += 1;
      start(at);
    }
  }
  await Promise.all([...children.values()].map((child) => ended(child)));
  return { clients, postgres };
}

async function postmaster(db: Database): Promise<number> {
  const { rows } = await db.query<{ data_directory: string }>("show data_directory");
  const file = join(rows[0]?.data_directory ?? "", "postmaster.pid");
  return Number(readFileSync(file, "utf8").split("\n")[0]);
}

/** The child's report; none when it was killed. */
export function ended(child: ChildProcess): Promise<SpenderReport | undefined> {
  return new Promise((resolve) => {
    let report: SpenderReport | undefined;
    child.on("message", (message) => {
      if (typeof message === "object") report = message as SpenderReport;
    });
    child.on("exit", () => resolve(report));
    if (child.exitCode !== null || child.signalCode !== null) resolve(report);
  });
}

type Call = { readonly id: HoldId; readonly amount: bigint; readonly actual: bigint };

function callsOf(logs: readonly string[]): readonly Call[] {
  return logs
    .filter((log) => existsSync(log))
    .flatMap((log) => readFileSync(log, "utf8").split("\n"))
    .map((line) => line.split(" "))
    .flatMap(([id, amount, actual]) =>
      actual === undefined ? [] : [{ id: id as HoldId, amount: BigInt(amount ?? 0), actual: BigInt(actual) }],
    );
}

/** What a company does the morning after: unknown holds are settled by the provider's own list of calls. */
async function settleWhatDied(db: Database, logs: readonly string[]): Promise<void> {
  const teller = await openTeller(db, { name: "reconciler" });
  const calls = new Map(callsOf(logs).map((call) => [call.id, call]));
  for (let left = Infinity; left > 0;) {
    await teller.sweep();
    const { rows } = await db.query<{ id: HoldId; state: string }>("select id, state from factotum.holds");
    left = rows.length;
    const unknown = rows.filter((row) => row.state === "unknown");
    await Promise.all(unknown.map(({ id }) => teller.settle(id, microUsd(calls.get(id)?.actual ?? 0n))));
    if (unknown.length === 0 && left > 0) await delay(200);
  }
  await teller.close();
}

async function judge(
  db: Database,
  logs: readonly string[],
): Promise<Omit<ChaosReport, "spenders" | "kills">> {
  const calls = callsOf(logs);
  const { rows } = await db.query<{ hold: HoldId; budget: string; spent: string; excess: string }>(
    `select s.hold, b.name as budget, s.spent_micro_usd as spent, s.excess_micro_usd as excess
     from factotum.spendings s join factotum.budgets b on b.id = s.budget`,
  );
  const booked = new Map(rows.map((row) => [row.hold, row]));
  const spent = new Map<string, bigint>();
  let unbooked = 0;
  let excess = 0n;
  for (const call of calls) {
    const row = booked.get(call.id);
    const within = call.actual < call.amount ? call.actual : call.amount;
    if (row === undefined || BigInt(row.spent) !== within || BigInt(row.excess) !== call.actual - within) {
      unbooked += 1;
    }
    excess += call.actual - within;
    const levels = (row?.budget ?? ROOT).split("/");
    for (const [at] of levels.entries()) {
      const name = levels.slice(0, at + 1).join("/");
      spent.set(name, (spent.get(name) ?? 0n) + within);
    }
  }
  const budgets = await listBudgets(db);
  const over = budgets.map(({ name, cap }) => Number((spent.get(name) ?? 0n) - (cap ?? 0n)));
  const top = budgets.find(({ name }) => name === ROOT);
  return {
    ...{ calls: calls.length, overrun: Math.max(0, ...over), unbooked },
    leaked: (await db.query("select from factotum.holds")).rowCount,
    imbalances: (await auditBudgets(db)).length,
    spentShare: Number(((spent.get(ROOT) ?? 0n) * 1_000n) / (top?.cap ?? 1n)) / 1_000,
    excess: Number(excess),
  };
}
