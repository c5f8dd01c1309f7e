import type { Json } from "../../kernel/index.ts";
import type { Finish, Said, Totals } from "./ask.ts";
import { countIn, get, isObject, listIn, textIn } from "./fields.ts";
import { BrokenAnswerError, errorIn, type Hearing, Speech, weightsIn } from "./hearing.ts";

const FINISHES: Readonly<Record<string, Finish>> = {
  ...{ stop: "stop", length: "length", tool_calls: "calls", function_call: "calls" },
  content_filter: "filtered",
};

/** Usage of chat completions and, by its own names, of responses. */
export function openaiTotals(usage: Json | undefined): Totals {
  const input = get(usage, "prompt_tokens_details") ?? get(usage, "input_tokens_details");
  const output = get(usage, "completion_tokens_details") ?? get(usage, "output_tokens_details");
  return {
    input: countIn(usage, "prompt_tokens") || countIn(usage, "input_tokens"),
    cachedInput: countIn(input, "cached_tokens"),
    cacheWrite: countIn(input, "cache_write_tokens"),
    output: countIn(usage, "completion_tokens") || countIn(usage, "output_tokens"),
    reasoning: countIn(output, "reasoning_tokens"),
  };
}

/** Hears a stream of chat completions. */
export function hearChat(): Hearing {
  const speech = new Speech();
  let started = false;
  let finished = false;
  /** The index of the open call, as the provider counts. */
  let openIndex: number | null = null;
  const call = (delta: Json, position: number): void => {
    const stated = get(delta, "index");
    const index = typeof stated === "number" ? stated : position;
    const id = textIn(delta, "id");
    const name = textIn(delta, "function", "name");
    const continued = speech.open?.kind === "call" && index === openIndex;
    if (!continued || (id !== "" && speech.open.id !== id)) {
      if (name === "") throw new BrokenAnswerError("a call without a name, or that was closed before");
      openIndex = index;
      speech.begin({ kind: "call", id: id || `call_${speech.calls + 1}`, name });
    }
    const input = get(delta, "function", "arguments");
    // Some engines send arguments as an object.
    speech.argument(typeof input === "string" ? input : isObject(input) ? JSON.stringify(input) : "");
  };
  return {
    get ended() {
      return finished;
    },
    event(data) {
      if (get(data, "error") !== undefined && get(data, "choices") === undefined) return [errorIn(data)];
      if (!started) {
        started = true;
        speech.say({ kind: "start", id: textIn(data, "id"), model: textIn(data, "model") });
      }
      const choice = get(data, "choices", 0);
      const delta = get(choice, "delta") ?? get(choice, "message");
      speech.words("thinking", textIn(delta, "reasoning_content") || textIn(delta, "reasoning"));
      const weights = weightsIn(get(choice, "logprobs", "content"));
      speech.words("text", textIn(delta, "content"), weights);
      speech.words("refusal", textIn(delta, "refusal"));
      listIn(delta, "tool_calls").forEach(call);
      const finish = textIn(choice, "finish_reason");
      if (finish !== "" && !finished) {
        finished = true;
        speech.close();
        speech.say({ kind: "finish", finish: speech.refused ? "refused" : (FINISHES[finish] ?? "other") });
      }
      const usage = get(data, "usage");
      if (isObject(usage)) speech.say({ kind: "usage", totals: openaiTotals(usage) });
      return speech.take();
    },
  };
}

/** A whole chat completion is heard as a stream of one event. */
export function heardChat(reply: Json): readonly Said[] {
  return hearChat().event(reply);
}
