import { FactotumError, messageOf, toJson } from "../kernel/index.ts";
import type { ToolCall } from "../policy/index.ts";
import type { Run } from "../runs/index.ts";
import type { CodeWork, Rung, RungEnd } from "./agent.ts";
import type { AgentState } from "./state.ts";
import { callTool } from "./toolbox.ts";
import {
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
  try {
    const done = await stageMore(workshop, bench, nothingStaged, async (tx) => {
      const calls: ToolCall[] = [];
      const work: CodeWork<unknown> = {
        ...{ input, at, lessons, feedback: state.feedback, view: tx },
        async call(tool, args) {
          const call = await callTool(tx, bench.toolbox, { tool, input: toJson(args) }, toolContext(run, at));
          calls.push(call);
          return call.output;
        },
      };
      return { end: await rung.run(work), calls };
    });
    return { ...tried, ...done };
  } catch (error) {
    if (error instanceof FactotumError && error.retry === "later") throw error;
    return { ...tried, staged: nothingStaged, end: { kind: "stuck", because: messageOf(error) } };
  }
}
