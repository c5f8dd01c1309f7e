/** Workers killed, paused and cut off, on a server that is killed: what came of their runs. */
import { type ChildProcess, fork } from "node:child_process";
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { toJson } from "factotum/kernel";
import type { Database } from "factotum/postgres";
import { startRuns } from "factotum/runs";
import { type Factotum, openFactotum } from "factotum/server";
import { scriptedProvider, type ScriptedProvider } from "factotum/testing";
import {
  answerCards,
  DESK,
  deskConfig,
  type DeskMail,
  deskMail,
  deskModel,
  expectedOf,
  passTime,
  startDay,
  undelivered,
} from "./chaos-desk.ts";
import { judge, type Judged, STEPS } from "./chaos-judge.ts";
import { openStandIn, type StandIn } from "./chaos-stand-in.ts";
import { type CuttingProxy, openCuttingProxy } from "./cutting-proxy.ts";
import { seeded } from "./seeded.ts";

/** How hard it is tried. */
export type CampaignOptions = {
  readonly directory: string;
  readonly seconds: number;
  readonly seed: number;
  readonly workers: number;
  readonly leaseMs: number;
  /** Synthetic runs; started anew whenever half of them are finished. */
  readonly runsAtOnce: number;
  /** Messages to the desk, which come in one after the other. */
  readonly notices: number;
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
  /** The same from SIGSTOP, and in leases. */
  readonly pausedTakeoverMs: Percentiles;
  readonly pausedTakeoverLeases: { readonly p50: number; readonly p99: number };
};

/** A campaign is over, with what is unfinished stuck, when no run has moved for so long. */
const STILL_MS_MAX = 60_000;
/** Between two acts; a mean of one a second lets runs get somewhere in between. */
const ACT_MS_MAX = 2_000;
/** A pause lasts this many leases: the worker wakes up overtaken. */
const PAUSE_LEASES = 1.4;
const LOOK_MS = 100;
/** Takeovers are looked for in the steps of this long after the blow. */
const TAKEOVER_WINDOW_MS = 30_000;

/** One blow to a worker: its runs at that moment, by the server's clock. */
type Blow = { readonly kind: "kill" | "pause"; readonly at: string; readonly runs: readonly string[] };

type Worker = { readonly child: ChildProcess; readonly name: string; up: boolean; paused: boolean };

type Stage = {
  readonly db: Database;
  readonly desk: Factotum;
  readonly options: CampaignOptions;
  readonly proxy: CuttingProxy;
  readonly standIn: StandIn;
  readonly model: ScriptedProvider;
  readonly mail: readonly DeskMail[];
  readonly workers: Worker[];
  readonly blows: Blow[];
  readonly done: { kills: number; pauses: number; postgresRestarts: number; cuts: number };
  /** When the server died, or the business clock was moved: takeovers across it say nothing. */
  readonly breaks: string[];
  /** Messages that have come to the desk so far. */
  received: number;
  over: boolean;
};

/** Runs a campaign on an embedded Postgres of its own. */
export async function campaign(options: CampaignOptions): Promise<CampaignReport> {
  const mail = await deskMail(options.seed, options.notices);
  const [standIn, model] = await Promise.all([openStandIn(), scriptedProvider()]);
  model.otherwise(deskModel(mail));
  const settings = deskConfig({ models: model.url, letters: standIn.url });
  const desk = await openFactotum(settings, { env: {}, directory: options.directory, say: () => {} });
  const { db } = desk;
  const proxy = await openCuttingProxy(() => {
    const { hostname: host, port } = new URL(db.url);
    return { host, port: Number(port) };
  });
  const done = { kills: 0, pauses: 0, postgresRestarts: 0, cuts: 0 };
  const stage: Stage = {
    ...{ db, desk, options, proxy, standIn, model, mail, done },
    ...{ workers: [], blows: [], breaks: [], received: 0, over: false },
  };
  try {
    const expected = await setUp(stage);
    for (let at = 0; at < options.workers; at += 1) spawn(stage, at);
    while (stage.workers.some(({ up }) => !up)) await delay(LOOK_MS);
    await storm(stage);
    await calm(stage);
    const judged = await judge(db, { standIn, model, expected });
    const paused = await takeovers(stage, "pause");
    const leases = (ms: number): number => Number((ms / options.leaseMs).toFixed(2));
    return {
      ...{ seed: options.seed, ...done, ...judged },
      takeoverMs: await takeovers(stage, "kill"),
      pausedTakeoverMs: paused,
      pausedTakeoverLeases: { p50: leases(paused.p50), p99: leases(paused.p99) },
    };
  } finally {
    stage.over = true;
    for (const { child } of stage.workers) child.kill("SIGKILL");
    await proxy.close();
    await Promise.all([standIn.close(), model.close()]);
    await desk.close();
  }
}

/** @returns what the desk's business must hold in the end */
async function setUp({ db, desk, mail }: Stage): Promise<readonly string[]> {
  await startDay(db);
  await desk.prepare();
  await db.query(
    `create table effect (run_id bigint not null, n int not null);
     create table call (run_id bigint not null, n int not null, attempt int not null, status text not null);
     create index on call (run_id, n)`,
  );
  return await expectedOf(db, mail);
}

