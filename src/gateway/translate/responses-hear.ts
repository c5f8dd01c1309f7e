import type { Json } from "../../kernel/index.ts";
import type { Finish, Said } from "./ask.ts";
import { openaiTotals } from "./chat-hear.ts";
import { get, isList, isObject, listIn, textIn } from "./fields.ts";
import { BrokenAnswerError, errorIn, type Hearing, Speech, weightsIn } from "./hearing.ts";

/** Hears a stream of responses. */
export function hearResponses(): Hearing {
  const hearer = new Hearer();
  return {
    get ended() {
      return hearer.ended;
    },
    event: (data) => hearer.event(data),
  };
}

/** Hears a whole response. */
export function heardResponses(reply: Json): readonly Said[] {
  if (!isList(get(reply, "output"))) throw new BrokenAnswerError("it has no output");
  const hearer = new Hearer();
  if (isObject(get(reply, "error"))) return hearer.event({ type: "response.failed", response: reply });
  return [
    ...hearer.event({ type: "response.created", response: reply }),
    ...listIn(reply, "output").flatMap((item) => hearer.item(item)),
    ...hearer.event({ type: "response.completed", response: reply }),
  ];
}

class Hearer {
  readonly #speech = new Speech();
  /** The item whose pieces come, where it is a call. */
  #callItem = "";
  #pieces = 0;
  ended = false;

  event(data: Json): readonly Said[] {
    const type = textIn(data, "type");
    const response = get(data, "response");
    if (type === "response.created") {
      this.#speech.say({ kind: "start", id: textIn(response, "id"), model: textIn(response, "model") });
    } else if (type === "response.output_item.added") this.#added(get(data, "item"));
    else if (type === "response.output_item.done") this.#done(get(data, "item"));
    else if (type === "response.output_text.delta") {
      this.#speech.words("text", textIn(data, "delta"), weightsIn(get(data, "logprobs")));
    } else if (type === "response.refusal.delta") this.#speech.words("refusal", textIn(data, "delta"));
    else if (type === "response.reasoning_summary_part.added") {
      if (this.#pieces > 0) this.#speech.words("thinking", "\n\n");
    } else if (/^response\.reasoning(?:_summary)?_text\.delta$/.test(type)) {
      this.#pieces += 1;
      this.#speech.words("thinking", textIn(data, "delta"));
    } else if (type === "response.function_call_arguments.delta") {
      if (textIn(data, "item_id") !== this.#callItem)
        throw new BrokenAnswerError("arguments of no open call");
      this.#pieces += 1;
      this.#speech.argument(textIn(data, "delta"));
    } else if (type === "response.failed" || type === "error") {
      this.#speech.say(errorIn(get(response, "error") ?? data));
    } else if (type === "response.completed" || type === "response.incomplete") this.#finish(response);
    return this.#speech.take();
  }

  /** An item that is there as a whole. */
  item(item: Json): readonly Said[] {
    this.#added(item);
    for (const content of listIn(item, "content")) {
      const weights = weightsIn(get(content, "logprobs"));
      if (textIn(content, "type") === "output_text") {
        this.#speech.words("text", textIn(content, "text"), weights);
      }
      this.#speech.words("refusal", textIn(content, "refusal"));
    }
    if (textIn(item, "type") === "reasoning") {
      const texts = listIn(item, "summary").map((each) => textIn(each, "text"));
      this.#speech.words("thinking", texts.join("\n\n"));
    }
    this.#done(item);
    return this.#speech.take();
  }

  #added(item: Json | undefined): void {
    const type = textIn(item, "type");
    this.#pieces = 0;
    this.#speech.close();
    this.#callItem = "";
    if (type === "function_call") {
      this.#callItem = textIn(item, "id");
      this.#speech.begin({ kind: "call", id: textIn(item, "call_id"), name: textIn(item, "name") });
    }
  }

  #done(item: Json | undefined): void {
    const type = textIn(item, "type");
    if (type === "function_call" && this.#pieces === 0) this.#speech.argument(textIn(item, "arguments"));
    const sealed = textIn(item, "encrypted_content");
    if (type === "reasoning" && sealed !== "") this.#speech.seal({ form: "signature", data: sealed });
    this.#speech.close();
    this.#callItem = "";
  }

  #finish(response: Json | undefined): void {
    this.ended = true;
    this.#speech.close();
    const usage = get(response, "usage");
    if (isObject(usage)) this.#speech.say({ kind: "usage", totals: openaiTotals(usage) });
    this.#speech.say({ kind: "finish", finish: this.#why(textIn(response, "incomplete_details", "reason")) });
  }

  #why(incomplete: string): Finish {
    if (incomplete === "max_output_tokens") return "length";
    if (incomplete === "content_filter") return "filtered";
    if (incomplete !== "") return "other";
    if (this.#speech.calls > 0) return "calls";
    return this.#speech.refused ? "refused" : "stop";
  }
}
