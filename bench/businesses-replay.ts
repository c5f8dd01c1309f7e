/** One recorded conversation through the whole path, and how it is graded. */
import type { Tool, ToolContext } from "factotum/agents";
import { type ChangeSet, emptyChangeSet, stage } from "factotum/changes";
import type { Json, RunId } from "factotum/kernel";
import type { Verdict } from "factotum/policy";
import type { Database } from "factotum/postgres";
import type { Step } from "factotum/runs";
import { airlineTables, airlineTools } from "../examples/airline/tools.ts";
import type { Dialect } from "../examples/retail/dialect.ts";
import { retailTables, retailTools } from "../examples/retail/tools.ts";
import type { Domain, Recording, Task } from "./businesses-data.ts";
import { type Held, RECORDED_AT } from "./businesses-path.ts";
import { linesOfChanges, linesOfRecord, sameAnswer, type Shapes } from "./businesses-rows.ts";

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
  /** Writing calls that went through. */
  readonly writes: number;
  readonly verdicts: readonly Verdict[];
  readonly answers: { readonly equal: number; readonly total: number; readonly unequal: readonly string[] };
  readonly rowsEqual: boolean;
  readonly reward: 0 | 1;
  /** Whether the rows are those that the task asks for, and whether it asks for any. */
  readonly rowsRight: boolean;
  readonly writeDue: boolean;
};

/** Grades a conversation that was held: what the tools told the model, and what is staged in the end. */
export async function grade(
  db: Database,
  shapes: Shapes,
  recording: Recording,
  { attempt, steps }: Held,
): Promise<Replayed> {
  const { changeSet: changes, verdicts, calls } = attempt;
  return gradeStaged(db, shapes, recording, {
    ...{ changes, verdicts, told: toldIn(steps), writes: calls.length },
  });
}

/** What a replay staged, and what its tools told the model, in order. */
export type StagedReplay = Pick<Replayed, "changes" | "verdicts" | "writes"> & {
  readonly told: readonly Json[];
};

/** Grades what a conversation staged. */
export async function gradeStaged(
  db: Database,
  shapes: Shapes,
  recording: Recording,
  { changes, verdicts, writes, told: answers }: StagedReplay,
): Promise<Replayed> {
  const told = answers.values();
  const unequal: string[] = [];
  const wanted = recording.messages.flatMap((message) => (message.r === undefined ? [] : [message.r ?? ""]));
  for (const recorded of wanted) {
    const ours = told.next().value ?? "nothing was called";
    if (!sameAnswer(recorded, ours)) {
      unequal.push(`${recording.id}: ${recorded} <> ${JSON.stringify(ours)}`);
    }
  }
  const lines = await linesOfChanges(db, shapes, changes);
  const expected = linesOfRecord(recording.expected);
  const rowsRight = same(lines, expected);
  return {
    ...{ recording, changes, lines, rowsRight, writeDue: expected.length > 0, writes, verdicts },
    answers: { equal: wanted.length - unequal.length, total: wanted.length, unequal },
    rowsEqual: same(lines, linesOfRecord(recording.final_rows)),
    reward: rowsRight && saidEverything(recording) && ended(recording) ? 1 : 0,
  };
}

/** What the model was told by each tool, in order; the benchmarks mark a refusal by a word. */
function toldIn(steps: readonly Step[]): readonly Json[] {
  return steps.flatMap(({ kind, data }): readonly Json[] => {
    if (kind !== "message") return [];
    const { role, name = "", output = null, isError = false } = data as Told;
    if (role !== "tool" || OURS.has(name)) return [];
    return [isError && typeof output === "string" ? `Error: ${output}` : output];
  });
}

type Told = {
  readonly role?: string;
  readonly name?: string;
  readonly output?: Json;
  readonly isError?: boolean;
};

/** Tools of the agent loop's own. */
const OURS = new Set(["finish", "give_up"]);

/** Whether the actions that solve a task end in the rows that it expects. */
export async function solves(db: Database, shapes: Shapes, task: Task): Promise<boolean> {
  const tools = toolsOf(task.domain, task.dialect);
  const options = { tables: writtenTables[task.domain] };
  // These tools declare no reads, so they need no `rely`.
  const context = { runId: NO_RUN, input: null, at: RECORDED_AT } as ToolContext;
  let changes = emptyChangeSet;
  for (const { name, kwargs } of task.actions) {
    const found = tools.get(name);
    if (found === undefined) continue;
    const staged = stage(db, changes, options, (tx) => found.call(tx, kwargs, context));
    // An action that the business refuses stages nothing; a task may expect just that.
    changes = (await staged.catch(() => undefined))?.changes ?? changes;
  }
  return same(await linesOfChanges(db, shapes, changes), linesOfRecord(task.expected_rows));
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

/** Whether two sorted lists of lines are the same. */
export function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((line, at) => line === b[at]);
}
