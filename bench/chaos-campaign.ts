/** Workers killed, paused and cut off, on a server that is killed: what came of their runs. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { must, toJson } from "factotum/kernel";
import type { Database } from "factotum/postgres";
import { startRuns } from "factotum/runs";
import { type Factotum, openFactotum } from "factotum/server";
import { scriptedProvider, type ScriptedProvider } from "factotum/testing";
import { type Crew, insist, nowMs, openCrew } from "./chaos-crew.ts";
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
import { type Blow, pickedUp, type TakeoverReport, takeovers } from "./chaos-takeovers.ts";
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
  /**
   * After the storm, so many workers are killed, and half as many paused, with nothing else done to anyone.
   */
  readonly alone: number;
  /** Told what is done, and what workers say. */
  readonly say?: (line: string) => void;
};

/** What was done, and what came of it. */
export type CampaignReport = Judged &
  TakeoverReport & {
    readonly seed: number;
    readonly kills: number;
    readonly pauses: number;
    readonly postgresRestarts: number;
    readonly cuts: number;
  };

/** A campaign is over, with what is unfinished stuck, when no run has moved for so long. */
const STILL_MS_MAX = 60_000;
/** Between two acts; a mean of one a second lets runs get somewhere in between. */
const ACT_MS_MAX = 2_000;
const LOOK_MS = 100;
/** Runs of a worker that was struck alone are waited for so many leases. */
const ALONE_LEASES_MAX = 3;

type Stage = {
  readonly db: Database;
  readonly desk: Factotum;
  readonly options: CampaignOptions;
  readonly crew: Crew;
  readonly standIn: StandIn;
  readonly model: ScriptedProvider;
  readonly mail: readonly DeskMail[];
  readonly done: { kills: number; pauses: number; postgresRestarts: number; cuts: number };
  /** Batches of synthetic runs, and messages that have come to the desk, so far. */
  batches: number;
  received: number;
};

/** Runs a campaign on an embedded Postgres of its own. */
export async function campaign(options: CampaignOptions): Promise<CampaignReport> {
  const { seed, seconds, workers, leaseMs, runsAtOnce, notices, say = () => {} } = options;
  const mail = await deskMail(seed, notices);
  const [standIn, model] = await Promise.all([openStandIn(), scriptedProvider()]);
  model.otherwise(deskModel(mail));
  const settings = deskConfig({ models: model.url, letters: standIn.url });
  const desk = await openFactotum(settings, { env: {}, directory: options.directory, say: () => {} });
  const { db } = desk;
  let crew: Crew | undefined;
  try {
    const expected = await setUp(db, desk, mail);
    // Whoever is left has room for the runs of all the dead.
    const numbers = [leaseMs, runsAtOnce, STEPS];
    crew = await openCrew({ db, workers, leaseMs, addresses: [standIn.url, model.url], numbers, say });
    const done = { kills: 0, pauses: 0, postgresRestarts: 0, cuts: 0 };
    const stage: Stage = {
      ...{ db, desk, options, crew, standIn, model, mail, done, batches: 0, received: 0 },
    };
    await crew.whole();
    if (seconds > 0) await storm(stage);
    await strikeAlone(stage);
    await calm(stage);
    return {
      ...{ seed, ...done },
      ...(await judge(db, { standIn, model, expected })),
      ...(await takeovers(db, crew.blows, crew.mishaps, leaseMs)),
    };
  } finally {
    await crew?.close();
    await Promise.all([standIn.close(), model.close()]);
    await desk.close();
  }
}

/** @returns what the desk's business must hold in the end */
async function setUp(db: Database, desk: Factotum, mail: readonly DeskMail[]): Promise<readonly string[]> {
  await startDay(db);
  await desk.prepare();
  await db.query(
    `create table effect (run_id bigint not null, n int not null);
     create table call (run_id bigint not null, n int not null, attempt int not null, status text not null);
     create index on call (run_id, n)`,
  );
  return await expectedOf(db, mail);
}

