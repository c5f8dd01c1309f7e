import { InputError, type Json } from "../kernel/index.ts";
import { askGuards, type Guard, guardsOf, type ToolCall, type Turn, type Verdict } from "../policy/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { RefusedError } from "./refusal.ts";
import type { CallContext } from "./tool.ts";
import type { Toolbox } from "./toolbox.ts";
import { type Bench, parseInput } from "./workshop.ts";

/** What went before a call in its attempt, and whose word it is made on. */
export type Before = {
  /** Reading calls too. */
  readonly calls: readonly ToolCall[];
  readonly turns: readonly Turn[];
  /** Whether a person wrote the call: guards that a person may overrule are then not asked. */
  readonly byPerson?: boolean;
};

/** A call that was made, and what guards found of it besides. */
export type Made = { readonly call: ToolCall; readonly guarded: readonly Verdict[] };

/**
 * Calls one tool inside a staging transaction, after its guards have let it pass. A tool that throws
 * leaves none of its changes behind, and the transaction goes on.
 *
 * @throws {InputError} `tool-unknown`
 * @throws {RefusedError} when a guard refuses; whatever the tool throws
 */
export async function callTool(
  tx: Transaction,
  bench: Bench,
  call: { readonly tool: string; readonly input: Json },
  context: CallContext,
  before: Before,
): Promise<Made> {
  const found = bench.toolbox.get(call.tool);
  if (found === undefined) throw unknownTool(bench.toolbox, call.tool);
  const guarded = await pass(tx, bench, call, context, before);
  await tx.query("savepoint factotum_tool");
  try {
    const output = await found.call(tx, call.input, context);
    await tx.query("release savepoint factotum_tool");
    return { call: { ...call, output }, guarded };
  } catch (error) {
    await tx.query("rollback to savepoint factotum_tool");
    throw error;
  }
}

/** Asks the guards of a call, on a view that they cannot write to. */
async function pass(
  tx: Transaction,
  bench: Bench,
  call: { readonly tool: string; readonly input: Json },
  context: CallContext,
  before: Before,
): Promise<readonly Verdict[]> {
  const asked = guardsOf(bench.agent.guards ?? [], call.tool).filter(
    (guard: Guard<unknown>) => before.byPerson !== true || guard.overrule !== "person",
  );
  if (asked.length === 0) return [];
  const input = parseInput(bench.agent, { id: context.runId, input: context.input });
  const { calls, turns } = before;
  // The rollback ends the read-only stretch, and heals the transaction where a guard's query failed.
  await tx.query("savepoint factotum_guard");
  await tx.query("set local transaction_read_only = on");
  let verdicts: readonly Verdict[];
  try {
    verdicts = await askGuards(asked, { input, call, calls, turns, view: tx, at: context.at });
  } finally {
    await tx.query("rollback to savepoint factotum_guard");
  }
  const refused = verdicts.find((verdict) => verdict.kind === "fail");
  if (refused === undefined || refused.kind === "pass") return verdicts;
  throw new RefusedError({ ...call, guard: refused.check, because: refused.because });
}

function unknownTool(toolbox: Toolbox, name: string): InputError {
  return new InputError({
    code: "tool-unknown",
    message: `there is no tool ${name}; there are ${[...toolbox.keys()].join(", ")}`,
  });
}
