/** One recorded conversation through staged tools, and how it is graded. */
import type { Tool, ToolContext } from "factotum/agents";
import { type ChangeSet, emptyChangeSet, stage } from "factotum/changes";
import { type Json, messageOf, type RunId, toJson } from "factotum/kernel";
import type { ToolCall } from "factotum/policy";
import { type Database, sqlStateOf, type Transaction } from "factotum/postgres";
import { airlineTables, airlineTools } from "../examples/airline/tools.ts";
import type { Dialect } from "../examples/retail/dialect.ts";
import { retailTables, retailTools } from "../examples/retail/tools.ts";
import type { Domain, Recording, Task } from "./businesses-data.ts";
import { linesOfChanges, linesOfRecord, sameAnswer, type Shapes } from "./businesses-rows.ts";

/** The instant at which all recordings happened. */
export const RECORDED_AT = new Date("2024-05-15T15:00:00Z");
const NO_RUN = "0" as RunId;

/** The tables that the tools of a business write. */
export const writtenTables: Readonly<Record<Domain, readonly string[]>> = {
  retail: retailTables,
  airline: airlineTables,
};

/** What came of a replay. */
export type Replayed = {
  readonly recording: Recording;
  readonly changes: ChangeSet;
  readonly lines: readonly string[];
  /** The calls that went through, as checks see them. */
  readonly calls: readonly ToolCall[];
  readonly answers: { readonly equal: number; readonly total: number; readonly unequal: readonly string[] };
  readonly rowsEqual: boolean;
  readonly reward: 0 | 1;
  /** Whether the rows are those that the task asks for, and whether it asks for any. */
  readonly rowsRight: boolean;
  readonly writeDue: boolean;
};

type Answered = { readonly changes: ChangeSet; readonly answer: Json; readonly failed: boolean };

/** Replays every recorded call on a growing change set, and grades what came of it. */
export async function replay(db: Database, shapes: Shapes, recording: Recording): Promise<Replayed> {
  const tools = toolsOf(recording.domain, recording.dialect);
  const waiting: (readonly [string, Json])[] = [];
  const calls: ToolCall[] = [];
  const unequal: string[] = [];
  let changes = emptyChangeSet;
  let total = 0;
  for (const message of recording.messages) {
    waiting.push(...(message.c ?? []));
    if (message.r === undefined) continue;
    const call = waiting.shift();
    if (call === undefined) continue;
    const [name, input] = call;
    const done = await callStaged(db, recording.domain, changes, tools, { name, input });
    ({ changes } = done);
    if (!done.failed) calls.push({ tool: name, input, output: done.answer });
    total += 1;
    if (!sameAnswer(message.r ?? "", done.answer)) {
      unequal.push(
        `${recording.id} ${name} ${JSON.stringify(input)}: ` +
          `${message.r ?? ""} <> ${JSON.stringify(done.answer)}`,
      );
    }
  }
  const lines = await linesOfChanges(db, shapes, changes);
  const expected = linesOfRecord(recording.expected);
  const rowsRight = same(lines, expected);
  return {
    ...{ recording, changes, lines, calls, rowsRight, writeDue: expected.length > 0 },
    answers: { equal: total - unequal.length, total, unequal },
    rowsEqual: same(lines, linesOfRecord(recording.final_rows)),
    reward: rowsRight && saidEverything(recording) && ended(recording) ? 1 : 0,
  };
}

/** Whether the actions that solve a task end in the rows that it expects. */
export async function solves(db: Database, shapes: Shapes, task: Task): Promise<boolean> {
  const tools = toolsOf(task.domain, task.dialect);
  let changes = emptyChangeSet;
  for (const { name, kwargs } of task.actions) {
    ({ changes } = await callStaged(db, task.domain, changes, tools, { name, input: kwargs }));
  }
  return same(await linesOfChanges(db, shapes, changes), linesOfRecord(task.expected_rows));
}

/** One call in a staging transaction of its own; a refusal leaves the change set as it was. */
async function callStaged(
  db: Database,
  domain: Domain,
  base: ChangeSet,
  tools: ReadonlyMap<string, Tool>,
  call: { readonly name: string; readonly input: Json },
): Promise<Answered> {
  const found = tools.get(call.name);
  if (found === undefined)
    return { changes: base, answer: `Error: there is no tool ${call.name}`, failed: true };
  // These tools declare no reads, so they need no `rely`.
  const context = { runId: NO_RUN, input: null, at: RECORDED_AT } as ToolContext;
  try {
    const { result, changes } = await stagedAgain(db, base, writtenTables[domain], (tx) =>
      found.call(tx, call.input, context),
    );
    return { changes, answer: toJson(result), failed: false };
  } catch (error) {
    // Whatever a tool throws is told to the model, what Postgres refuses among it.
    return { changes: base, answer: `Error: ${messageOf(error)}`, failed: true };
  }
}

/** Deadlocks met since the program began: stagings on the same rows may lock them in another order. */
export const deadlocks = { met: 0 };
const TRIES_MAX = 20;

/** Stages, and again where Postgres chose this staging as the victim of a deadlock: it left nothing. */
async function stagedAgain<T>(
  db: Database,
  base: ChangeSet,
  tables: readonly string[],
  work: (tx: Transaction) => Promise<T>,
): Promise<{ readonly result: T; readonly changes: ChangeSet }> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await stage(db, base, { tables }, work);
    } catch (error) {
      const cause = error instanceof Error ? error.cause : undefined;
      if ((sqlStateOf(error) ?? sqlStateOf(cause)) !== "40P01" || tries === TRIES_MAX) throw error;
      deadlocks.met += 1;
    }
  }
}

const toolboxes = new Map<string, ReadonlyMap<string, Tool>>();

function toolsOf(domain: Domain, dialect: Dialect): ReadonlyMap<string, Tool> {
  const key = `${domain} ${dialect}`;
  const known = toolboxes.get(key);
  if (known !== undefined) return known;
  const tools = domain === "retail" ? retailTools(dialect) : airlineTools(dialect);
  const made = new Map(tools.map((one) => [one.name, one]));
  toolboxes.set(key, made);
  return made;
}

/** Every expected string stands in something the agent said, case and thousands' commas aside. */
function saidEverything(recording: Recording): boolean {
  const said = recording.messages.map((message) => (message.a ?? "").toLowerCase().replaceAll(",", ""));
  return recording.outputs.every((output) => {
    const wanted = output.toLowerCase().replaceAll(",", "");
    return said.some((text) => text.includes(wanted));
  });
}

function ended(recording: Recording): boolean {
  return recording.messages.some(
    (message) =>
      /###[A-Z-]+###/.test(message.u ?? "") ||
      (message.c ?? []).some(([name]) => name === "transfer_to_human_agents"),
  );
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((line, at) => line === b[at]);
}
