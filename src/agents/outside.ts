import { ConflictError, type Diff } from "../changes/index.ts";
import { FactotumError, InputError, type Json, type TenantId } from "../kernel/index.ts";
import type { Verdict } from "../policy/index.ts";
import { appendStep, FencedError, isNudged, leaseOutside, startRun } from "../runs/index.ts";
import type { Agent } from "./agent.ts";
import { getAttempt, saveAttempt, stagedOf } from "./attempts.ts";
import { businessTime } from "./business-time.ts";
import { type Called, callOutside } from "./outside-call.ts";
import { commitOutside, type Committed } from "./outside-commit.ts";
import { heed } from "./heeding.ts";
import { abandon, endInConflict, expire, IDLE_MS_MAX, outsideOf, throwAway } from "./outside-end.ts";
import { digestOf, type Handle, handleText, isOwner, parseHandle, unknownHandle } from "./outside-handle.ts";
import { allSaid, alwaysSaid, tell } from "./outside-told.ts";
import { standingOf, type Standing } from "./outside-standing.ts";
import { newState, readState } from "./state.ts";
import type { Toolbox } from "./toolbox.ts";
import { examine, makeWorkshop, nothingStaged, type Workshop, type WorkshopParts } from "./workshop.ts";
import type { Held } from "./outside-held.ts";

/** How often one piece of work may be begun again. */
const ATTEMPTS_MAX = 20;
/** How often a call is made again when others moved its attempt on at the same moment. */
const TRIES_MAX = 10;
/** How long `commit` waits for verifiers, and how often it looks: clients give up after about a minute. */
const VERIFY_MS_MAX = 20_000;
const LOOK_MS = 200;
const NAME_CHARS_MAX = 80;

/** A piece of work as a client outside begins it. */
export type OutsideOrder = {
  readonly agent: string;
  readonly input: Json;
  /** The same key is never worked twice. */
  readonly key?: string;
  readonly tenant?: TenantId;
  /** Who drives it, for the timeline and for blame. */
  readonly client: string;
  /** A random word of 16 to 64 characters: whoever has it has the attempt. */
  readonly secret: string;
};

/** Who waits for a commit's verifiers. */
export type Watcher = {
  /** The client has gone: nobody waits any more. */
  readonly signal: AbortSignal;
  /** Called whenever it was looked for a result, with the time waited so far and the most there will be. */
  readonly waited: (ms: number, msMax: number) => void;
};

/** An attempt as its client knows it, with what it should know of what was said. */
export type Begun = { readonly attempt: string; readonly told: readonly string[] } & Standing;

/** What is staged, what checks say of it so far, and what people said that the client was not told yet. */
type Looked = {
  readonly diff: Diff;
  readonly verdicts: readonly Verdict[];
  readonly told: readonly string[];
};

/**
 * Attempts driven from outside: a client of another protocol works in a staged change set with an agent's
 * tools, and the agent's checks decide what becomes of it. Everything is in rows, nothing in memory: any
 * process may take any call.
 */
export type Outside = {
  /** An agent with the tools it has on the live schema. @throws {InputError} `agent-unknown` */
  bench(agent: string): Promise<{ readonly agent: Agent; readonly toolbox: Toolbox }>;
  /** Begins work. @throws {InputError} `input-invalid`, `work-taken` */
  begin(order: OutsideOrder): Promise<Begun>;
  /** Begins the same work again on fresh data; what the last attempt staged is thrown away. */
  beginAgain(attempt: string): Promise<Begun>;
  /** Calls a tool on top of what was staged. @throws what the tool throws; then nothing of it is staged */
  call(attempt: string, tool: string, input: Json): Promise<Called>;
  diff(attempt: string): Promise<Looked>;
  /** Has it checked: committed, refused with the findings, or put to a person. */
  commit(
    attempt: string,
    unsure: readonly string[],
    askPerson: boolean,
    watcher?: Watcher,
  ): Promise<Committed>;
  discard(attempt: string, because: string): Promise<Begun>;
  status(attempt: string): Promise<Begun>;
};

