import type { Json, JsonObject } from "../../kernel/index.ts";

/** A value with the place in the request that it stands at, so that a refusal can name it. */
export type Given<T> = { readonly value: T; readonly at: string };

/** Where a picture or a file is. */
export type Source =
  | { readonly kind: "data"; readonly mediaType: string; readonly base64: string }
  | { readonly kind: "url"; readonly url: string; readonly mediaType?: string };

/**
 * A provider's own sealed state beside a thought: a signature, or the thought encrypted. Only the provider
 * that made it can open it.
 */
export type Sealed = { readonly form: "signature" | "redacted"; readonly data: string };

/** A stretch of a message. `cache` is a wish to cache the prompt up to here, in Anthropic's words. */
export type Part = { readonly at: string; readonly cache?: Json } & (
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "image"; readonly source: Source; readonly detail?: string }
  | { readonly kind: "file"; readonly source: Source; readonly name?: string }
  | { readonly kind: "audio"; readonly base64: string; readonly format: string }
  | { readonly kind: "thinking"; readonly text: string; readonly sealed: Sealed | null }
  | { readonly kind: "call"; readonly id: string; readonly name: string; readonly arguments: string }
  | {
      readonly kind: "result";
      readonly id: string;
      readonly parts: readonly Part[];
      readonly isError: boolean;
    }
  | { readonly kind: "refusal"; readonly text: string }
);

/** Who said what. What tools answered is the user's, as two of four protocols have it. */
export type Turn = {
  readonly role: "system" | "user" | "assistant";
  readonly parts: readonly Part[];
  readonly at: string;
};

/** A function that the model may call. */
export type Tool = {
  readonly name: string;
  readonly description?: string;
  /** JSON Schema of its arguments. */
  readonly schema: JsonObject;
  readonly strict?: Given<boolean>;
  readonly cache?: Given<Json>;
};

/** Whether the model is to call tools, or which one. */
export type ToolChoice =
  | { readonly kind: "auto" | "none" | "required" }
  | { readonly kind: "named"; readonly name: string };

/** The form that an answer is to have. */
export type Format =
  | { readonly kind: "json" }
  | {
      readonly kind: "schema";
      readonly name: string;
      readonly description?: string;
      readonly schema: JsonObject;
      readonly strict?: boolean;
    };

/** How much the model is to think, in the words of whoever asks: an effort, or tokens. */
export type Thinking =
  | { readonly kind: "effort"; readonly effort: string }
  | { readonly kind: "tokens"; readonly tokens: number }
  | { readonly kind: "off" };

/** A request in no provider's dialect: what all protocols can say, and who says it where. */
export type Ask = {
  readonly turns: readonly Turn[];
  readonly tools: readonly Tool[];
  readonly options: Options;
};

/** Everything beside the conversation; each is there only where the client gave it. */
export type Options = {
  readonly toolChoice?: Given<ToolChoice>;
  readonly parallelCalls?: Given<boolean>;
  readonly outputMax?: Given<number>;
  readonly temperature?: Given<number>;
  readonly topP?: Given<number>;
  readonly topK?: Given<number>;
  readonly stop?: Given<readonly string[]>;
  readonly seed?: Given<number>;
  readonly frequencyPenalty?: Given<number>;
  readonly presencePenalty?: Given<number>;
  /** How many alternatives beside each token; 0 for the token alone. */
  readonly logprobs?: Given<number>;
  readonly format?: Given<Format>;
  readonly thinking?: Given<Thinking>;
  /** Whether thoughts, or a summary of them, are to be shown. */
  readonly thoughtsShown?: Given<boolean>;
  readonly verbosity?: Given<string>;
  readonly user?: Given<string>;
  readonly serviceTier?: Given<string>;
  readonly cacheKey?: Given<string>;
};

/** The name of an option. */
export type OptionName = keyof Options;

/** Why a model stopped. */
export type Finish = "stop" | "stop-sequence" | "length" | "calls" | "filtered" | "refused" | "other";

/** Tokens as reported: cached and written input are part of the input, reasoning of the output. */
export type Totals = {
  readonly input: number;
  readonly cachedInput: number;
  readonly cacheWrite: number;
  readonly output: number;
  readonly reasoning: number;
};

/** What a token weighed. */
export type TokenWeight = { readonly token: string; readonly logprob: number; readonly bytes?: Json };

/** A token that was chosen, with those that were not. */
export type TokenChoice = TokenWeight & { readonly top: readonly TokenWeight[] };

/** The beginning of a part of an answer. */
export type Opened =
  | { readonly kind: "text" | "thinking" | "refusal" }
  | { readonly kind: "call"; readonly id: string; readonly name: string };

/**
 * An answer as it comes. Parts come one after the other: each is opened, gets its text in pieces (of a call,
 * the JSON of its arguments), perhaps its seal, and is closed. `finish` is the last but for `usage`.
 */
export type Said =
  | { readonly kind: "start"; readonly id: string; readonly model: string }
  | { readonly kind: "open"; readonly part: Opened }
  | { readonly kind: "more"; readonly text: string; readonly weights?: readonly TokenChoice[] }
  | { readonly kind: "seal"; readonly sealed: Sealed }
  | { readonly kind: "close" }
  | { readonly kind: "usage"; readonly totals: Totals }
  | { readonly kind: "finish"; readonly finish: Finish; readonly stopSequence?: string }
  | { readonly kind: "error"; readonly status: number; readonly code: string; readonly message: string };

/** A whole answer's part. */
export type SaidPart = {
  readonly part: Opened;
  readonly text: string;
  readonly sealed: Sealed | null;
  readonly weights: readonly TokenChoice[];
};

/** An answer that is there as a whole. */
export type WholeSaid = {
  readonly id: string;
  readonly model: string;
  readonly parts: readonly SaidPart[];
  readonly finish: Finish;
  readonly stopSequence: string | null;
  readonly totals: Totals | null;
};
