/**
 * Commit quality without the agent loop: the recorded calls of a conversation, guarded and carried out in
 * one staging, and the checks over what they staged. Nothing is committed, so any number can go at once.
 * It answers what the whole path answers, in a fraction of the time: for whoever works on guards and checks.
 */
import type { Agent, Tool, ToolContext } from "factotum/agents";
import { diff, inspect, stage } from "factotum/changes";
import { FactotumError, type Json, messageOf, type RunId } from "factotum/kernel";
import {
  askGuards,
  guardsOf,
  onlyTables,
  rule,
  type ToolCall,
  type Turn,
  type Verdict,
  verify,
} from "factotum/policy";
import { type Database, sqlStateOf, type Transaction } from "factotum/postgres";
import { NOTHING_MISSING } from "../examples/retail/conversation.ts";
import type { Visit } from "../examples/retail/desk.ts";
import type { Recording } from "./businesses-data.ts";
import { agentFor, RECORDED_AT } from "./businesses-path.ts";
import { harmOf, type Judged } from "./businesses-quality.ts";
import { gradeStaged, writtenTables } from "./businesses-replay.ts";
import type { Shapes } from "./businesses-rows.ts";

const NO_RUN = "0" as RunId;

/** A conversation as it is made again: what was heard, called and found until now. */
type Telling = {
  readonly turns: Turn[];
  readonly calls: ToolCall[];
  readonly told: Json[];
  readonly guarded: Verdict[];
  /** The refusal that would have ended it. */
  refused: string | undefined;
  writes: number;
};

/** Judges one recording by its calls alone. */
export async function judgeQuickly(db: Database, shapes: Shapes, recording: Recording): Promise<Judged> {
  const agent = agentFor(recording, "enforce");
  const input = { reference: recording.id, dialect: recording.dialect === 1 ? 1 : 2 } as const;
  const tables = writtenTables[recording.domain];
  const { result: telling, changes } = await stage(db, { rows: [] }, { tables }, (tx) =>
    retell(tx, agent, recording, input),
  );
  const { turns, calls, told, guarded, refused, writes } = telling;
  let verdicts: readonly Verdict[] = guarded;
  if (refused === undefined && isConcluded(recording)) {
    const { result } = await inspect(db, changes, async (view) => {
      const rows = await diff(view, changes);
      const context = { ...{ input, diff: rows, calls, turns }, view, at: RECORDED_AT };
      await view.query("savepoint factotum_check");
      const heal = () => view.query("rollback to savepoint factotum_check");
      return verify([onlyTables<Visit>(tables), ...agent.checks], context, { heal });
    });
    verdicts = [...guarded, ...result];
  }
  const run = await gradeStaged(db, shapes, recording, { changes, told, verdicts, writes });
  const because =
    refused === undefined
      ? verdicts.flatMap((one) => (one.kind === "fail" ? [`${one.check}: ${one.because}`] : []))
      : [refused];
  const asked = because.length === 0 && isConcluded(recording) && rule(verdicts).kind !== "commit";
  return {
    ...{ run, id: NO_RUN, because, asked, committed: 0, ...harmOf(run) },
    stopped: run.lines.length > 0 && because.length > 0,
    flagged:
      refused === undefined && verdicts.some((one) => one.check === NOTHING_MISSING && one.kind === "ask"),
  };
}

/** Where the agent spoke last, the customer is waited for, and nothing is concluded. */
function isConcluded({ messages }: Recording): boolean {
  const last = messages.at(-1);
  return typeof last?.a !== "string" || last.c !== undefined;
}

async function retell(
  tx: Transaction,
  agent: Agent<Visit>,
  recording: Recording,
  input: Visit,
): Promise<Telling> {
  const telling: Telling = {
    ...{ turns: [], calls: [], told: [], guarded: [], refused: undefined, writes: 0 },
  };
  const greeting = agent.converse?.greeting;
  if (greeting !== undefined) telling.turns.push({ kind: "agent", text: greeting });
  const tools = new Map(agent.tools.map((one) => [one.name, one]));
  for (const { u, a, c } of recording.messages) {
    if (typeof u === "string" && u.trim() !== "") telling.turns.push({ kind: "person", text: u.trim() });
    if (typeof a === "string" && a !== "" && c === undefined) telling.turns.push({ kind: "agent", text: a });
    for (const [name, given] of c ?? [])
      await carryOut(tx, agent, telling, tools.get(name), { name, given, input });
  }
  return telling;
}

type Wanted = { readonly name: string; readonly given: Json; readonly input: Visit };

/** One call as the agent loop makes it; after a refusal guards are asked no more, and the replay goes on. */
async function carryOut(
  tx: Transaction,
  { guards = [] }: Agent<Visit>,
  telling: Telling,
  tool: Tool | undefined,
  { name, given, input }: Wanted,
): Promise<void> {
  const call = { tool: name, input: given };
  const answer = (told: Json, refused: boolean): void => {
    telling.told.push(told);
    telling.turns.push({ kind: "call", ...call, refused });
  };
  if (tool === undefined) return answer(`Error: there is no tool ${name}`, true);
  const asked = guardsOf(guards, name);
  if (telling.refused === undefined && asked.length > 0) {
    await tx.query("savepoint factotum_guard");
    await tx.query("set local transaction_read_only = on");
    const { calls, turns } = telling;
    const found = await askGuards(asked, { input, call, calls, turns, view: tx, at: RECORDED_AT });
    await tx.query("rollback to savepoint factotum_guard");
    const no = found.find((one) => one.kind === "fail");
    if (no !== undefined && no.kind !== "pass") telling.refused = `${no.check}: ${no.because}`;
    else telling.guarded.push(...found);
  }
  await tx.query("savepoint factotum_tool");
  try {
    // These tools declare no reads, so they need no `rely`.
    const context = { runId: NO_RUN, input, at: RECORDED_AT } as unknown as ToolContext;
    const output = await tool.call(tx, given, context);
    telling.calls.push({ ...call, output });
    if (tool.effect === "write") telling.writes += 1;
    answer(output, false);
  } catch (error) {
    // Trouble between stagings, none of the conversation's: staging tells it all again.
    if (/^40(001|P01)$/.test(sqlStateOf(error) ?? "")) throw error;
    await tx.query("rollback to savepoint factotum_tool");
    answer(`Error: ${error instanceof FactotumError ? error.message : messageOf(error)}`, true);
  }
}
