import { ConflictError } from "../changes/index.ts";
import { FactotumError, InputError, type Json, messageOf } from "../kernel/index.ts";
import type { ToolCall } from "../policy/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { appendStep, listSteps, type NewStep } from "../runs/index.ts";
import { saveAttempt } from "./attempts.ts";
import { callTool } from "./call-tool.ts";
import { endInConflict, outsideOf, parkAgain } from "./outside-end.ts";
import type { Held } from "./outside-held.ts";
import { tell } from "./outside-told.ts";
import { appendRefusals, RefusedError } from "./refusal.ts";
import type { OutsideState } from "./state.ts";
import { isContention } from "./toolbox.ts";
import { type Staged, stageMore, toolContext } from "./workshop.ts";

/** The most tool calls of one attempt, those that failed included. */
const CALLS_MAX = 200;
/** The most characters of JSON that a tool may answer with: it is kept in the transcript. */
const OUTPUT_CHARS_MAX = 100_000;
/** The most characters kept of a tool's error, which may quote all that it was given. */
const FAILURE_CHARS_MAX = 4_000;

/** What a call came to, and what people said meanwhile, which is told with it. */
export type Called = { readonly output: Json; readonly told: readonly string[] };

/** Makes one tool call on top of what an attempt staged, and writes down what came of it in one turn. */
export async function callOutside(h: Held, tool: string, input: Json): Promise<Called> {
  const outside = outsideOf(h.state);
  if (outside.calls >= CALLS_MAX) {
    throw new InputError({
      code: "calls-exhausted",
      message: `this attempt made ${CALLS_MAX} calls; commit what is staged, or discard it`,
    });
  }
  const before = { calls: await callsMade(h), turns: [] };
  try {
    const done = await stageMore(h.workshop, h.bench, h.run, h.staged, async (tx) => {
      const made = await callTool(tx, h.bench, { tool, input }, toolContext(h.run, h.at), before);
      checkSize(tool, made.call.output);
      const writes = h.bench.toolbox.get(tool)?.effect === "write";
      return { calls: writes ? [made.call] : [], guarded: made.guarded, end: made.call.output };
    });
    const said = tell(outside);
    await record(h, done.staged, { tool, input, output: done.end }, said.outside);
    return { output: done.end, told: said.told };
  } catch (error) {
    await recordFailure(h, { tool, input }, error);
    throw error;
  }
}

/** Writes the step, and what is staged now; the attempt stays as long as it would have. */
async function record(
  h: Held,
  staged: Staged,
  data: NewStep["data"],
  // One that failed tells its client of that alone; what it is still to be told comes with the next.
  outside: OutsideState = outsideOf(h.state),
): Promise<void> {
  await h.lease.turn(async (tx: Transaction) => {
    await appendStep(tx, h.run.id, { kind: "call", attempt: h.handle.attempt, data });
    await appendRefusals(tx, h.run.id, h.handle.attempt, staged.refusals.slice(h.staged.refusals.length));
    if (staged !== h.staged) {
      const { calls, changeSet, guarded, refusals } = staged;
      await saveAttempt(tx, { ...h.attempt, calls, changeSet, refusals, verdicts: guarded }, h.attempt);
    }
    return parkAgain(h, { ...h.state, outside: { ...outside, calls: outside.calls + 1 } });
  });
}

/** Trouble of the moment is not the attempt's: it is not written down, and the call may be made again. */
async function recordFailure(h: Held, call: { tool: string; input: Json }, error: unknown): Promise<void> {
  if (error instanceof ConflictError) return void (await endInConflict(h, error));
  if (isContention(error) || (error instanceof FactotumError && error.retry === "later")) return;
  const failed = { ...call, failed: messageOf(error).slice(0, FAILURE_CHARS_MAX) };
  if (!(error instanceof RefusedError)) return record(h, h.staged, failed);
  return record(h, { ...h.staged, refusals: [...h.staged.refusals, error.refusal] }, failed);
}

/** The calls of the attempt so far, for the guards to look at; without guards nobody does. */
async function callsMade(h: Held): Promise<readonly ToolCall[]> {
  if ((h.bench.agent.guards ?? []).length === 0) return [];
  const made: ToolCall[] = [];
  for (let after = 0n; ;) {
    const steps = await listSteps(h.workshop.db, h.run.id, { after });
    for (const { kind, attempt, data } of steps) {
      if (kind !== "call" || attempt !== h.handle.attempt) continue;
      const call = data as ToolCall & { readonly failed?: string };
      if (call.failed === undefined) made.push(call);
    }
    const last = steps.at(-1);
    if (last === undefined) return made;
    after = last.seq;
  }
}

function checkSize(tool: string, output: Json): void {
  const size = JSON.stringify(output).length;
  if (size <= OUTPUT_CHARS_MAX) return;
  throw new InputError({
    code: "output-too-big",
    message: `${tool} answered with ${size} characters and ${OUTPUT_CHARS_MAX} are the most; ask for less`,
  });
}