async function storm(stage: Stage): Promise<void> {
  const { crew, done, options } = stage;
  const random = seeded(options.seed);
  const until = performance.now() + options.seconds * 1_000;
  while (performance.now() < until) {
    const share = 2 * (1 - (until - performance.now()) / (options.seconds * 1_000));
    await keepBusy(stage, share * options.notices);
    await delay(random() * ACT_MS_MAX);
    const victim = Math.floor(random() * crew.size);
    const act = random();
    if (act < 0.45) done.kills += (await crew.kill(victim)) === undefined ? 0 : 1;
    else if (act < 0.65) done.pauses += (await crew.pause(victim)) === undefined ? 0 : 1;
    else if (act < 0.9) done.cuts += await crew.cut(() => random() < 0.5);
    else await restartPostgres(stage);
  }
}

/**
 * Kills and pauses, each with all workers there, and nothing else done until the runs have gone on. The desk
 * is through by then: its next step is a whole attempt, and what that takes says little of how it was taken
 * over.
 */
async function strikeAlone(stage: Stage): Promise<void> {
  const { crew, done, options } = stage;
  if (options.alone > 0) await finishDesk(stage);
  const acts = Array.from({ length: options.alone }, (_, at) =>
    at % 2 === 0 ? ["kill", "pause"] : ["kill"],
  );
  for (const act of acts.flat()) {
    await crew.whole();
    await keepBusy(stage, options.notices);
    await delay(ACT_MS_MAX);
    const at = await crew.busiest();
    const blow = act === "kill" ? await crew.kill(at, true) : await crew.pause(at, true);
    if (blow === undefined) continue;
    done[act === "kill" ? "kills" : "pauses"] += 1;
    const until = performance.now() + ALONE_LEASES_MAX * options.leaseMs;
    while (performance.now() < until && (await areLeft(stage, blow))) await delay(LOOK_MS);
  }
}

async function finishDesk(stage: Stage): Promise<void> {
  const until = performance.now() + STILL_MS_MAX;
  while (performance.now() < until) {
    await runDesk(stage, stage.mail.length);
    const { unfinished, synthetic } = await standing(stage.db);
    if (unfinished === synthetic) return;
    await delay(LOOK_MS);
  }
}

/** Whether runs of a worker that was struck have not gone on. */
async function areLeft({ db }: Stage, blow: Blow): Promise<boolean> {
  const moved = (await insist(() => pickedUp(db, blow))).filter(({ stepped }) => stepped !== null);
  const { rows } = await insist(() =>
    db.query(
      `select from factotum.runs where status = 'ready' and id = any ($1::bigint[])
         and id <> all ($2::bigint[])`,
      [blow.runs, moved.map(({ run }) => run)],
    ),
  );
  return rows.length > 0;
}

/** There are always synthetic runs under way, and the desk has so much of its mail. */
async function keepBusy(stage: Stage, received: number): Promise<void> {
  const { db, options } = stage;
  if ((await standing(db)).synthetic < options.runsAtOnce / 2) {
    const batch = Array.from({ length: options.runsAtOnce }, (_, n) => ({
      ...{ agent: "chaos", agentVersion: 1, key: `${stage.batches}/${n}`, input: null },
    }));
    await insist(() => db.transaction((tx) => startRuns(tx, batch)));
    stage.batches += 1;
  }
  await runDesk(stage, Math.ceil(received));
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
  const passed = await insist(() => passTime(stage.db));
  if (passed !== undefined) stage.crew.mishaps.push({ worker: null, ...passed });
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

/** Kills the server, and waits until another has taken its place. */
async function restartPostgres({ db, crew, options, done }: Stage): Promise<void> {
  const sql = `select current_setting('data_directory') as directory,
    pg_postmaster_start_time()::text as born`;
  const look = async (): Promise<{ directory: string; born: string }> => {
    const { rows } = await insist(() => db.query<{ directory: string; born: string }>(sql));
    return must(rows[0], "the server's row");
  };
  const { directory, born } = await look();
  const atMs = await nowMs(db);
  const pid = Number((await readFile(join(directory, "postmaster.pid"), "utf8")).split("\n")[0]);
  process.kill(pid, "SIGKILL");
  crew.mishaps.push({ worker: null, atMs });
  done.postgresRestarts += 1;
  const since = performance.now();
  while ((await look()).born === born) await delay(LOOK_MS);
  options.say?.(`postgres was away for ${Math.round(performance.now() - since)} ms`);
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
