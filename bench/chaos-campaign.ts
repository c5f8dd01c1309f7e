/** Workers killed, paused and cut off, on a server that is killed: what came of their runs. */
import { type ChildProcess, fork } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Database, migrate, openDatabase } from "factotum/postgres";
import { startRun } from "factotum/runs";
import { judge, type Judged, STEPS } from "./chaos-judge.ts";
import { openStandIn } from "./chaos-stand-in.ts";
import { type CuttingProxy, openCuttingProxy } from "./cutting-proxy.ts";
import { seeded } from "./seeded.ts";

/** How hard it is tried. */
export type CampaignOptions = {
  readonly directory: string;
  readonly seconds: number;
  readonly seed: number;
  readonly workers: number;
  readonly leaseMs: number;
  /** Started anew whenever half of them are finished. */
  readonly runsAtOnce: number;
};

type Percentiles = { readonly p50: number; readonly p99: number; readonly count: number };

/** What was done, and what came of it. */
export type CampaignReport = Judged & {
  readonly seed: number;
  readonly kills: number;
  readonly pauses: number;
  readonly postgresRestarts: number;
  readonly cuts: number;
  /** From kill -9 to the next step, elsewhere, of each run that was held; on a server that stayed up. */
  readonly takeoverMs: Percentiles;
  /** The same from SIGSTOP. */
  readonly pausedTakeoverMs: Percentiles;
};

/** A campaign is over, with what is unfinished stuck, when no run has moved for so long. */
const STILL_MS_MAX = 60_000;
/** Between two acts; a mean of one a second lets runs get somewhere in between. */
const ACT_MS_MAX = 2_000;
/** A pause lasts this many leases: the worker wakes up overtaken. */
const PAUSE_LEASES = 1.4;
/** Takeovers are looked for in the steps of this long after the blow. */
const TAKEOVER_WINDOW_MS = 30_000;

/** One blow to a worker: its runs at that moment, by the server's clock. */
type Blow = { readonly kind: "kill" | "pause"; readonly at: string; readonly runs: readonly string[] };

type Stage = {
  readonly db: Database;
  readonly options: CampaignOptions;
  readonly proxy: CuttingProxy;
  readonly provider: string;
  readonly workers: { child: ChildProcess; name: string; paused: boolean }[];
  readonly blows: Blow[];
  readonly done: { kills: number; pauses: number; postgresRestarts: number; cuts: number };
  readonly restarts: string[];
  /** Names given to workers so far. */
  born: number;
  over: boolean;
};

/** Runs a campaign on an embedded Postgres of its own. */
export async function campaign(options: CampaignOptions): Promise<CampaignReport> {
  const db = await openDatabase({ kind: "embedded", directory: options.directory });
  const provider = await openStandIn();
  const proxy = await openCuttingProxy(() => {
    const { hostname, port } = new URL(db.url);
    return { host: hostname, port: Number(port) };
  });
  const done = { kills: 0, pauses: 0, postgresRestarts: 0, cuts: 0 };
  const stage: Stage = {
    ...{ db, options, proxy, provider: provider.url, done },
    ...{ workers: [], blows: [], restarts: [], born: 0, over: false },
  };
  try {
    await migrate(db);
    await db.query(
      `create table effect (run_id bigint not null, n int not null);
       create table call (run_id bigint not null, n int not null, attempt int not null, status text not null);
       create index on call (run_id, n)`,
    );
    for (let at = 0; at < options.workers; at += 1) spawn(stage, at);
    await storm(stage);
    await calm(stage);
    const judged = await judge(db, provider.served);
    return {
      ...{ seed: options.seed, ...done, ...judged },
      takeoverMs: await takeovers(stage, "kill"),
      pausedTakeoverMs: await takeovers(stage, "pause"),
    };
  } finally {
    stage.over = true;
    for (const { child } of stage.workers) child.kill("SIGKILL");
    await proxy.close();
    await provider.close();
    await db.close();
  }
}

/** As a supervisor would: a worker that ends, whatever the reason, is followed by another. */
function spawn(stage: Stage, at: number): void {
  const name = `w${(stage.born += 1)}`;
  const url = new URL(stage.db.url);
  url.host = `127.0.0.1:${stage.proxy.port}`;
  const program = join(import.meta.dirname, "chaos-worker.ts");
  const args = [url.href, stage.provider, name, String(stage.options.leaseMs), String(STEPS)];
  const child = fork(program, args, { execArgv: ["--conditions=factotum-source"] });
  stage.workers[at] = { child, name, paused: false };
  child.once("exit", () => {
    if (!stage.over) spawn(stage, at);
  });
}

