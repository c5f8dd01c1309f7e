/**
 * Workers of the chaos campaign, in a process of their own: one for synthetic runs, one for the desk.
 * Arguments: the addresses of database, provider and model, lease in milliseconds, synthetic runs at once,
 * steps of each. Each turn of a synthetic run makes an effect: a step, and at every other turn a row, without
 * a unique constraint, so that a turn that counts twice shows. Every fifth step is a call outside, with its
 * intent committed before.
 */
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { openDatabase, type Transaction } from "factotum/postgres";
import { appendStep, type Drive, type Lease, type Run, startWorker } from "factotum/runs";

const [url = "", provider = "", model = "", ...numbers] = process.argv.slice(2);
const [leaseMs = 0, concurrency = 0, steps = 0] = numbers.map(Number);
const CALL_EVERY = 5;
const DESK_CONCURRENCY = 20;
const OUTSIDE_MS = 40;

/** What a run knows: how many effects it has made, and the call whose answer it waits for. */
type State = { readonly done: number; readonly intent: number | null; readonly tries: number };

const stateOf = (run: Run): State => (run.state as State | null) ?? { done: 0, intent: null, tries: 0 };

const drive: Drive = async (lease) => {
  /** The call that this drive itself has intended: another's may have been made or not. */
  let mine: number | null = null;
  while (lease.run.status === "ready" && !lease.signal.aborted && !lease.shouldYield()) {
    const state = stateOf(lease.run);
    const calls = (state.done + 1) % CALL_EVERY === 0;
    if (state.intent !== null && state.intent === mine) {
      await ask(lease, state.done, state.intent);
      await advance(lease, state.intent);
      mine = null;
    } else if (calls) {
      mine = state.tries + 1;
      await intend(lease, mine);
    } else {
      await advance(lease, null);
      await delay((Number(lease.runId) * 7 + state.done) % OUTSIDE_MS);
    }
  }
};

async function ask(lease: Lease, done: number, attempt: number): Promise<void> {
  const address = `${provider}/${lease.runId}/${done}/${attempt}`;
  const reply = await fetch(address, { method: "POST", signal: lease.signal });
  await reply.text();
}

/** An intent that is there already is another's, whose fate is unknown. */
async function intend(lease: Lease, attempt: number): Promise<void> {
  await lease.turn(async (tx, run) => {
    const state = stateOf(run);
    if (state.intent !== null) await mark(tx, run, state, "unknown");
    await tx.query("insert into call (run_id, n, attempt, status) values ($1, $2, $3, 'intended')", [
      ...[run.id, state.done, attempt],
    ]);
    return { kind: "continue", state: { ...state, intent: attempt, tries: attempt } };
  });
}

/** One more effect, and the answer to the call where there was one. */
async function advance(lease: Lease, answered: number | null): Promise<void> {
  await lease.turn(async (tx, run, now) => {
    const state = stateOf(run);
    if (answered !== null && state.intent === answered) await mark(tx, run, state, "settled");
    const done = state.done + 1;
    // Every other turn touches nothing but steps and state, and is a single statement.
    if (done % 2 === 0) await tx.query("insert into effect (run_id, n) values ($1, $2)", [run.id, done]);
    await appendStep(tx, run.id, { kind: "effect", attempt: null, data: done });
    const next = { done, intent: null, tries: 0 };
    if (done >= steps) return { kind: "done", state: next, outcome: "worked" };
    if (done === steps >> 1)
      return { kind: "park", state: next, until: new Date((await now()).getTime() + 30) };
    return { kind: "continue", state: next };
  });
}

async function mark(tx: Transaction, run: Run, state: State, status: string): Promise<void> {
  await tx.query("update call set status = $4 where run_id = $1 and n = $2 and attempt = $3", [
    ...[run.id, state.done, state.intent, status],
  ]);
}

/** Opened as soon as the server is there and the connection is not cut. */
async function opened<T>(open: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await open();
    } catch {
      await delay(OUTSIDE_MS);
    }
  }
}

process.on("disconnect", () => process.exit());
const name = `${hostname()}:${process.pid}`;
const db = await opened(() => openDatabase({ kind: "url", url }));
const say = (line: string): void => void process.send?.(line);
startWorker({ db, drive, name, leaseMs, concurrency, agents: ["chaos"], say });
// Takes longer to load than the other to begin.
const [{ openFactotum }, { DESK, deskConfig }] = await Promise.all([
  import("factotum/server"),
  import("./chaos-desk.ts"),
]);
const settings = deskConfig({ models: model, letters: provider });
const surroundings = { env: { DATABASE_URL: url }, directory: ".", say };
const desk = await opened(() => openFactotum(settings, surroundings));
desk.work({ agents: [DESK], concurrency: DESK_CONCURRENCY, leaseMs });
process.send?.("up");
