import type { Json } from "../../kernel/index.ts";
import type { Finish, Said, Totals } from "./ask.ts";
import { countIn, get, isList, isObject, textIn } from "./fields.ts";
import { BrokenAnswerError, errorIn, type Hearing, Speech } from "./hearing.ts";

const FINISHES: Readonly<Record<string, Finish>> = {
  ...{ end_turn: "stop", stop_sequence: "stop-sequence", max_tokens: "length", tool_use: "calls" },
  ...{ guardrail_intervened: "filtered", content_filtered: "filtered" },
  model_context_window_exceeded: "length",
};

/** Hears a stream of Converse, whose events carry their name as `type`. */
export function hearConverse(): Hearing {
  const hearer = new Hearer();
  return {
    get ended() {
      return hearer.ended;
    },
    event: (data) => hearer.event(data),
  };
}

/** Hears a whole answer. */
export function heardConverse(reply: Json): readonly Said[] {
  const content = get(reply, "output", "message", "content");
  if (!isList(content)) throw new BrokenAnswerError("it has no content");
  const hearer = new Hearer();
  const events: Json[] = [
    { type: "messageStart" },
    ...content.flatMap((block): Json[] => [...eventsOf(block), { type: "contentBlockStop" }]),
    { type: "messageStop", stopReason: textIn(reply, "stopReason") },
    { type: "metadata", usage: get(reply, "usage") ?? null },
  ];
  return events.flatMap((event) => hearer.event(event));
}

/** A whole block as the events that would carry it. */
function eventsOf(block: Json): Json[] {
  const call = get(block, "toolUse");
  if (isObject(call)) {
    const { input, ...start } = call;
    return [
      { type: "contentBlockStart", start: { toolUse: start } },
      { type: "contentBlockDelta", delta: { toolUse: { input: JSON.stringify(input ?? {}) } } },
    ];
  }
  const thought = get(block, "reasoningContent");
  const open = get(thought, "reasoningText");
  const deltas: Json[] = isObject(open)
    ? [
        { reasoningContent: { text: textIn(open, "text") } },
        ...(textIn(open, "signature") === ""
          ? []
          : [{ reasoningContent: { signature: open["signature"] ?? "" } }]),
      ]
    : [isObject(thought) ? { reasoningContent: thought } : { text: textIn(block, "text") }];
  return deltas.map((delta) => ({ type: "contentBlockDelta", delta }));
}

class Hearer {
  readonly #speech = new Speech();
  ended = false;

  event(data: Json): readonly Said[] {
    const type = textIn(data, "type");
    if (type === "messageStart") this.#speech.say({ kind: "start", id: "", model: "" });
    else if (type === "contentBlockStart") {
      const call = get(data, "start", "toolUse");
      const [id, name] = [textIn(call, "toolUseId"), textIn(call, "name")];
      if (isObject(call)) this.#speech.begin({ kind: "call", id, name });
    } else if (type === "contentBlockDelta") this.#delta(get(data, "delta"));
    else if (type === "contentBlockStop") this.#speech.close();
    else if (type === "messageStop") {
      this.ended = true;
      this.#speech.close();
      this.#speech.say({ kind: "finish", finish: FINISHES[textIn(data, "stopReason")] ?? "other" });
    } else if (type === "metadata") {
      const usage = get(data, "usage");
      if (isObject(usage)) this.#speech.say({ kind: "usage", totals: totalsOf(usage) });
    } else if (type === "error") this.#speech.say(errorIn(data));
    return this.#speech.take();
  }

  #delta(delta: Json | undefined): void {
    this.#speech.words("text", textIn(delta, "text"));
    const call = get(delta, "toolUse");
    if (isObject(call)) this.#speech.argument(textIn(call, "input"));
    const thought = get(delta, "reasoningContent");
    if (!isObject(thought)) return;
    this.#speech.words("thinking", textIn(thought, "text"));
    const [signature, redacted] = [textIn(thought, "signature"), textIn(thought, "redactedContent")];
    if (signature !== "") this.#speech.seal({ form: "signature", data: signature });
    if (redacted !== "") this.#speech.seal({ form: "redacted", data: redacted });
  }
}

/** Cached input is counted beside the input, as Anthropic does it. */
function totalsOf(usage: Json): Totals {
  const cachedInput = countIn(usage, "cacheReadInputTokens");
  const cacheWrite = countIn(usage, "cacheWriteInputTokens");
  const input = countIn(usage, "inputTokens") + cachedInput + cacheWrite;
  return { input, cachedInput, cacheWrite, output: countIn(usage, "outputTokens"), reasoning: 0 };
}