async function storm(stage: Stage): Promise<void> {
  const random = seeded(stage.options.seed);
  const until = performance.now() + stage.options.seconds * 1_000;
  let batch = 0;
  while (performance.now() < until) {
    if ((await standing(stage.db)).unfinished < stage.options.runsAtOnce / 2) {
      batch = await startBatch(stage.db, batch, stage.options.runsAtOnce);
    }
    await delay(random() * ACT_MS_MAX);
    const victim = Math.floor(random() * stage.workers.length);
    const act = random();
    if (act < 0.45) await killWorker(stage, victim);
    else if (act < 0.65) await pauseWorker(stage, victim);
    else if (act < 0.9) stage.done.cuts += stage.proxy.cut(() => random() < 0.5);
    else await restartPostgres(stage);
  }
}

async function startBatch(db: Database, batch: number, count: number): Promise<number> {
  await insist(() =>
    db.transaction(async (tx) => {
      for (let n = 0; n < count; n += 1) {
        await startRun(tx, { agent: "chaos", agentVersion: 1, key: `${batch}/${n}`, input: null });
      }
    }),
  );
  return batch + 1;
}

/** How many runs are under way, and how far all have come. */
async function standing(db: Database): Promise<{ unfinished: number; moves: string }> {
  const sql = `select count(*) filter (where status in ('ready', 'waiting'))::int as unfinished,
      coalesce(sum(version), 0)::text as moves from factotum.runs`;
  const { rows } = await insist(() => db.query<{ unfinished: number; moves: string }>(sql));
  return rows[0] ?? { unfinished: 0, moves: "" };
}

/** The campaign's own statements meet the server while it restarts; each of them may be repeated. */
async function insist<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (error) {
      if (tries === 20) throw error;
      await delay(100);
    }
  }
}

async function noteBlow(stage: Stage, kind: Blow["kind"], name: string): Promise<void> {
  const { rows } = await insist(() =>
    stage.db.query<{ at: string; runs: string[] }>(
      `select clock_timestamp()::text as at, array(select r.id::text from factotum.runs r
         join factotum.workers w on w.id = r.worker where w.name = $1) as runs`,
      [name],
    ),
  );
  for (const row of rows) stage.blows.push({ kind, ...row });
}

async function killWorker(stage: Stage, at: number): Promise<void> {
  const worker = stage.workers[at];
  if (worker === undefined || worker.paused) return;
  worker.child.kill("SIGKILL");
  await noteBlow(stage, "kill", worker.name);
  stage.done.kills += 1;
}

async function pauseWorker(stage: Stage, at: number): Promise<void> {
  const worker = stage.workers[at];
  // One of them has to work.
  if (worker === undefined || stage.workers.filter(({ paused }) => !paused).length < 2 || worker.paused)
    return;
  worker.child.kill("SIGSTOP");
  worker.paused = true;
  await noteBlow(stage, "pause", worker.name);
  stage.done.pauses += 1;
  setTimeout(() => {
    worker.child.kill("SIGCONT");
    worker.paused = false;
  }, stage.options.leaseMs * PAUSE_LEASES);
}

async function restartPostgres(stage: Stage): Promise<void> {
  const sql = "select current_setting('data_directory') as directory, clock_timestamp()::text as at";
  const { rows } = await insist(() => stage.db.query<{ directory: string; at: string }>(sql));
  const { directory = "", at = "" } = rows[0] ?? {};
  const pid = Number((await readFile(join(directory, "postmaster.pid"), "utf8")).split("\n")[0]);
  process.kill(pid, "SIGKILL");
  stage.restarts.push(at);
  stage.done.postgresRestarts += 1;
  await insist(() => stage.db.query("select"));
}

/** Nothing is done to anyone any more, until everything is finished or nothing moves. */
async function calm(stage: Stage): Promise<void> {
  let [moves, movedAt] = ["", performance.now()];
  while (performance.now() - movedAt < STILL_MS_MAX) {
    const now = await standing(stage.db);
    if (now.unfinished === 0) return;
    if (now.moves !== moves) [moves, movedAt] = [now.moves, performance.now()];
    await delay(100);
  }
}

/** Of blows that no restart of the server followed before the run's next step. */
async function takeovers(stage: Stage, kind: Blow["kind"]): Promise<Percentiles> {
  const took: number[] = [];
  for (const blow of stage.blows.filter((one) => one.kind === kind && one.runs.length > 0)) {
    const { rows } = await stage.db.query<{ ms: number }>(
      `select extract(epoch from min(at) - $1::timestamptz)::float8 * 1000 as ms from factotum.steps
       where run_id = any ($2::bigint[])
         and at between $1::timestamptz and $1::timestamptz + $4 * interval '1 ms'
       group by run_id
       having not exists (select from unnest($3::timestamptz[]) r
                          where r between $1::timestamptz - interval '10 s' and min(at))`,
      [blow.at, blow.runs, stage.restarts, TAKEOVER_WINDOW_MS],
    );
    took.push(...rows.map(({ ms }) => Math.round(ms)));
  }
  took.sort((a, b) => a - b);
  const at = (share: number): number => took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99), count: took.length };
}
