/**
 * Recorded agents on two businesses:
 * `npm run --silent bench:businesses -- [--data DIR] [--json] [--misses] [--every N]`.
 *
 * Every recorded conversation goes through the whole real path in a throw-away Postgres: a stand-in for the
 * provider gives the recorded turns over HTTP, the agent loop stages the calls, the customer writes with
 * `say`, checks look, and the run is committed, stopped or put to a person.
 *
 * First twice with guards and checks observing, one at a time and eight at once: nothing is committed, since
 * a last check asks about everything and is answered with "discard", so that no run sees another's work. Then
 * once with guards and checks in force, one at a time: what is committed is undone, and all tables are
 * compared with the beginning, before the next begins. Without `--data` it runs on conversations of our own,
 * with `--every N` on every Nth conversation only.
 * `--misses` tells on the error output what was not as recorded; progress goes there too.
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { attach } from "factotum/changes";
import { type Database, migrate, openDatabase } from "factotum/postgres";
import { cascade } from "./businesses-cascade.ts";
import { commitPass } from "./businesses-commits.ts";
import { type Businesses, domains, loadBusinesses, readBusinesses } from "./businesses-data.ts";
import { openPath } from "./businesses-path.ts";
import { baselines, enforce, type Judged, writeDue } from "./businesses-quality.ts";
import { grade, type Replayed, solves, writtenTables } from "./businesses-replay.ts";
import { checksum, readShapes, type Shapes } from "./businesses-rows.ts";
import { sampleBusinesses } from "./businesses-sample.ts";

const AT_ONCE = 8;
/** Progress is told after so many conversations. */
const TELL_EVERY = 20;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      data: { type: "string" },
      json: { type: "boolean", default: false },
      misses: { type: "boolean", default: false },
      every: { type: "string", default: "1" },
    },
  });
  const found = values.data === undefined ? sampleBusinesses() : readBusinesses(values.data);
  const recordings = found.recordings.filter((_, at) => at % Number(values.every) === 0);
  const data = { ...found, recordings };
  const directory = mkdtempSync(join(tmpdir(), "factotum-bench-"));
  // Where root runs this, the server's unprivileged user has to get to its folder.
  chmodSync(directory, 0o755);
  try {
    const db = await openDatabase({ kind: "embedded", directory });
    try {
      const result = await measure(db, data, values.misses);
      console.log(JSON.stringify(result, null, values.json ? 0 : 2));
    } finally {
      await db.close();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measure(db: Database, data: Businesses, misses: boolean) {
  await migrate(db);
  const loading = performance.now();
  await loadBusinesses(db, data);
  const loadSeconds = seconds(loading);
  await db.transaction((tx) => attach(tx, Object.values(writtenTables).flat()));
  const shapes = await readShapes(db, data);
  const before = await checksum(db, shapes);
  const observing = performance.now();
  const { runs: one, modelCalls } = await observe(db, shapes, data, 1);
  const observeSeconds = seconds(observing);
  const { runs: many } = await observe(db, shapes, data, AT_ONCE);
  const unchanged = (await checksum(db, shapes)) === before;
  const enforcing = performance.now();
  const { judged, restored, commits } = await enforceAll(db, shapes, one);
  const enforceSeconds = seconds(enforcing);
  if (misses) tellMisses(judged);
  const equalDiffs = many.filter((run, at) => run.lines.join("\n") === one[at]?.lines.join("\n")).length;
  return {
    ...Object.fromEntries(domains.map((domain) => [domain, figures(judged, (run) => run.domain === domain)])),
    all: figures(judged, () => true),
    expectedActions: await expectedActions(db, shapes, data, misses),
    isolation: {
      discarded: { tables: shapes.size, unchanged },
      together: { atOnce: AT_ONCE, equalDiffs, total: one.length },
      enforced: { commits, undoneExactly: restored },
      commits: await commitPass(db, shapes, one),
    },
    cascade: cascade(judged, data),
    ...{ modelCalls, loadSeconds, observeSeconds, enforceSeconds },
  };
}

/** Guards and checks in force, one conversation after another, each on the initial data. */
async function enforceAll(db: Database, shapes: Shapes, runs: readonly Replayed[]) {
  const path = await openPath(
    db,
    runs.map((run) => run.recording),
    "enforce",
    1,
  );
  const before = await checksum(db, shapes);
  const judged: Judged[] = [];
  let [restored, commits] = [0, 0];
  for (const run of runs) {
    const one = await enforce(path, run);
    judged.push(one);
    tell("in force", judged.length, runs.length);
    if (one.committed === 0) continue;
    commits += 1;
    await path.undo(one.id);
    if ((await checksum(db, shapes)) === before) restored += 1;
  }
  await path.close();
  return { judged, restored, commits };
}

/** The actions that solve each task, of either dialect, against the rows that the task expects. */
async function expectedActions(db: Database, shapes: Shapes, data: Businesses, misses: boolean) {
  let equal = 0;
  for (const task of data.tasks) {
    if (await solves(db, shapes, task)) equal += 1;
    else if (misses) console.error(`task ${task.id}`);
  }
  return { equal, total: data.tasks.length };
}

function figures(all: readonly Judged[], of: (recording: Replayed["recording"]) => boolean) {
  const judged = all.filter((one) => of(one.run.recording));
  const runs = judged.map((one) => one.run);
  const sum = (count: (run: Replayed) => number): number =>
    runs.reduce((total, run) => total + count(run), 0);
  const total = runs.length;
  return {
    toolResults: { equal: sum((run) => run.answers.equal), total: sum((run) => run.answers.total) },
    reward: { agree: runs.filter((run) => run.reward === run.recording.reward).length, total },
    rowDiff: { equal: runs.filter((run) => run.rowsEqual).length, total },
    writeDue: writeDue(judged),
    baselines: baselines(judged),
  };
}

/** Guards and checks observing; every run ends in a question and is discarded. */
async function observe(db: Database, shapes: Shapes, data: Businesses, atOnce: number) {
  const path = await openPath(db, data.recordings, "observe", atOnce);
  const runs: Replayed[] = [];
  let told = 0;
  const queue = data.recordings.entries();
  const work = async (): Promise<void> => {
    for (const [at, recording] of queue) {
      const held = await path.hold(recording);
      runs[at] = await grade(db, shapes, recording, held);
      await path.decide(held, "discard");
      told += 1;
      tell(`observed, ${atOnce} at once`, told, data.recordings.length);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  const modelCalls = path.modelCalls();
  await path.close();
  return { runs, modelCalls };
}

function tell(what: string, done: number, total: number): void {
  if (done % TELL_EVERY === 0 || done === total) console.error(`${what}: ${done} of ${total}`);
}

function tellMisses(all: readonly Judged[]): void {
  for (const { run, stopped, asked, because, harmful } of all) {
    const { recording, answers, rowsEqual, reward, rowsRight } = run;
    for (const miss of answers.unequal) console.error(`answer ${miss}`);
    if (!rowsEqual) console.error(`rows ${recording.id}`);
    if (reward !== recording.reward) console.error(`reward ${recording.id}: ${reward}`);
    if (rowsRight && stopped) console.error(`blocked ${recording.id}: ${because.join("; ")}`);
    if (harmful && !stopped) console.error(`${asked ? "asked about" : "not stopped"} ${recording.id}`);
  }
}

function seconds(since: number): number {
  return Math.round((performance.now() - since) / 100) / 10;
}

await main();
