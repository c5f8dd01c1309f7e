import type { Json } from "../../kernel/index.ts";
import type { Opened, Said, Sealed, TokenChoice, TokenWeight } from "./ask.ts";
import { get, isList, listIn, textIn } from "./fields.ts";

/** An answer that is not what its protocol says. The message names no content. */
export class BrokenAnswerError extends Error {}

/** Reads an answer's events of one protocol as what is said. */
export type Hearing = {
  /** @throws {BrokenAnswerError} */
  event(data: Json): readonly Said[];
  /** Whether the answer has ended as its protocol wants. */
  readonly ended: boolean;
};

/** The parts of an answer as they come: at most one is open, and whatever opens another closes it. */
export class Speech {
  #said: Said[] = [];
  #open: Opened | null = null;
  #calls = 0;
  #refused = false;

  get open(): Opened | null {
    return this.#open;
  }

  /** How many calls there were. */
  get calls(): number {
    return this.#calls;
  }

  /** Whether the model declined in words of its own. */
  get refused(): boolean {
    return this.#refused;
  }

  say(said: Said): void {
    this.#said.push(said);
  }

  begin(part: Opened): void {
    this.close();
    if (part.kind === "call") this.#calls += 1;
    if (part.kind === "refusal") this.#refused = true;
    this.#open = part;
    this.say({ kind: "open", part });
  }

  /** Goes on with a part of this kind, or begins one. */
  words(kind: "text" | "thinking" | "refusal", text: string, weights?: readonly TokenChoice[]): void {
    const hasWeights = weights !== undefined && weights.length > 0;
    if (text === "" && !hasWeights) return;
    if (this.#open?.kind !== kind) this.begin({ kind });
    this.say({ kind: "more", text, ...(hasWeights && { weights }) });
  }

  /** More of the open call's arguments. @throws {BrokenAnswerError} where none is open */
  argument(text: string): void {
    if (text === "") return;
    if (this.#open?.kind !== "call") throw new BrokenAnswerError("arguments of no open call");
    this.say({ kind: "more", text });
  }

  seal(sealed: Sealed): void {
    if (this.#open?.kind !== "thinking") this.begin({ kind: "thinking" });
    this.say({ kind: "seal", sealed });
  }

  close(): void {
    if (this.#open !== null) this.say({ kind: "close" });
    this.#open = null;
  }

  /** What was said since the last time. */
  take(): readonly Said[] {
    const said = this.#said;
    this.#said = [];
    return said;
  }
}

/** Weights of tokens in OpenAI's form. */
export function weightsIn(value: Json | undefined): readonly TokenChoice[] | undefined {
  if (!isList(value)) return undefined;
  return value.map((each) => ({ ...weightIn(each), top: listIn(each, "top_logprobs").map(weightIn) }));
}

function weightIn(value: Json): TokenWeight {
  const logprob = get(value, "logprob");
  const bytes = get(value, "bytes");
  return {
    token: textIn(value, "token"),
    logprob: typeof logprob === "number" ? logprob : 0,
    ...(bytes !== undefined && { bytes }),
  };
}

/** An error that a provider reports inside an answer that has begun. */
export function errorIn(value: Json): Said {
  const error = get(value, "error") ?? value;
  return {
    ...{ kind: "error", status: 502 },
    code: textIn(error, "code") || textIn(error, "type") || textIn(error, "status") || "upstream_error",
    message: textIn(error, "message") || "the provider reported an error",
  };
}