/** Makes the way in from outside. */
export function makeOutside(parts: WorkshopParts): Outside {
  const workshop = makeWorkshop(parts);
  const inOrder = turnstile();
  const held = <T>(text: string, work: (held: Held) => Promise<T>): Promise<T> =>
    inOrder(text.split(".")[0] ?? "", () => withHeld(workshop, text, work));
  const open = <T>(text: string, work: (held: Held) => Promise<T>): Promise<T> =>
    held(text, async (h) => {
      if (isOpen(h)) return work(h);
      throw over(h, await standingOf(workshop.db, h));
    });
  return {
    bench: (name) => workshop.benchOf(name),
    begin: (order) => begin(workshop, order),
    beginAgain: (text) => held(text, (h) => beginAgain(h)),
    call: (text, tool, input) => open(text, (h) => callOutside(h, tool, input)),
    diff: (text) => open(text, look),
    commit: (text, unsure, askPerson, watcher = nobody) =>
      whenVerified(workshop, watcher, () =>
        held(text, async (h) => {
          if (isOpen(h)) return commitOutside(h, unsure, askPerson);
          const standing = await standingOf(workshop.db, h);
          if (ANSWERS.has(standing.kind)) return standing;
          throw over(h, standing);
        }),
      ),
    discard: (text, because) =>
      held(text, async (h) => {
        if (h.state.phase === "outside") await abandon(h, because);
        return begunOf(await take(workshop, h.handle), []);
      }),
    status: (text) => held(text, async (h) => begunOf(h, await allSaid(workshop.db, h.run.id))),
  };
}

/** Standings that a commit made again is answered with. */
const ANSWERS: ReadonlySet<Standing["kind"]> = new Set(["committed", "asked", "verifying"]);

const nobody: Watcher = { signal: new AbortController().signal, waited: () => {} };

/** Looks again while a worker asks the verifiers, for a while; nothing is held meanwhile. */
async function whenVerified(
  workshop: Workshop,
  { signal, waited }: Watcher,
  ask: () => Promise<Committed>,
): Promise<Committed> {
  waited(0, VERIFY_MS_MAX);
  let found = await ask();
  for (
    let ms = LOOK_MS;
    found.kind === "verifying" && ms <= VERIFY_MS_MAX && !signal.aborted;
    ms += LOOK_MS
  ) {
    await workshop.sleep(LOOK_MS, signal);
    waited(ms, VERIFY_MS_MAX);
    found = await ask();
  }
  return found;
}

async function begin(workshop: Workshop, order: OutsideOrder): Promise<Begun> {
  const { agent } = await workshop.benchOf(order.agent);
  const parsed = agent.input.safeParse(order.input);
  if (!parsed.success) throw badWork(agent.name, parsed.error.issues);
  const client = order.client.slice(0, NAME_CHARS_MAX);
  const outside = { client, digest: digestOf(order.secret), open: true, calls: 0, refusals: 0 };
  const state = newState({ phase: "outside", outside });
  const run = await workshop.db.transaction(async (tx) => {
    const at = await businessTime({ db: tx });
    const { run: started, created } = await startRun(tx, {
      ...{ agent: agent.name, agentVersion: agent.version, input: order.input, state },
      ...{ parkedUntil: new Date(at.getTime() + IDLE_MS_MAX) },
      ...(order.key !== undefined && { key: order.key }),
      ...(order.tenant !== undefined && { tenant: order.tenant }),
    });
    if (!created) throw taken(started.id, order.key ?? "");
    await appendStep(tx, started.id, { kind: "begun", attempt: 1, data: { by: client } });
    await saveAttempt(tx, blank({ runId: started.id, number: 1, rung: client }));
    return started;
  });
  const handle = { runId: run.id, attempt: 1, secret: order.secret };
  const held = await take(workshop, handle);
  return begunOf(held, await alwaysSaid(workshop, held.run));
}

async function begunOf(h: Held, said: readonly string[]): Promise<Begun> {
  return { attempt: handleText(h.handle), told: said, ...(await standingOf(h.workshop.db, h)) };
}

async function beginAgain(h: Held): Promise<Begun> {
  if (h.state.phase !== "outside") throw over(h, await standingOf(h.workshop.db, h));
  const number = h.state.attempt + (outsideOf(h.state).open ? 2 : 1);
  if (number > ATTEMPTS_MAX) {
    throw new InputError({
      code: "attempts-exhausted",
      message: `run ${h.run.id} was begun ${ATTEMPTS_MAX} times; discard it and leave the work to a person`,
    });
  }
  const { client } = outsideOf(h.state);
  const said = [...(await alwaysSaid(h.workshop, h.run)), ...(await allSaid(h.workshop.db, h.run.id))];
  const at = await businessTime(h.workshop);
  await h.lease.turn(async (tx, run) => {
    const state = await throwAway(tx, h, "its client began again");
    await appendStep(tx, run.id, { kind: "begun", attempt: number, data: { by: client } });
    await saveAttempt(tx, blank({ runId: run.id, number, rung: client }));
    const outside = { ...tell(outsideOf(state)).outside, open: true, calls: 0, refusals: 0 };
    return { kind: "park", state: { ...state, outside }, until: new Date(at.getTime() + IDLE_MS_MAX) };
  });
  const untold = tell(outsideOf(h.state)).told;
  const begun = await take(h.workshop, { ...h.handle, attempt: number });
  return begunOf(begun, [...new Set([...said, ...untold])]);
}