/** As a supervisor would: a worker that ends, whatever the reason, is followed by another. */
function spawn(stage: Stage, at: number): void {
  const url = new URL(stage.db.url);
  url.host = `127.0.0.1:${stage.proxy.port}`;
  const program = join(import.meta.dirname, "chaos-worker.ts");
  const { leaseMs, runsAtOnce } = stage.options;
  // Whoever is left has room for the runs of all the dead.
  const numbers = [leaseMs, runsAtOnce, STEPS].map(String);
  const args = [url.href, stage.standIn.url, stage.model.url, ...numbers];
  const child = fork(program, args, { execArgv: ["--conditions=factotum-source"] });
  const worker: Worker = { child, name: `${hostname()}:${child.pid}`, up: false, paused: false };
  stage.workers[at] = worker;
  child.once("message", () => (worker.up = true));
  child.once("exit", () => {
    if (!stage.over) spawn(stage, at);
  });
}

async function storm(stage: Stage): Promise<void> {
  const random = seeded(stage.options.seed);
  const until = performance.now() + stage.options.seconds * 1_000;
  let batch = 0;
  while (performance.now() < until) {
    if ((await standing(stage.db)).synthetic < stage.options.runsAtOnce / 2) {
      batch = await startBatch(stage.db, batch, stage.options.runsAtOnce);
    }
    const share = 2 * (1 - (until - performance.now()) / (stage.options.seconds * 1_000));
    await runDesk(stage, Math.ceil(share * stage.options.notices));
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
    db.transaction((tx) =>
      startRuns(
        tx,
        Array.from({ length: count }, (_, n) => ({
          ...{ agent: "chaos", agentVersion: 1, key: `${batch}/${n}`, input: null },
        })),
      ),
    ),
  );
  return batch + 1;
}

/** The desk's next messages come in, up to so many; people answer; where all wait for it, time passes. */
async function runDesk(stage: Stage, upTo: number): Promise<void> {
  const { desk, mail } = stage;
  for (const { key, notice } of mail.slice(stage.received, upTo)) {
    await insist(() => desk.start({ agent: DESK, key, input: toJson(notice) }));
    stage.received += 1;
  }
  const answered = await insist(() => answerCards(desk, mail));
  if (answered > 0 || stage.received < mail.length) return;
  const at = await insist(() => passTime(stage.db));
  if (at !== undefined) stage.breaks.push(at);
}

type Standing = { readonly synthetic: number; readonly unfinished: number; readonly moves: string };

/** How many runs are under way, and how far all have come. */
async function standing(db: Database): Promise<Standing> {
  const { rows } = await insist(() =>
    db.query<Standing>(
      `select count(*) filter (where status in ('ready', 'waiting'))::int as unfinished,
         count(*) filter (where status in ('ready', 'waiting') and agent <> $1)::int as synthetic,
         coalesce(sum(version), 0)::text as moves from factotum.runs`,
      [DESK],
    ),
  );
  return rows[0] ?? { synthetic: 0, unfinished: 0, moves: "" };
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
      `select factotum.now()::text as at, array(select r.id::text from factotum.runs r
         join factotum.workers w on w.id = r.worker where w.name = $1) as runs`,
      [name],
    ),
  );
  for (const row of rows) stage.blows.push({ kind, ...row });
}

async function killWorker(stage: Stage, at: number): Promise<void> {
  const worker = stage.workers[at];
  if (worker === undefined || worker.paused || !worker.up) return;
  worker.child.kill("SIGKILL");
  await noteBlow(stage, "kill", worker.name);
  stage.done.kills += 1;
}

async function pauseWorker(stage: Stage, at: number): Promise<void> {
  const worker = stage.workers[at];
  // One of them has to work.
  const able = stage.workers.filter(({ paused, up }) => up && !paused);
  if (worker === undefined || !able.includes(worker) || able.length < 2) return;
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
  const sql = "select current_setting('data_directory') as directory, factotum.now()::text as at";
  const { rows } = await insist(() => stage.db.query<{ directory: string; at: string }>(sql));
  const { directory = "", at = "" } = rows[0] ?? {};
  const pid = Number((await readFile(join(directory, "postmaster.pid"), "utf8")).split("\n")[0]);
  process.kill(pid, "SIGKILL");
  stage.breaks.push(at);
  stage.done.postgresRestarts += 1;
  await insist(() => stage.db.query("select"));
}

/** Nothing is done to anyone any more, until everything is finished or nothing moves. */
async function calm(stage: Stage): Promise<void> {
  let [moves, movedAt] = ["", performance.now()];
  while (performance.now() - movedAt < STILL_MS_MAX) {
    await runDesk(stage, stage.mail.length);
    const now = await standing(stage.db);
    if (now.unfinished === 0 && (await insist(() => undelivered(stage.db))) === 0) return;
    if (now.moves !== moves) [moves, movedAt] = [now.moves, performance.now()];
    await delay(LOOK_MS);
  }
}

/** Of blows between which and the run's next step neither the server died nor the clock was moved. */
async function takeovers(stage: Stage, kind: Blow["kind"]): Promise<Percentiles> {
  const took: number[] = [];
  for (const blow of stage.blows.filter((one) => one.kind === kind && one.runs.length > 0)) {
    const { rows } = await stage.db.query<{ ms: number }>(
      `select extract(epoch from min(at) - $1::timestamptz)::float8 * 1000 as ms from factotum.steps
       where run_id = any ($2::bigint[]) and kind <> 'picked up'
         and at between $1::timestamptz and $1::timestamptz + $4 * interval '1 ms'
       group by run_id
       having not exists (select from unnest($3::timestamptz[]) r
                          where r between $1::timestamptz - interval '10 s' and min(at))`,
      [blow.at, blow.runs, stage.breaks, TAKEOVER_WINDOW_MS],
    );
    took.push(...rows.map(({ ms }) => Math.round(ms)));
  }
  took.sort((a, b) => a - b);
  const at = (share: number): number => took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99), count: took.length };
}
