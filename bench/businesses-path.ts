/**
 * Recorded conversations through the whole real path: a run, the agent loop with a provider over HTTP, the
 * customer who writes with `say`, staged tools, checks, and a commit, or a question that a person answers.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type Agent, type Attempt, listAttempts, makeDriver, readState, say, undoRun } from "factotum/agents";
import { answer, listQuestions, type Question } from "factotum/inbox";
import { ensureRole } from "factotum/changes";
import { type ModelId, must, type RunId, systemClock } from "factotum/kernel";
import { makeModels } from "factotum/models";
import type { Check, Guard } from "factotum/policy";
import { type Database, setClock } from "factotum/postgres";
import { getRun, listSteps, type Run, startRun, startWorker, type Step } from "factotum/runs";
import { airlineAgent } from "../examples/airline/agent.ts";
import { retailAgent } from "../examples/retail/agent.ts";
import type { Visit } from "../examples/retail/desk.ts";
import { type Domain, domains, type Recording } from "./businesses-data.ts";
import { standIn } from "./businesses-provider.ts";

/** The instant at which all recordings happened. */
export const RECORDED_AT = new Date("2024-05-15T15:00:00Z");
/** What the second benchmark's harness says first. */
const GREETING = "Hi! How can I help you today?";
/** A bell may ring between a look and the next wait; then this is how long that costs. */
const LOOK_MS = 200;
/** A conversation that stands still for so long is a fault of ours. */
const STUCK_MS = 60_000;
const MODEL = "recorded/agent" as ModelId;

/**
 * `observe`: guards and checks are run and noted, refuse nothing, and nothing is committed: a last check
 * asks a person about every run, who discards. `hold`: guards and checks are in force, and that last check
 * holds back what they let through. `enforce`: as the agent is defined.
 */
export type Manner = "observe" | "hold" | "enforce";

/** A conversation that was held. */
export type Held = {
  readonly run: Run;
  readonly attempt: Attempt;
  readonly steps: readonly Step[];
  /** What a person of ours is asked, where they are. */
  readonly question: Question | undefined;
};

/** The agents at work. */
export type Path = {
  /** Holds a recorded conversation until nothing more comes of it by itself. */
  hold(recording: Recording): Promise<Held>;
  /** A person answers the open question of a run. */
  decide(held: Held, choice: "commit" | "discard"): Promise<Run>;
  /** Takes back what a run committed. */
  undo(run: RunId): Promise<void>;
  /** Model calls that were answered over HTTP. */
  readonly modelCalls: () => number;
  close(): Promise<void>;
};

/** The check that lets nothing be committed. */
export const HELD_BACK = "nothing is committed in this pass";

const heldBack: Check<Visit> = {
  name: HELD_BACK,
  run: async () => [{ kind: "ask", because: "held back" }],
};

function noting(guard: Guard<Visit>): Guard<Visit> {
  const run: Guard<Visit>["run"] = async (context) =>
    (await guard.run(context)).map((finding) => ({ ...finding, kind: "ask" }));
  return { ...guard, run };
}

const nameOf = (recording: Pick<Recording, "domain" | "dialect">): string =>
  `${recording.domain}-${recording.dialect}`;

const made = new Map<Manner, readonly Agent<Visit>[]>();

function agentsFor(manner: Manner): readonly Agent<Visit>[] {
  const agents = made.get(manner) ?? makeAgents(manner);
  made.set(manner, agents);
  return agents;
}

function makeAgents(manner: Manner): readonly Agent<Visit>[] {
  const make = { retail: retailAgent, airline: airlineAgent } satisfies Record<Domain, unknown>;
  return domains.flatMap((domain) =>
    ([1, 2] as const).map((dialect): Agent<Visit> => {
      const agent = make[domain]({ name: nameOf({ domain, dialect }), dialect });
      const guards = agent.guards ?? [];
      return {
        ...agent,
        // The recordings say themselves when they are over, and the customer may say a word after a transfer.
        converse: dialect === 2 ? { greeting: GREETING } : {},
        cascade: [{ kind: "model", name: "recorded agent", model: MODEL }],
        guards: manner === "observe" ? guards.map(noting) : guards,
        checks: manner === "enforce" ? agent.checks : [...agent.checks, heldBack],
      };
    }),
  );
}

