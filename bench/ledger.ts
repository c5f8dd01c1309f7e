/**
 * How fast money is held and settled on one hot tree, how fast usage is recorded, and that no budget is
 * overrun:
 *
 *   npm run --silent bench:ledger -- [--json] [--seconds 5] [--rounds 3] [--spenders 256] [--processes 2]
 *     [--chaos [--chaos-processes 4] [--chaos-spenders 1024] [--chaos-seconds 60] [--seed 1]]
 *
 * Starts an embedded Postgres of its own with default settings (fsync on). The baseline is pgbench's TPC-B on
 * the same server, round about; it is null where pgbench is not installed.
 */
import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { microUsd, type TenantId } from "factotum/kernel";
import { putBudget, recordUsage, type UsageEvent } from "factotum/ledger";
import { type Database, migrate, openDatabase } from "factotum/postgres";
import { benchFolder } from "./bench-folder.ts";
import { chaos, type ChaosReport, ended } from "./ledger-chaos.ts";
import type { SpenderOrder } from "./ledger-spender.ts";

const { values: given } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    spenders: { type: "string", default: "256" },
    processes: { type: "string", default: "2" },
    chaos: { type: "boolean", default: false },
    "chaos-processes": { type: "string", default: "4" },
    "chaos-spenders": { type: "string", default: "1024" },
    "chaos-seconds": { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
  },
});
const seconds = Number(given.seconds);
const processes = Number(given.processes);
const spenders = Number(given.spenders);
const PGBENCH_SCALE = 10;
const PGBENCH_CLIENTS = 16;

const EVENTS_PER_BATCH = 1_000;
const EVENT_COLLECTORS = 2;
/** Every so manieth batch is sent twice, as a collector does that was not answered. */
const BATCHES_PER_REPEAT = 10;
/** On every level, far enough away to be checked and never reached. */
const CAP = microUsd(1_000_000_000_000);

type Round = {
  readonly tps: number | null;
  readonly pairs: number;
  readonly p99: number;
  readonly events: number;
};

/** Events that are new to the ledger, by the second, in batches of which some come twice. */
async function eventsPerSecond(db: Database, round: number): Promise<number> {
  const until = performance.now() + seconds * 1_000;
  let fresh = 0;
  const collect = async (collector: number): Promise<void> => {
    for (let batch = 0; performance.now() < until; batch += 1) {
      const events: readonly UsageEvent[] = Array.from({ length: EVENTS_PER_BATCH }, (_, at) => ({
        ...{ source: `collector-${collector}`, id: `${round}-${batch}-${at}`, at: new Date() },
        ...{ tenant: "default" as TenantId, subject: `customer-${at % 50}`, meter: "tokens.output" },
        quantity: BigInt(at),
      }));
      const sends = batch % BATCHES_PER_REPEAT === 0 ? 2 : 1;
      for (let send = 0; send < sends; send += 1) {
        const recorded = await db.transaction((tx) => recordUsage(tx, events));
        // Not in one expression with the wait, which would forget what the other collector added.
        fresh += recorded.fresh;
      }
    }
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: EVENT_COLLECTORS }, (_, at) => collect(at)));
  return (fresh * 1_000) / (performance.now() - began);
}

async function pairsPerSecond(db: Database, leaves: readonly string[], round: number) {
  const children = Array.from({ length: processes }, (_, at) => {
    const order: SpenderOrder = {
      ...{ database: { kind: "url", url: db.url }, name: `r${round}p${at}`, seconds, seed: round * 10 + at },
      ...{
        spenders: spenders / processes,
        leaves: leaves.filter((_leaf, place) => place % processes === at),
      },
    };
    return fork(join(import.meta.dirname, "ledger-spender.ts"), [JSON.stringify(order)], {
      execArgv: ["--conditions=factotum-source"],
    });
  });
  await Promise.all(children.map((child) => once(child, "message")));
  const reports = await Promise.all(children.map((child) => ended(child)));
  const ms = reports.flatMap((report) => [...(report?.ms ?? [])]).toSorted((a, b) => a - b);
  const pairs = reports.reduce((sum, report) => sum + (report?.pairs ?? 0), 0);
  return { pairs: pairs / seconds, p99: ms[Math.floor(ms.length * 0.99)] ?? Infinity };
}

function pgbench(db: Database, ...args: readonly string[]): string | null {
  const url = new URL(db.url);
  const env = { ...process.env, PGPASSWORD: decodeURIComponent(url.password) };
  const where = ["-h", url.hostname, "-p", url.port, "-U", url.username, url.pathname.slice(1)];
  try {
    return execFileSync("pgbench", [...args, ...where], {
      env,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

function tpcb(db: Database): number | null {
  const out = pgbench(db, "-n", "-T", String(seconds), "-c", String(PGBENCH_CLIENTS), "-j", "2");
  return out === null ? null : Number(/tps = ([\d.]+)/.exec(out)?.[1]);
}

async function throughput(directory: string) {
  const db = await openDatabase({ kind: "embedded", directory });
  try {
    await migrate(db);
    const leaves = await db.transaction(async (tx) => {
      const made: string[] = [];
      for (let leaf = 0; leaf < spenders; leaf += 1) {
        const levels = ["company", `t${leaf % 4}`, `a${leaf % 16}`, `r${leaf}`];
        for (const [at] of levels.entries()) {
          const id = await putBudget(tx, levels.slice(0, at + 1).join("/"), { cap: CAP });
          if (at === levels.length - 1) made.push(id);
        }
      }
      return made;
    });
    pgbench(db, "-i", "-q", "-s", String(PGBENCH_SCALE));
    const rounds: Round[] = [];
    for (let round = 0; round < Number(given.rounds); round += 1) {
      const before = tpcb(db);
      const ours = await pairsPerSecond(db, leaves, round);
      const after = tpcb(db);
      const tps = before === null || after === null ? null : (before + after) / 2;
      rounds.push({ ...ours, tps, events: await eventsPerSecond(db, round) });
    }
    return rounds;
  } finally {
    await db.close();
  }
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
const round = (value: number, digits = 0): number => Number(value.toFixed(digits));

const rounds = await throughput(benchFolder());
const floors = rounds.flatMap(({ tps }) => (tps === null ? [] : [tps]));
const ratios = rounds.flatMap(({ tps, pairs }) => (tps === null ? [] : [pairs / tps]));
let storm: ChaosReport | null = null;
if (given.chaos) {
  storm = await chaos({
    ...{ directory: benchFolder(), seed: Number(given.seed), killPostgres: true },
    processes: Number(given["chaos-processes"]),
    ...{ spenders: Number(given["chaos-spenders"]), seconds: Number(given["chaos-seconds"]) },
  });
}
const figures = {
  pairsPerS: round(median(rounds.map(({ pairs }) => pairs))),
  pgbenchTps: floors.length === 0 ? null : round(median(floors)),
  ratio: ratios.length === 0 ? null : round(median(ratios), 2),
  p99Ms: round(median(rounds.map(({ p99 }) => p99)), 1),
  eventsPerS: round(median(rounds.map(({ events }) => events))),
  chaos: storm && {
    ...{ spenders: storm.spenders, kills: storm.kills.clients + storm.kills.postgres },
    ...{ overrun: storm.overrun, leaked: storm.leaked },
  },
};
if (!given.json) console.log(JSON.stringify({ rounds, storm }, null, 2));
console.log(JSON.stringify(figures, null, given.json ? 0 : 2));
// A figure beside money that is wrong is no figure.
const isOff = storm !== null && storm.overrun + storm.leaked + storm.unbooked + storm.imbalances > 0;
process.exitCode = isOff ? 1 : 0;
