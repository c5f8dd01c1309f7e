/** One run of thousands of steps, whose every prompt is held against what it must still say. */
import { type Agent, defineAgent, tool } from "factotum/agents";
import { microUsd, type RunId } from "factotum/kernel";
import { ticked } from "factotum/policy";
import { defineConfig, type Factotum, openFactotum } from "factotum/server";
import { reply, scriptedProvider, type ScriptedAnswer } from "factotum/testing";
import { z } from "zod";

/** How long the run is, and where its data lies. */
export type LongOptions = {
  /** Replies of the model that works. */
  readonly steps: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly directory: string;
};

/** What came of it. */
export type LongReport = {
  readonly steps: number;
  /** Steps of the timeline, messages and notes counted. */
  readonly timeline: number;
  readonly folds: number;
  readonly foldsByModel: number;
  readonly windowTokens: number;
  /** Of the longest prompt on the wire at three bytes a token, with the longest answer there may be. */
  readonly tokensMax: number;
  /** Facts that prompts were held to: the goal, what was said, answered, staged, and still to be done. */
  readonly facts: number;
  /** Prompts that lacked one, with what they lacked. */
  readonly lost: readonly string[];
  readonly disposition: string | null;
  readonly seconds: number;
  readonly stepsPerSecond: number;
};

const WINDOW_TOKENS = 16_000;
const OUTPUT_TOKENS_MAX = 1_000;
const BYTES_PER_TOKEN = 3;
const GOAL = "Count the boxes of every shelf, those of shelf 7 first of all";
const CLOSING = "a closing row";
const LOOK_CHARS = 500;
/** One reply of so many stages a row. */
const PUT_EVERY = 25;
/** Shares of the run after which a person speaks, and at which the model asks. */
const SAID_AT = [0.05, 0.35, 0.65];
const ASKED_AT = [0.1, 0.4, 0.7];

const Input = z.object({ goal: z.string() });
const Body = z.object({
  messages: z.array(
    z.looseObject({
      content: z.string().nullish(),
      tool_calls: z.array(z.looseObject({ function: z.looseObject({ arguments: z.string() }) })).optional(),
    }),
  ),
});

const look = tool({
  name: "look",
  description: "Looks at a shelf.",
  effect: "read",
  input: z.strictObject({ shelf: z.number() }),
  output: z.strictObject({ shelf: z.number(), seen: z.string() }),
  run: async (_tx, { shelf }) => ({ shelf, seen: `boxes of ${shelf} `.repeat(LOOK_CHARS / 13) }),
});
const put = tool({
  name: "put",
  description: "Writes a count down.",
  effect: "write",
  input: z.strictObject({ label: z.string() }),
  output: z.strictObject({ kept: z.string() }),
  run: async (tx, { label }) => {
    await tx.query("insert into shelf.counts (label) values ($1)", [label]);
    return { kept: `kept ${label}.` };
  },
});

const counter = (steps: number): Agent<z.infer<typeof Input>> =>
  defineAgent({
    ...{ name: "counter", version: 1, policy: "Count with care.", input: Input, tools: [look, put] },
    tables: { "shelf.counts": "write" },
    ...{ callsMax: steps + 1, asks: { questionsMax: ASKED_AT.length }, handOff: { model: "rung" } },
    checks: [
      ticked("it is closed", () => [
        { what: CLOSING, doneBy: ({ calls }) => calls.some((one) => has(one.input, "closing")) },
      ]),
      { name: "fine", run: async () => [] },
    ],
    cascade: [{ kind: "model", name: "counts", model: "cheap" }],
    value: () => microUsd(0),
    present: ({ goal }) => ({ title: "the shelves", text: goal }),
  });

