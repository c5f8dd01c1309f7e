import { FactotumError, messageOf, toJson } from "../kernel/index.ts";
import type { ToolCall, Verdict } from "../policy/index.ts";
import type { Run } from "../runs/index.ts";
import type { CodeWork, Rung, RungEnd } from "./agent.ts";
import { answerBefore, AskedSignal, type AskOrder, checkCount, checkOrder } from "./asking.ts";
import { callTool } from "./call-tool.ts";
import { type Handed, HandedSignal, handOn } from "./delegating.ts";
import { heededSoFar } from "./said.ts";
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
  standingOf,
  toolContext,
  type Working,
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
} & Stopped;

/** Where a rung of code stopped, to be run again. */
type Stopped = {
  /** Once the question is answered. */
  readonly asked?: AskOrder;
  /** Once what was handed on is over. */
  readonly handed?: Handed;
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
  const standing = await standingOf(workshop, run);
  const said = await heededSoFar(workshop.db, run.id);
  const input = parseInput(bench.agent, run);
  const tried = { rung: rung.name, by: "code", model: null } as const;
  let refusals: Refusal[] = [];
  let stopped: Stopped | undefined;
  const waiting = waitingOf({ workshop, bench, run, state }, (why) => void (stopped ??= why));
  try {
    const done = await stageMore(workshop, bench, run, nothingStaged, async (tx) => {
      const calls: ToolCall[] = [];
      const guarded: Verdict[] = [];
      refusals = [];
      stopped = undefined;
      const work: CodeWork<unknown> = {
        ...{ input, at, lessons, feedback: state.feedback, view: tx, said, standing, ...waiting },
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
    // A rung that swallows the signal has not had what it waits for either.
    return { ...tried, ...done, ...stopped };
  } catch (error) {
    if (error instanceof FactotumError && error.retry === "later") throw error;
    return {
      ...{ ...tried, ...stopped },
      staged: { ...nothingStaged, refusals },
      end: { kind: "stuck", because: messageOf(error) },
    };
  }
}

/** What a rung of code may stop at. @param stop keeps the first that it did */
function waitingOf(
  w: Pick<Working, "workshop" | "bench" | "run" | "state">,
  stop: (why: Stopped) => void,
): Pick<CodeWork<unknown>, "ask" | "delegate"> {
  const { workshop, bench, run } = w;
  return {
    async ask(order) {
      const answer = await answerBefore(workshop.db, run.id, checkOrder(order));
      if (answer !== undefined) return answer;
      await checkCount(workshop.db, run.id, bench.agent.asks);
      stop({ asked: order });
      throw new AskedSignal(order);
    },
    async delegate(children, until = { kind: "all" }) {
      const ends = await handOn(w, children, until);
      if (!("kind" in ends)) return ends;
      stop({ handed: ends });
      throw new HandedSignal();
    },
  };
}