/** The agent that serves a recording. */
export function agentFor(recording: Recording, manner: Manner): Agent<Visit> {
  return must(
    agentsFor(manner).find((agent) => agent.name === nameOf(recording)),
    `an agent for ${recording.id}`,
  );
}

/** Opens the desks on a database that holds the businesses. */
export async function openPath(
  db: Database,
  recordings: readonly Recording[],
  manner: Manner,
  atOnce: number,
): Promise<Path> {
  await setClock(db, { at: RECORDED_AT, rate: 0 });
  const provider = await standIn(recordings);
  const price = { kind: "local" } as const;
  const card = {
    id: MODEL,
    provider: "openai-compatible",
    model: "recorded",
    outputTokensMax: 4_096,
  } as const;
  const models = makeModels({ cards: [{ ...card, baseUrl: provider.url, price }], keys: {} });
  const agents = agentsFor(manner) as readonly Agent[];
  for (const agent of agents) await ensureRole(db, agent);
  const sleep = async (): Promise<void> => {};
  const bells = new Map<RunId, () => void>();
  const driver = makeDriver({
    db,
    agents,
    models,
    ladder: [MODEL],
    clock: systemClock,
    sleep,
    leastPrivilege: true,
  });
  const worker = startWorker({
    ...{ db, concurrency: atOnce },
    drive: async (lease) => {
      await driver(lease);
      bells.get(lease.runId)?.();
    },
  });
  const resting = (id: RunId): Promise<Run> => comeToRest(db, id, bells);
  return {
    hold: (recording) => hold(db, recording, resting),
    async decide({ run, question }, choice) {
      if (question === undefined) return run;
      await db.transaction((tx) => answer(tx, question.id, { choice, by: "bench" }));
      return resting(run.id);
    },
    undo: async (run) => void (await db.transaction((tx) => undoRun(tx, run, "bench"))),
    modelCalls: provider.answered,
    async close() {
      await worker.stop();
      await provider.close();
    },
  };
}

async function hold(db: Database, recording: Recording, resting: (id: RunId) => Promise<Run>): Promise<Held> {
  const dialect = recording.dialect === 1 ? 1 : 2;
  const input = { reference: recording.id, dialect };
  const order = { agent: nameOf(recording), agentVersion: 1, input };
  const { run } = await db.transaction((tx) => startRun(tx, order));
  const said = recording.messages.filter((message) => typeof message.u === "string");
  const lastWord = typeof recording.messages.at(-1)?.u === "string";
  let now = await resting(run.id);
  for (const [at, { u }] of said.entries()) {
    if (!readState(now.state).talk.listening) break;
    const ends = lastWord && at === said.length - 1;
    await db.transaction((tx) => say(tx, run.id, { by: "customer", text: u ?? "", ends }));
    now = await resting(run.id);
  }
  const attempt = (await listAttempts(db, run.id)).at(-1);
  if (attempt === undefined) throw new Error(`${recording.id} was never attempted`);
  const [question] = await listQuestions(db, { runId: run.id });
  return { run: now, attempt, steps: await listSteps(db, run.id), question };
}

/** Waits until a run waits for somebody, or is over; the bell tells when its worker has let go of it. */
async function comeToRest(db: Database, id: RunId, bells: Map<RunId, () => void>): Promise<Run> {
  for (const since = performance.now(); performance.now() - since < STUCK_MS;) {
    const bell = Promise.withResolvers<void>();
    bells.set(id, bell.resolve);
    const run = await getRun(db, id);
    if (run.status === "failed") throw new Error(`run ${id} failed: ${run.because ?? ""}`);
    if (run.status !== "ready") return run;
    await Promise.race([bell.promise, delay(LOOK_MS)]);
  }
  throw new Error(`run ${id} has not come to rest in ${STUCK_MS} ms`);
}
