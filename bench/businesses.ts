/**
 * Recorded agents on two businesses:
 * `npm run --silent bench:businesses -- [--data DIR] [--json] [--misses] [--every N] [--only quality]
 * [--reword SEED]`.
 *
 * Every recorded conversation goes through the whole real path in a throw-away Postgres: a stand-in for the
 * provider gives the recorded turns over HTTP, the agent loop stages the calls, the customer writes with
 * `say`, checks look, and the run is committed, stopped or put to a person.
 *
 * First eight at once with guards and checks observing: nothing is committed, since a last check asks about
 * everything and is answered with "discard", so that no run sees another's work. The diffs are compared with
 * those of the recorded calls made one conversation at a time, without the agent loop. Then
 * with guards and checks in force, held back in the same way, and what they let through once more and for
 * good, one at a time: what is committed is undone, and all tables are compared with the beginning, before
 * the next begins. Without `--data` it runs on conversations of our own, with `--every N` on every Nth
 * conversation only, with `--only quality` on the recorded calls alone: commit quality in seconds, and with
 * `--reword SEED` after what customers said was put in other words: what of it is the recordings' wording.
 * `--misses` tells on the error output what was not as recorded; progress goes there too.
 */
import { parseArgs } from "node:util";
import { attach } from "factotum/changes";
import { InputError, must } from "factotum/kernel";
import { type Database, migrate, openDatabase } from "factotum/postgres";
import { benchFolder } from "./bench-folder.ts";
import { cascade } from "./businesses-cascade.ts";
import { commitPass } from "./businesses-commits.ts";
import {
  type Businesses,
  domains,
  loadBusinesses,
  readBusinesses,
  type Recording,
} from "./businesses-data.ts";
import { openPath } from "./businesses-path.ts";
import {
  baselines,
  enforce,
  type Judged,
  isLetThrough,
  sameJudgement,
  writeDue,
} from "./businesses-quality.ts";
import { judgeQuickly } from "./businesses-quick.ts";
import { reworded } from "./businesses-reworded.ts";
import { grade, type Replayed, same, solves, writtenTables } from "./businesses-replay.ts";
import { checksum, readShapes, type Shapes } from "./businesses-rows.ts";
import { sampleBusinesses } from "./businesses-sample.ts";

const AT_ONCE = 8;
/** The database is thrown away: what a power cut would take from it needs no protection. */
const THROW_AWAY = { fsync: "off", synchronous_commit: "off", full_page_writes: "off" };
/** Progress is told after so many conversations. */
const TELL_EVERY = 20;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      data: { type: "string" },
      json: { type: "boolean", default: false },
      misses: { type: "boolean", default: false },
      every: { type: "string", default: "1" },
      only: { type: "string" },
      reword: { type: "string" },
    },
  });
  const found = values.data === undefined ? sampleBusinesses() : readBusinesses(values.data);
  const { reword } = values;
  const recordings = found.recordings
    .filter((_, at) => at % Number(values.every) === 0)
    .map((one) => (reword === undefined ? one : reworded(one, Number(reword))));
  const data = { ...found, recordings };
  const db = await openDatabase({ kind: "embedded", directory: benchFolder(), settings: THROW_AWAY });
  try {
    const result =
      values.only === "quality"
        ? await quality(db, data, values.misses)
        : await measure(db, data, values.misses);
    console.log(JSON.stringify(result, null, values.json ? 0 : 2));
  } finally {
    await db.close();
  }
}

async function prepare(db: Database, data: Businesses): Promise<Shapes> {
  await migrate(db);
  await loadBusinesses(db, data);
  await db.transaction((tx) => attach(tx, Object.values(writtenTables).flat()));
  return readShapes(db, data);
}

/** Part 3 alone, by the recorded calls and without the agent loop; see `businesses-quick.ts`. */
async function quality(db: Database, data: Businesses, misses: boolean) {
  const shapes = await prepare(db, data);
  const judging = performance.now();
  const judged = await inLanes(data.recordings, (recording) => judgeQuickly(db, shapes, recording));
  const judgeSeconds = seconds(judging);
  if (misses) tellMisses(judged);
  return { ...byDomain(judged), judgeSeconds };
}