async function look(h: Held): Promise<Looked> {
  try {
    const { diff, verdicts } = await examine(h.workshop, h.bench, h.run, h.staged, h.at);
    // Only looked at: it is told again with the next call.
    return { diff, verdicts, told: tell(outsideOf(h.state)).told };
  } catch (error) {
    if (error instanceof ConflictError) await endInConflict(h, error);
    throw error;
  }
}

/** Whether the handle's attempt is the one under way. */
function isOpen({ state, handle }: Held): boolean {
  return state.phase === "outside" && outsideOf(state).open && handle.attempt === state.attempt + 1;
}

/** Reads the run afresh and works on it; where another call came first, again. */
async function withHeld<T>(workshop: Workshop, text: string, work: (held: Held) => Promise<T>): Promise<T> {
  const handle = parseHandle(text);
  for (let tried = 1; ; tried += 1) {
    try {
      return await work(await heard(await take(workshop, handle)));
    } catch (error) {
      if (!(error instanceof FencedError)) throw error;
      if (tried >= TRIES_MAX) throw busy(handle, error);
    }
  }
}

/** No worker need be there for a client to be told what people say: its own call reads it first. */
async function heard(h: Held): Promise<Held> {
  if (h.state.phase !== "outside" || !(await isNudged(h.workshop.db, h.run.id))) return h;
  await heed({ ...h, fresh: false });
  return take(h.workshop, h.handle);
}

async function take(workshop: Workshop, handle: Handle): Promise<Held> {
  const held = await read(workshop, handle);
  const { wakeAt } = held.run;
  if (held.state.phase !== "outside" || wakeAt === null || wakeAt > held.at) return held;
  // No worker need be there for that; one that is may have come first.
  await expire(held);
  return read(workshop, handle);
}

async function read(workshop: Workshop, handle: Handle): Promise<Held> {
  const lease = await leaseOutside(workshop.db, handle.runId).catch((error: unknown) => {
    throw error instanceof FactotumError && error.code === "run-unknown" ? unknownHandle() : error;
  });
  const state = readState(lease.run.state);
  if (!isOwner(state, handle)) throw unknownHandle();
  const attempt = await getAttempt(workshop.db, handle.runId, handle.attempt);
  if (attempt === undefined) throw unknownHandle();
  const bench = await workshop.bench(lease.run);
  const at = await businessTime(workshop);
  const work = { attempt, staged: stagedOf(attempt) };
  return { workshop, bench, lease, run: lease.run, state, handle, at, ...work };
}

/** Lets the calls on one run through one after the other in this process; other processes are fenced off. */
function turnstile(): <T>(key: string, work: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>();
  return async (key, work) => {
    const before = last.get(key);
    const mine = (async () => {
      await before?.catch(() => undefined);
      return work();
    })();
    last.set(key, mine);
    try {
      return await mine;
    } finally {
      if (last.get(key) === mine) last.delete(key);
    }
  };
}

function blank(of: Pick<Parameters<typeof saveAttempt>[1], "runId" | "number" | "rung">) {
  const { calls, changeSet } = nothingStaged;
  return {
    ...{ ...of, model: null, status: "working" as const, because: null },
    ...{ calls, changeSet, diff: [], verdicts: [], refusals: [] },
  };
}

function over(h: Held, standing: Standing): InputError {
  const because = "because" in standing && standing.because !== null ? `: ${standing.because}` : "";
  const next =
    h.state.phase === "outside"
      ? `begin again with {"again": "${handleText({ ...h.handle, attempt: h.handle.attempt })}"}`
      : "status tells what became of it; new work needs a new begin";
  return new InputError({
    code: "attempt-over",
    message: `attempt ${h.handle.attempt} of run ${h.run.id} is ${standing.kind}${because}; ${next}`,
  });
}

function busy(handle: Handle, cause: Error): FactotumError {
  return new FactotumError({
    ...{ code: "attempt-busy", retry: "later", cause },
    message: `others work on run ${handle.runId} at this moment; this call changed nothing, make it again`,
  });
}

function taken(runId: string, key: string): InputError {
  return new InputError({
    code: "work-taken",
    message: `the work with key ${JSON.stringify(key)} is run ${runId} already; it is never worked twice`,
  });
}

type Issue = { readonly path: readonly PropertyKey[]; readonly message: string };

function badWork(agent: string, issues: readonly Issue[]): InputError {
  const said = issues.map(({ path, message }) => `${["work", ...path.map(String)].join(".")}: ${message}`);
  return new InputError({
    code: "input-invalid",
    message: `agent ${agent} cannot read this work: ${said.join("; ")}`,
  });
}
