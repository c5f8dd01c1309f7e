import type { Json } from "../../kernel/index.ts";
import type { Finish, Said, Totals } from "./ask.ts";
import { countIn, get, isList, isObject, listIn, textIn } from "./fields.ts";
import { BrokenAnswerError, errorIn, type Hearing, Speech } from "./hearing.ts";

const FINISHES: Readonly<Record<string, Finish>> = {
  ...{ end_turn: "stop", stop_sequence: "stop-sequence", max_tokens: "length", tool_use: "calls" },
  ...{ refusal: "refused", model_context_window_exceeded: "length" },
};

/** Hears a stream of messages. */
export function hearAnthropic(): Hearing {
  const hearer = new Hearer();
  return {
    get ended() {
      return hearer.ended;
    },
    event: (data) => hearer.event(data),
  };
}

/** Hears a whole message. */
export function heardAnthropic(reply: Json): readonly Said[] {
  if (!isList(get(reply, "content"))) throw new BrokenAnswerError("it has no content");
  const hearer = new Hearer();
  const { stop_reason, stop_sequence } = isObject(reply) ? reply : {};
  const events: Json[] = [
    { type: "message_start", message: reply },
    ...listIn(reply, "content").flatMap((block): Json[] => [
      { type: "content_block_start", content_block: block },
      { type: "content_block_stop" },
    ]),
    {
      type: "message_delta",
      delta: { stop_reason: stop_reason ?? null, stop_sequence: stop_sequence ?? null },
      usage: get(reply, "usage") ?? null,
    },
    { type: "message_stop" },
  ];
  return events.flatMap((event) => hearer.event(event));
}

class Hearer {
  readonly #speech = new Speech();
  #totals: Totals | null = null;
  /** The arguments that a call's block began with; in a stream they are empty. */
  #input: Json | undefined;
  #pieces = 0;
  ended = false;

  event(data: Json): readonly Said[] {
    const type = textIn(data, "type");
    if (type === "message_start") {
      const message = get(data, "message");
      this.#speech.say({ kind: "start", id: textIn(message, "id"), model: textIn(message, "model") });
      this.#count(get(message, "usage"));
    } else if (type === "content_block_start") this.#begin(get(data, "content_block"));
    else if (type === "content_block_delta") this.#delta(get(data, "delta"));
    else if (type === "content_block_stop") this.#stop();
    else if (type === "message_delta") this.#end(data);
    else if (type === "message_stop") this.ended = true;
    else if (type === "error") this.#speech.say(errorIn(data));
    return this.#speech.take();
  }

  #begin(block: Json | undefined): void {
    const type = textIn(block, "type");
    this.#pieces = 0;
    this.#input = undefined;
    if (type === "text") this.#speech.words("text", textIn(block, "text"));
    else if (type === "thinking") {
      this.#speech.begin({ kind: "thinking" });
      this.#speech.words("thinking", textIn(block, "thinking"));
      const signature = textIn(block, "signature");
      if (signature !== "") this.#speech.seal({ form: "signature", data: signature });
    } else if (type === "redacted_thinking") {
      this.#speech.begin({ kind: "thinking" });
      this.#speech.seal({ form: "redacted", data: textIn(block, "data") });
    } else if (type === "tool_use") {
      this.#input = get(block, "input");
      this.#speech.begin({ kind: "call", id: textIn(block, "id"), name: textIn(block, "name") });
    }
  }

  #delta(delta: Json | undefined): void {
    const type = textIn(delta, "type");
    this.#pieces += 1;
    if (type === "text_delta") this.#speech.words("text", textIn(delta, "text"));
    else if (type === "thinking_delta") this.#speech.words("thinking", textIn(delta, "thinking"));
    else if (type === "input_json_delta") this.#speech.argument(textIn(delta, "partial_json"));
    else if (type === "signature_delta") {
      this.#speech.seal({ form: "signature", data: textIn(delta, "signature") });
    }
  }

  #stop(): void {
    if (this.#pieces === 0 && isObject(this.#input)) this.#speech.argument(JSON.stringify(this.#input));
    this.#input = undefined;
    this.#speech.close();
  }

  #end(data: Json): void {
    this.#speech.close();
    this.#count(get(data, "usage"));
    const reason = textIn(data, "delta", "stop_reason");
    const sequence = textIn(data, "delta", "stop_sequence");
    this.#speech.say({
      ...{ kind: "finish", finish: FINISHES[reason] ?? "other" },
      ...(sequence !== "" && { stopSequence: sequence }),
    });
  }

  /** The input is counted at the start, where cached input stands apart; the end has the output. */
  #count(usage: Json | undefined): void {
    if (!isObject(usage)) return;
    const cachedInput = countIn(usage, "cache_read_input_tokens");
    const cacheWrite = countIn(usage, "cache_creation_input_tokens");
    const before = this.#totals;
    const counted = countIn(usage, "input_tokens") + cachedInput + cacheWrite;
    const fresh = before === null || counted > 0;
    this.#totals = {
      input: fresh ? counted : before.input,
      cachedInput: fresh ? cachedInput : before.cachedInput,
      cacheWrite: fresh ? cacheWrite : before.cacheWrite,
      output: countIn(usage, "output_tokens"),
      reasoning: countIn(usage, "output_tokens_details", "reasoning_tokens"),
    };
    this.#speech.say({ kind: "usage", totals: this.#totals });
  }
}