async function measure(db: Database, data: Businesses, misses: boolean) {
  const loading = performance.now();
  const shapes = await prepare(db, data);
  const loadSeconds = seconds(loading);
  const before = await checksum(db, shapes);
  const observing = performance.now();
  const { runs: many, modelCalls } = await observe(db, shapes, data);
  const observeSeconds = seconds(observing);
  const judging = performance.now();
  const alone = await inLanes(data.recordings, (one) => judgeQuickly(db, shapes, one), "one at a time", 1);
  const judgeSeconds = seconds(judging);
  const unchanged = (await checksum(db, shapes)) === before;
  const enforcing = performance.now();
  const { judged, restored, commits, alike } = await enforceAll(db, shapes, many);
  const enforceSeconds = seconds(enforcing);
  if (misses) tellMisses(judged);
  const equalDiffs = many.filter((run, at) => same(run.lines, alone[at]?.run.lines ?? [])).length;
  const judgedAlike = judged.filter((one, at) => sameJudgement(one, must(alone[at], "its twin"))).length;
  return {
    ...byDomain(judged),
    expectedActions: await expectedActions(db, shapes, data, misses),
    isolation: {
      discarded: { tables: shapes.size, unchanged },
      together: { atOnce: AT_ONCE, equalDiffs, total: many.length },
      enforced: { commits, undoneExactly: restored, judgedAsHeldBack: alike },
      commits: await commitPass(db, shapes, many),
    },
    cascade: cascade(judged, data),
    /** What `--only quality` says, beside what the whole path says. */
    quick: { ...byDomain(alone), judgedAlike, total: judged.length },
    ...{ modelCalls, loadSeconds, observeSeconds, judgeSeconds, enforceSeconds },
  };
}

/**
 * Guards and checks in force: first with everything held back, so that many go at once, then once more, one
 * after another and each on the initial data, whatever is committed.
 */
async function enforceAll(db: Database, shapes: Shapes, runs: readonly Replayed[]) {
  const recordings = runs.map((run) => run.recording);
  const holding = await openPath(db, recordings, "hold", AT_ONCE);
  const judged = await inLanes(runs, (run) => enforce(holding, run), "held back");
  await holding.close();
  const path = await openPath(db, recordings, "enforce", 1);
  const before = await checksum(db, shapes);
  let [restored, commits, alike] = [0, 0, 0];
  for (const [at, held] of judged.entries()) {
    if (!isLetThrough(held)) continue;
    const one = await enforce(path, held.run);
    if (sameJudgement(one, held)) alike += 1;
    judged[at] = one;
    if (one.committed === 0) continue;
    commits += 1;
    if (commits % TELL_EVERY === 0) console.error(`committed: ${commits}`);
    await path.undo(one.id);
    if ((await checksum(db, shapes)) === before) restored += 1;
  }
  await path.close();
  return { judged, restored, commits, alike };
}

/** The actions that solve each task, of either dialect, against the rows that the task expects. */
async function expectedActions(db: Database, shapes: Shapes, data: Businesses, misses: boolean) {
  const solved = await inLanes(data.tasks, async (task) => {
    const is = await solves(db, shapes, task);
    if (!is && misses) console.error(`task ${task.id}`);
    return is;
  });
  return { equal: solved.filter((is) => is).length, total: data.tasks.length };
}

/** Does something for each, so many at once, which nothing of it may tell; answers come in order. */
async function inLanes<A, B>(
  all: readonly A[],
  work: (one: A) => Promise<B>,
  what?: string,
  atOnce = AT_ONCE,
): Promise<B[]> {
  const done: B[] = [];
  let told = 0;
  const queue = all.entries();
  const lane = async (): Promise<void> => {
    for (const [at, one] of queue) {
      done[at] = await work(one);
      told += 1;
      if (what !== undefined) tell(what, told, all.length);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return done;
}

function byDomain(judged: readonly Judged[]) {
  return {
    ...Object.fromEntries(domains.map((domain) => [domain, figures(judged, (run) => run.domain === domain)])),
    all: figures(judged, () => true),
  };
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
async function observe(db: Database, shapes: Shapes, data: Businesses) {
  const path = await openPath(db, data.recordings, "observe", AT_ONCE);
  const held = async (recording: Recording): Promise<Replayed> => {
    const one = await path.hold(recording);
    const run = await grade(db, shapes, recording, one);
    await path.decide(one, "discard");
    return run;
  };
  const runs = await inLanes(data.recordings, held, "observed");
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

await main().catch((error: unknown) => {
  if (!(error instanceof InputError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
});
