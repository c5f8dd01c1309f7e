import type { Json, JsonObject } from "../../kernel/index.ts";
import type { Opened, Said, SaidPart, TokenChoice, Totals, WholeSaid } from "./ask.ts";
import { weightOf } from "./chat-say.ts";
import { given } from "./fields.ts";
import { Fold } from "./fold.ts";
import { type SayFor, type Saying, typedEvent } from "./saying.ts";

/** What a response repeats of its request. */
const REPEATED: Readonly<Record<string, Json>> = {
  ...{ instructions: null, max_output_tokens: null, metadata: {}, parallel_tool_calls: true },
  ...{ reasoning: null, temperature: null, text: { format: { type: "text" } }, tool_choice: "auto" },
  ...{ tools: [], top_p: null, truncation: "disabled" },
};

/** Writes a whole response. */
export function sayResponses(whole: WholeSaid, to: SayFor): JsonObject {
  const output = whole.parts.map((part, index) => itemOf(part, index, "completed"));
  return responseOf(whole, output, to, statusOf(whole));
}

/** Writes a stream of responses. */
export function sayingResponses(to: SayFor): Saying {
  const fold = new Fold();
  const output: JsonObject[] = [];
  let sequence = 0;
  let open: Opened | null = null;
  const event = (type: string, fields: JsonObject): string => {
    sequence += 1;
    return typedEvent({ type, sequence_number: sequence - 1, ...fields });
  };
  const place = (): { readonly item_id: string; readonly output_index: number } => ({
    item_id: idOf(open, output.length),
    output_index: output.length,
  });
  const close = (): string => {
    const { last } = fold;
    if (open === null || last === undefined) return "";
    const done = itemOf(last, output.length, "completed");
    const before = closing(last, place(), event);
    const after = event("response.output_item.done", { output_index: output.length, item: done });
    output.push(done);
    open = null;
    return `${before}${after}`;
  };
  return {
    say(said: Said) {
      const ended = said.kind === "close" ? close() : "";
      fold.add(said);
      if (said.kind === "start") {
        const begun = { response: responseOf(fold.whole(), [], to, "in_progress") };
        return `${event("response.created", begun)}${event("response.in_progress", begun)}`;
      }
      if (said.kind === "open") {
        open = said.part;
        const empty = { part: open, text: "", sealed: null, weights: [] };
        const item = itemOf(empty, output.length, "in_progress", true);
        const added = event("response.output_item.added", { output_index: output.length, item });
        return `${added}${opening(open, place(), event)}`;
      }
      if (said.kind === "more" && open !== null) return more(open, said, place(), event);
      return ended;
    },
    end() {
      const whole = fold.whole();
      const status = statusOf(whole);
      const type = status === "incomplete" ? "response.incomplete" : "response.completed";
      return event(type, { response: responseOf(whole, output, to, status) });
    },
  };
}

type Emit = (type: string, fields: JsonObject) => string;
type Place = { readonly item_id: string; readonly output_index: number };

function opening(part: Opened, place: Place, event: Emit): string {
  if (part.kind === "call") return "";
  if (part.kind === "thinking") {
    const empty = { type: "summary_text", text: "" };
    return event("response.reasoning_summary_part.added", { ...place, summary_index: 0, part: empty });
  }
  return event("response.content_part.added", { ...place, content_index: 0, part: contentOf(part, "", []) });
}

function more(part: Opened, said: Extract<Said, { kind: "more" }>, place: Place, event: Emit): string {
  const delta = said.text;
  if (part.kind === "call") return event("response.function_call_arguments.delta", { ...place, delta });
  if (part.kind === "thinking") {
    return event("response.reasoning_summary_text.delta", { ...place, summary_index: 0, delta });
  }
  const at = { ...place, content_index: 0, delta };
  if (part.kind === "refusal") return event("response.refusal.delta", at);
  return event("response.output_text.delta", { ...at, logprobs: (said.weights ?? []).map(weightOf) });
}

function closing({ part, text, weights }: SaidPart, place: Place, event: Emit): string {
  if (part.kind === "call") {
    return event("response.function_call_arguments.done", { ...place, arguments: text || "{}" });
  }
  if (part.kind === "thinking") {
    const at = { ...place, summary_index: 0 };
    const done = event("response.reasoning_summary_text.done", { ...at, text });
    const whole = { type: "summary_text", text };
    return `${done}${event("response.reasoning_summary_part.done", { ...at, part: whole })}`;
  }
  const at = { ...place, content_index: 0 };
  const done =
    part.kind === "refusal"
      ? event("response.refusal.done", { ...at, refusal: text })
      : event("response.output_text.done", { ...at, text, logprobs: weights.map(weightOf) });
  return `${done}${event("response.content_part.done", { ...at, part: contentOf(part, text, weights) })}`;
}

function idOf(part: Opened | null, index: number): string {
  const prefix = part?.kind === "call" ? "fc" : part?.kind === "thinking" ? "rs" : "msg";
  return `${prefix}_${index}`;
}

/** An item of a response. @param bare without its content, as it is when it is added */
function itemOf(
  { part, text, sealed, weights }: SaidPart,
  index: number,
  status: string,
  bare = false,
): JsonObject {
  const id = idOf(part, index);
  if (part.kind === "call") {
    const called = { call_id: part.id, name: part.name, arguments: bare ? "" : text || "{}" };
    return { type: "function_call", id, status, ...called };
  }
  if (part.kind === "thinking") {
    const summary = text === "" ? [] : [{ type: "summary_text", text }];
    return given({ type: "reasoning", id, summary, encrypted_content: sealed?.data });
  }
  const content = bare ? [] : [contentOf(part, text, weights)];
  return { type: "message", id, status, role: "assistant", content };
}

function contentOf(part: Opened, text: string, weights: readonly TokenChoice[]): JsonObject {
  if (part.kind === "refusal") return { type: "refusal", refusal: text };
  return { type: "output_text", text, annotations: [], logprobs: weights.map(weightOf) };
}

function statusOf({ finish }: WholeSaid): string {
  return finish === "length" || finish === "filtered" ? "incomplete" : "completed";
}

function responseOf(whole: WholeSaid, output: readonly JsonObject[], to: SayFor, status: string): JsonObject {
  const reason = whole.finish === "length" ? "max_output_tokens" : "content_filter";
  const repeated = Object.entries(REPEATED).map(([name, usual]) => [name, to.asked[name] ?? usual]);
  return {
    ...(Object.fromEntries(repeated) as JsonObject),
    ...{ id: whole.id || to.id, object: "response", created_at: to.at, status, error: null },
    incomplete_details: status === "incomplete" ? { reason } : null,
    ...{ model: whole.model || to.model, output, previous_response_id: null, store: false },
    usage: whole.totals === null || status === "in_progress" ? null : usageOf(whole.totals),
  };
}

function usageOf({ input, cachedInput, output, reasoning }: Totals): Json {
  return {
    ...{ input_tokens: input, input_tokens_details: { cached_tokens: cachedInput } },
    ...{ output_tokens: output, output_tokens_details: { reasoning_tokens: reasoning } },
    total_tokens: input + output,
  };
}
