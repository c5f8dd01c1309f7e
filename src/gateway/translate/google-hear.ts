import type { Json } from "../../kernel/index.ts";
import type { Finish, Said, TokenChoice, TokenWeight, Totals } from "./ask.ts";
import { countIn, get, isList, isObject, listIn, textIn } from "./fields.ts";
import { errorIn, type Hearing, Speech } from "./hearing.ts";

const FILTERED: ReadonlySet<string> = new Set([
  ...["SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"],
]);
const ID_CHARS = 16;

/** Hears a stream of generateContent, whose events are whole replies. */
export function hearGoogle(): Hearing {
  const hearer = new Hearer();
  return {
    get ended() {
      return hearer.ended;
    },
    event: (data) => hearer.event(data),
  };
}

/** Hears a whole reply. */
export function heardGoogle(reply: Json): readonly Said[] {
  return new Hearer().event(reply);
}

class Hearer {
  readonly #speech = new Speech();
  #id = "";
  #started = false;
  ended = false;

  event(data: Json): readonly Said[] {
    if (get(data, "error") !== undefined) return [errorIn(data)];
    if (!this.#started) {
      this.#started = true;
      this.#id = textIn(data, "responseId");
      this.#speech.say({ kind: "start", id: this.#id, model: textIn(data, "modelVersion") });
    }
    const candidate = get(data, "candidates", 0);
    const weights = weightsIn(get(candidate, "logprobsResult"));
    listIn(candidate, "content", "parts").forEach((part, index) => {
      this.#part(part, index === 0 ? weights : undefined);
    });
    const usage = get(data, "usageMetadata");
    if (isObject(usage)) this.#speech.say({ kind: "usage", totals: totalsOf(usage) });
    const reason = textIn(candidate, "finishReason") || blocked(data);
    if (reason !== "" && !this.ended) {
      this.ended = true;
      this.#speech.close();
      this.#speech.say({ kind: "finish", finish: this.#why(reason) });
    }
    return this.#speech.take();
  }

  #part(part: Json, weights: readonly TokenChoice[] | undefined): void {
    const thought = get(part, "thought") === true;
    const signature = textIn(part, "thoughtSignature");
    if (thought) this.#speech.words("thinking", textIn(part, "text"));
    // A seal on a call or on text stands before it, as a thought without words.
    if (signature !== "") this.#speech.seal({ form: "signature", data: signature });
    if (thought) return;
    this.#speech.words("text", textIn(part, "text"), weights);
    const call = get(part, "functionCall");
    if (!isObject(call)) return;
    const id = textIn(call, "id") || this.#nextId();
    this.#speech.begin({ kind: "call", id, name: textIn(call, "name") });
    this.#speech.argument(JSON.stringify(get(call, "args") ?? {}));
    this.#speech.close();
  }

  /** Google often names calls not at all; the answer's own id makes ours unlike those of other turns. */
  #nextId(): string {
    return `call_${this.#id.replaceAll(/\W/g, "").slice(-ID_CHARS)}_${this.#speech.calls + 1}`;
  }

  #why(reason: string): Finish {
    if (reason === "MAX_TOKENS") return "length";
    if (FILTERED.has(reason)) return "filtered";
    if (reason !== "STOP") return "other";
    return this.#speech.calls > 0 ? "calls" : "stop";
  }
}

function blocked(data: Json): string {
  return textIn(data, "promptFeedback", "blockReason") === "" ? "" : "SAFETY";
}

function totalsOf(usage: Json): Totals {
  const reasoning = countIn(usage, "thoughtsTokenCount");
  return {
    input: countIn(usage, "promptTokenCount") + countIn(usage, "toolUsePromptTokenCount"),
    cachedInput: countIn(usage, "cachedContentTokenCount"),
    cacheWrite: 0,
    output: countIn(usage, "candidatesTokenCount") + reasoning,
    reasoning,
  };
}

function weightsIn(result: Json | undefined): readonly TokenChoice[] | undefined {
  const chosen = get(result, "chosenCandidates");
  if (!isList(chosen)) return undefined;
  return chosen.map((each, index) => ({
    ...weightIn(each),
    top: listIn(result, "topCandidates", index, "candidates").map(weightIn),
  }));
}

function weightIn(value: Json): TokenWeight {
  const logprob = get(value, "logProbability");
  return { token: textIn(value, "token"), logprob: typeof logprob === "number" ? logprob : 0 };
}