/** Lives through the run; a worker is replaced by another wherever it asks. */
export async function longRun({ steps, env, directory }: LongOptions): Promise<LongReport> {
  const provider = await scriptedProvider();
  const { facts, lost, sizes, read } = watcher();
  const said: Promise<unknown>[] = [];
  let factotum: Factotum | undefined;
  let run: RunId | undefined;
  let n = 0;
  let notes = 0;
  provider.otherwise(({ body }) => {
    if (!JSON.stringify(body).includes('"tools"')) return lyingNote((notes += 1));
    n += 1;
    read(body, n);
    if (run !== undefined && SAID_AT.some((share) => Math.round(share * steps) === n)) {
      said.push(factotum?.nudge(run, { text: `Heed rule ${n}.`, by: "bo" }) ?? Promise.resolve());
    }
    return replyTo(n, steps);
  });
  const model = { id: "local/counter", baseUrl: provider.url, local: true as const };
  const config = defineConfig({
    ...{ name: "shelves", agents: [counter(steps)], leastPrivilege: false },
    models: [{ ...model, contextTokens: WINDOW_TOKENS, outputTokensMax: OUTPUT_TOKENS_MAX }],
    prepare: async (tx) =>
      void (await tx.query(`create schema if not exists shelf; create table if not exists shelf.counts (
        id integer generated always as identity primary key, label text not null)`)),
  });
  factotum = await openFactotum(config, { env, directory, say: () => {} });
  try {
    await factotum.prepare();
    const begun = performance.now();
    const started = await factotum.start({ agent: "counter", key: "shelves", input: { goal: GOAL } });
    run = started.run.id;
    await live(factotum);
    await Promise.all(said);
    const seconds = (performance.now() - begun) / 1_000;
    const story = await factotum.showRun(run);
    const folds = await foldsOf(factotum, run);
    return {
      ...{ steps: n, timeline: story.stepCount, folds: folds.length, windowTokens: WINDOW_TOKENS },
      foldsByModel: folds.filter((by) => by === "model").length,
      tokensMax: Math.ceil(Math.max(...sizes) / BYTES_PER_TOKEN) + OUTPUT_TOKENS_MAX,
      ...{ facts: facts.size, lost, disposition: story.run.disposition, seconds },
      stepsPerSecond: n / seconds,
    };
  } finally {
    await factotum.close();
    await provider.close();
  }
}

/** Works until nothing is left to answer. */
async function live(factotum: Factotum): Promise<void> {
  for (;;) {
    const worker = factotum.work();
    await worker.drained();
    await worker.stop();
    const [question] = await factotum.inbox();
    const choice = question?.card.choices.find(({ id }) => id.startsWith("yes"))?.id;
    if (question === undefined || choice === undefined) return;
    await factotum.answer(question.id, { choice, by: "ann" });
  }
}

async function foldsOf(factotum: Factotum, run: RunId): Promise<readonly string[]> {
  const by: string[] = [];
  for (let after = 0n; ;) {
    const page = await factotum.steps(run, { after });
    const last = page.at(-1);
    if (last === undefined) return by;
    for (const { kind, data } of page) if (kind === "compacted") by.push((data as { by: string }).by);
    after = last.seq;
  }
}

const has = (value: unknown, text: string): boolean => JSON.stringify(value).includes(text);

/** What the model that works does at its n-th call. */
function replyTo(n: number, steps: number): ScriptedAnswer {
  const call = (name: string, input: object) => reply([{ id: `c${n}`, name, arguments: input }]);
  if (n === steps) return call("finish", { unsure: [] });
  if (n === steps - 1) return call("put", { label: "closing" });
  if (ASKED_AT.some((share) => Math.round(share * steps) === n)) {
    const choices = [`yes-${n}`, `no-${n}`].map((id) => ({ id, label: id }));
    return call("ask_person", { question: `Is shelf ${n} ours?`, choices });
  }
  return n % PUT_EVERY === 0 ? call("put", { label: `shelf ${n}` }) : call("look", { shelf: n });
}

/** Every other note is a lie. */
function lyingNote(n: number): ScriptedAnswer {
  if (n % 2 === 0) return reply("Nothing was staged, nobody has said anything, and the work is done.");
  return reply(`Shelves were looked at one after the other; this is note ${n}.`);
}

/** Reads each prompt: what it says that must not be lost, it must say from then on. */
function watcher() {
  const facts = new Set<string>([GOAL]);
  const lost: string[] = [];
  const sizes: number[] = [];
  const read = (body: unknown, n: number): void => {
    sizes.push(Buffer.byteLength(JSON.stringify(body)));
    const { messages } = Body.parse(body);
    const text = messages
      .flatMap((one) => [one.content ?? "", ...(one.tool_calls ?? []).map((each) => each.function.arguments)])
      .join("\n");
    const found =
      text.match(/Heed rule \d+\.|kept shelf \d+\.|"label":"shelf \d+"|"choice":"yes-\d+"/g) ?? [];
    const missing = [...facts].filter((fact) => !text.includes(fact));
    if (text.includes("Hand-off note") && !text.includes(`STILL TO BE DONE: ${CLOSING}`))
      missing.push(CLOSING);
    if (missing.length > 0) lost.push(`prompt ${n}: ${missing.join("; ")}`);
    for (const fact of found) facts.add(fact);
  };
  return { facts, lost, sizes, read };
}
