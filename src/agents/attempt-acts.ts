import { InputError, type Json } from "../kernel/index.ts";
import type { Message, ModelReply } from "../models/index.ts";
import type { ToolCall as MadeCall, Verdict } from "../policy/index.ts";
import type { RungEnd } from "./agent.ts";
import { ASK_TOOL, type AskOrder, checkCount, orderOfModel } from "./asking.ts";
import { callTool } from "./call-tool.ts";
import { FINISH_TOOL, GIVE_UP_TOOL } from "./prompt.ts";
import { type Refusal, RefusedError } from "./refusal.ts";
import { isContention, toolFailure } from "./toolbox.ts";
import { callsOf, type Transcript, turnOf, turnsOf } from "./transcript.ts";
import type { Trying } from "./trying.ts";
import { type Staged, stageMore, toolContext } from "./workshop.ts";

const ONE_AT_A_TIME = "one question at a time: wait for the answer to the first";

/** What a reply's tool calls came to. */
export type Acted = {
  /** What was staged before. */
  readonly base: Staged;
  readonly staged: Staged;
  readonly messages: readonly Message[];
  /** What it wants a person asked; the answer to that call is still to come. */
  readonly asked?: AskOrder;
};

/** How a reply leaves the attempt: over, or with something to be said to the person. */
export type ReplyEnd =
  | RungEnd
  | { readonly kind: "says"; readonly text: string }
  /** A tool was called that ends the conversation; what it has staged is what there is. */
  | { readonly kind: "handed-over" };

/** Runs the tools a reply asks for, all in one staging transaction; failures become messages. */
export async function actOn(
  t: Trying,
  transcript: Transcript,
  base: Staged,
  reply: ModelReply,
): Promise<Acted> {
  if (reply.toolCalls.length === 0) return { base, staged: base, messages: [] };
  const finishes = reply.toolCalls.some(({ name }) => name === FINISH_TOOL || name === GIVE_UP_TOOL);
  let asked: AskOrder | undefined;
  const done = await stageMore(t.workshop, t.bench, t.run, base, async (tx) => {
    const calls: MadeCall[] = [];
    const called = [...callsOf(transcript)];
    const turns = [...turnsOf(transcript)];
    const guarded: Verdict[] = [];
    const refusals: Refusal[] = [];
    const messages: Message[] = [];
    asked = undefined;
    for (const call of reply.toolCalls) {
      const answer = (output: Json, isError: boolean): void => {
        messages.push({ role: "tool", toolCallId: call.id, name: call.name, output, isError });
        const input = call.kind === "ok" ? call.input : call.raw;
        turns.push(turnOf({ tool: call.name, input, refused: isError }));
      };
      if (call.name === FINISH_TOOL || call.name === GIVE_UP_TOOL) {
        messages.push({ role: "tool", toolCallId: call.id, name: call.name, output: "noted" });
      } else if (call.kind === "malformed") answer(`the arguments are not JSON: ${call.because}`, true);
      else if (call.name === ASK_TOOL && t.bench.agent.asks !== undefined) {
        try {
          if (finishes) throw new InputError({ code: "ask-invalid", message: "it was finished beside it" });
          if (asked !== undefined) throw new InputError({ code: "ask-invalid", message: ONE_AT_A_TIME });
          await checkCount(t.workshop.db, t.run.id, t.bench.agent.asks);
          asked = orderOfModel(call.input, t.bench.agent.asks);
        } catch (error) {
          answer(toolFailure(error), true);
        }
      } else {
        try {
          const wanted = { tool: call.name, input: call.input };
          const before = { calls: called, turns };
          const made = await callTool(tx, t.bench, wanted, toolContext(t.run, t.at), before);
          called.push(made.call);
          guarded.push(...made.guarded);
          if (t.bench.toolbox.get(call.name)?.effect === "write") calls.push(made.call);
          answer(made.call.output, false);
        } catch (error) {
          // Trouble between stagings, none of the model's: staging makes all the calls again.
          if (isContention(error)) throw error;
          if (error instanceof RefusedError) refusals.push(error.refusal);
          answer(toolFailure(error), true);
        }
      }
    }
    return { calls, guarded, refusals, end: messages };
  });
  return { base, staged: done.staged, messages: done.end, ...(asked !== undefined && { asked }) };
}

/** Whether a reply ends the attempt, or is for the person. Undefined: the model goes on. */
export function endOf(t: Trying, reply: ModelReply, messages: readonly Message[]): ReplyEnd | undefined {
  if (reply.finish === "refused") return { kind: "stuck", because: "the model declined" };
  if (reply.finish === "length") return { kind: "stuck", because: "the reply was cut at its length limit" };
  const last = reply.toolCalls.find((call) => call.name === FINISH_TOOL || call.name === GIVE_UP_TOOL);
  if (last?.kind === "ok" && last.name === GIVE_UP_TOOL) {
    const { because } = last.input;
    return { kind: "stuck", because: typeof because === "string" ? because : "it gave up without a reason" };
  }
  if (last?.kind === "ok") {
    const unsure = last.input["unsure"];
    return { kind: "finished", doubts: Array.isArray(unsure) ? unsure.map(String) : [] };
  }
  const talking = t.bench.agent.converse !== undefined && t.state.talk.over === null;
  const { endedBy = [] } = t.bench.agent.converse ?? {};
  const ended = messages.some(
    (message) => message.role === "tool" && message.isError !== true && endedBy.includes(message.name),
  );
  if (talking && ended) return { kind: "handed-over" };
  if (reply.toolCalls.length > 0) return undefined;
  const text = reply.text.trim();
  if (talking && text !== "") return { kind: "says", text };
  return { kind: "stuck", because: `it stopped without calling ${FINISH_TOOL}: ${text.slice(0, 300)}` };
}
