import { FactotumError, messageOf, toJson } from "../kernel/index.ts";
import type { ToolCall, Verdict } from "../policy/index.ts";
import type { Run } from "../runs/index.ts";
import type { CodeWork, Rung, RungEnd } from "./agent.ts";
import { callTool } from "./call-tool.ts";
import { type Refusal, RefusedError } from "./refusal.ts";
import type { AgentState } from "./state.ts";
import {
  type Background,
  type Bench,
  lessonsOf,
  nothingStaged,
  parseInput,
  type Staged,
  stageMore,
  toolContext,
  type Workshop,
} from "./workshop.ts";

/** What a rung's try came to, before anybody looked at it. */
export type Tried = {
  readonly rung: string;
  readonly by: "code" | "model";
  readonly model: string | null;
  readonly staged: Staged;
  readonly end: RungEnd;
  /** What a person of ours has to say to it, however right it is. */
  readonly asks?: readonly string[];
  readonly background?: Background;
};

/**
 * Runs a code rung from a clean start. All its tool calls share one staging transaction.
 *
 * @throws {FactotumError} only with `retry: "later"`: the database is away; everything else ends the try
 */
export async function tryCode(
  workshop: Workshop,
  bench: Bench,
  run: Run,
  state: AgentState,
  rung: Rung<unknown> & { readonly kind: "code" },
  at: Date,
): Promise<Tried> {
  const lessons = await lessonsOf(workshop, run);
  const input = parseInput(bench.agent, run);
  const tried = { rung: rung.name, by: "code", model: null } as const;
  let refusals: Refusal[] = [];
  try {
    const done = await stageMore(workshop, bench, run, nothingStaged, async (tx) => {
      const calls: ToolCall[] = [];
      const guarded: Verdict[] = [];
      refusals = [];
      const work: CodeWork<unknown> = {
        ...{ input, at, lessons, feedback: state.feedback, view: tx },
        async call(tool, args) {
          const wanted = { tool, input: toJson(args) };
          try {
            const made = await callTool(tx, bench, wanted, toolContext(run, at), { calls, turns: [] });
            calls.push(made.call);
            guarded.push(...made.guarded);
            return made.call.output;
          } catch (error) {
            if (error instanceof RefusedError) refusals.push(error.refusal);
            throw error;
          }
        },
      };
      return { end: await rung.run(work), calls, guarded, refusals };
    });
    return { ...tried, ...done };
  } catch (error) {
    if (error instanceof FactotumError && error.retry === "later") throw error;
    return {
      ...tried,
      staged: { ...nothingStaged, refusals },
      end: { kind: "stuck", because: messageOf(error) },
    };
  }
}
