/**
 * How long it takes from a person's word to its effect:
 * `npm run bench:steering -- [--runs N] [--steps N] [--json]`.
 *
 * Runs of the network-operations desk are too much for this: a small agent of code asks a question and parks.
 * An answer, or a nudge, is given to one parked run after the other through the facade, as the HTTP API does;
 * its effect is the commit of the turn that had it. A model call under way at a stand-in that never answers
 * is interrupted by a nudge; its effect is that the stand-in's connection closes.
 *
 * With `--steps N` one run of so many model replies is lived through instead, each prompt held against the
 * window and against what open commitments depend on; it ends with 1 where a prompt lacked anything.
 */
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { type Agent, defineAgent, type Rung } from "factotum/agents";
import { microUsd, type RunId } from "factotum/kernel";
import { defineConfig, type Factotum, openFactotum } from "factotum/server";
import { z } from "zod";
import { benchFolder } from "./bench-folder.ts";
import { longRun } from "./steering-long.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "200" },
    steps: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
if (values.steps !== undefined) process.exit(await long(Number(values.steps)));
const RUNS = Number(values.runs);
const INTERRUPTS = Math.max(5, Math.min(50, Math.floor(RUNS / 10)));
const Input = z.object({ n: z.number() });
type Input = z.infer<typeof Input>;

const asks: Rung<Input> = {
  kind: "code",
  name: "asks",
  async run({ ask, input }) {
    const choices = ["yes", "no"].map((id) => ({ id, label: id }));
    const { choice } = await ask({ question: `Shall ${input.n} be done?`, choices });
    return { kind: "refuse", because: choice };
  },
};
const agentOf = (name: string, rung: Rung<Input>): Agent<Input> =>
  defineAgent<Input>({
    ...{ name, version: 1, policy: "Do as you are told.", input: Input, tables: {}, tools: [] },
    checks: [{ name: "fine", run: async () => [] }],
    cascade: [rung],
    value: () => microUsd(0),
    present: ({ n }) => ({ title: `work ${n}`, text: `Do ${n}.` }),
  });

const silent = await standIn();
const folder = benchFolder();
const config = defineConfig({
  name: "steering",
  agents: [agentOf("asker", asks), agentOf("thinker", { kind: "model", name: "model", model: "cheap" })],
  models: [{ id: "local/silent", baseUrl: silent.url, local: true }],
  concurrency: 8,
});
const factotum = await openFactotum(config, { env: process.env, directory: folder, say: () => {} });
try {
  await factotum.prepare();
  const worker = factotum.work();
  const ids: RunId[] = [];
  for (let n = 0; n < RUNS; n += 1) {
    const { run } = await factotum.start({ agent: "asker", key: String(n), input: { n } });
    ids.push(run.id);
  }
  await worker.drained();
  const nudgeMs: number[] = [];
  for (const id of ids) nudgeMs.push(await nudged(factotum, id));
  const open = new Map((await questions(factotum)).map((one) => [one.runId, one.id]));
  const answerMs: number[] = [];
  for (const id of ids) {
    const question = open.get(id);
    if (question === undefined) throw new Error(`run ${id} has asked nothing`);
    const begun = performance.now();
    await factotum.answer(question, { choice: "yes", by: "bench" });
    await until(factotum, "select from factotum.runs where id = $1 and status = 'done'", id);
    answerMs.push(performance.now() - begun);
  }
  const abortMs: number[] = [];
  for (let n = 0; n < INTERRUPTS; n += 1) abortMs.push(await interrupted(factotum, n));
  await worker.stop();
  const result = {
    runs: RUNS,
    nudgeToEffectMs: { p50: percentile(nudgeMs, 50), p99: percentile(nudgeMs, 99) },
    answerToEffectMs: { p50: percentile(answerMs, 50), p99: percentile(answerMs, 99) },
    interrupts: INTERRUPTS,
    abortMs: { p50: percentile(abortMs, 50), max: Math.max(...abortMs) },
  };
  print(result);
} finally {
  await factotum.close();
  silent.close();
}

/** Lives through a long run; answers the process's exit code. */
async function long(steps: number): Promise<number> {
  const directory = benchFolder();
  const report = await longRun({ steps, env: process.env, directory });
  print(report);
  const fits = report.tokensMax <= report.windowTokens && report.disposition === "resolved";
  return fits && report.lost.length === 0 ? 0 : 1;
}

function print(result: object): void {
  if (values.json) console.log(JSON.stringify(result));
  else for (const [name, value] of Object.entries(result)) console.log(name, JSON.stringify(value));
}

/** Nearest rank. */
function percentile(samples: readonly number[], rank: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((rank / 100) * sorted.length) - 1)] ?? Number.NaN;
}

async function nudged(desk: Factotum, id: RunId): Promise<number> {
  const begun = performance.now();
  await desk.nudge(id, { text: "be quick", by: "bench" });
  await until(desk, "select from factotum.steps where run_id = $1 and kind = 'nudged'", id);
  return performance.now() - begun;
}

async function interrupted(desk: Factotum, n: number): Promise<number> {
  const arrived = silent.next();
  const { run } = await desk.start({ agent: "thinker", key: `t${n}`, input: { n } });
  const { closed } = await arrived;
  const begun = performance.now();
  await desk.nudge(run.id, { skip: true, by: "bench" });
  await closed;
  return performance.now() - begun;
}

async function questions(desk: Factotum): Promise<Awaited<ReturnType<Factotum["inbox"]>>> {
  return desk.inbox({ limit: RUNS });
}

/** Asks until a row is there; the round trips are part of what is measured. */
async function until(desk: Factotum, sql: string, id: RunId): Promise<void> {
  for (;;) {
    const { rowCount } = await desk.db.query(sql, [id]);
    if (rowCount > 0) return;
  }
}

/** A provider that takes every call and answers none. */
async function standIn() {
  type Arrival = { readonly closed: Promise<void> };
  let waiting: ((arrival: Arrival) => void) | undefined;
  const server = createServer((_request, response) => {
    const closed = new Promise<void>((resolve) => response.once("close", () => resolve()));
    waiting?.({ closed });
    waiting = undefined;
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    next: () =>
      new Promise<Arrival>((resolve) => {
        waiting = resolve;
      }),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
