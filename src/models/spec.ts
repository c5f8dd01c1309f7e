import type { Json, JsonObject, ModelId } from "../kernel/index.ts";
import type { Usage } from "./usage.ts";

/** Which adapter speaks to the model. */
export type ProviderKind = "openai" | "anthropic" | "google" | "azure" | "bedrock" | "openai-compatible";

/** Prices as stated: decimal US dollars per million tokens, as text, so that they are exact: `"0.15"`. */
type UsdPerMtok = {
  readonly inputUsdPerMtok: string;
  readonly outputUsdPerMtok: string;
  readonly cachedInputUsdPerMtok?: string;
  readonly cacheWriteUsdPerMtok?: string;
  readonly reasoningUsdPerMtok?: string;
};

type TieredUsd = UsdPerMtok & {
  /** What holds instead, for the kinds it names, where all input of a call is above so many tokens. */
  readonly tiers?: readonly (Partial<UsdPerMtok> & { readonly aboveInputTokens: number })[];
};

type StatedUsd = TieredUsd & {
  /** Decimal US dollars for every request, beside its tokens. */
  readonly requestUsd?: string;
  /** What the provider's batch service charges instead. */
  readonly batch?: TieredUsd;
  /** Of a cache that is kept for an hour; without it, no call with a budget asks for one. */
  readonly longCacheWriteUsdPerMtok?: string;
  /** Of sound; without them, it costs what text does. */
  readonly audioInputUsdPerMtok?: string;
  readonly audioOutputUsdPerMtok?: string;
  /** A use of each tool that the provider runs: `{ web_search: "0.01", mcp: "0" }`. */
  readonly toolUsd?: Readonly<Record<string, string>>;
  /** What calls cost that say `service_tier: "flex"`, without it as batches do, or `"priority"`. */
  readonly flex?: TieredUsd;
  readonly priority?: TieredUsd;
};

/** A price as a configuration states it. */
export type PlainPrice =
  | {
      readonly kind: "local";
      readonly energy?: {
        readonly inputJoulesPerMtok: string;
        readonly outputJoulesPerMtok: string;
        readonly usdPerKwh: string;
      };
    }
  | (StatedUsd & {
      readonly kind: "stated";
      /** Prices from an instant on, each until the next. */
      readonly changes?: readonly (StatedUsd & { readonly from: string })[];
    });

/**
 * A price that the operator states, which goes before the catalogue. `local` is an engine of one's own: no
 * price, or that of its power. `versions` were stated at run time, and go before what is configured.
 */
export type StatedPrice =
  | PlainPrice
  | {
      readonly kind: "versions";
      readonly versions: readonly {
        readonly version: number;
        readonly from: string;
        readonly price: PlainPrice | null;
      }[];
      readonly otherwise?: PlainPrice;
    };

/** Something that not every model can do. */
export type Ability = "tools" | "images" | "audio" | "files" | "schema";

/** A model as configured. Plain data: it may be printed, sent and stored; keys are held elsewhere. */
export type ModelCard = {
  /** `endpoint/model`; the endpoint names the key to use. */
  readonly id: ModelId;
  readonly provider: ProviderKind;
  /** The provider's own name of the model. */
  readonly model: string;
  readonly baseUrl?: string;
  /**
   * OpenAI only: `responses` (default at api.openai.com, where current models refuse tools on the older
   * endpoint) or `chat` (default when `baseUrl` is set, since proxies speak that).
   */
  readonly wire?: "chat" | "responses";
  /** Azure only: a version of its API, whose calls go by deployment; without one the newest is spoken. */
  readonly apiVersion?: string;
  /** What it cannot do; all that is not here it is taken to do. */
  readonly lacks?: readonly Ability[];
  /** The context window, where known. */
  readonly contextTokens?: number;
  /** The most output, reasoning included, that a call may ask for. */
  readonly outputTokensMax: number;
  readonly price?: StatedPrice;
  /** Its address is the provider's batch service, or bills as that does: calls cost the batch prices. */
  readonly batch?: boolean;
};

/** A tool as the model sees it. */
export type ToolSpec = {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the arguments, an object. */
  readonly inputSchema: JsonObject;
};

/** What a provider wants back unchanged on the next call: signatures, item ids. Opaque. */
export type Echo = JsonObject;

/** A tool call inside an earlier reply. `input` is the raw text when the arguments were malformed. */
export type MessageToolCall = {
  readonly id: string;
  readonly name: string;
  readonly input: Json;
  readonly echo?: Echo;
};

/** A stretch of a model's thinking, kept only to be handed back to the same model. */
export type Reasoning = { readonly text: string; readonly echo?: Echo };

/** One message of a conversation, in no provider's dialect. Plain JSON. */
export type Message =
  | { readonly role: "system"; readonly text: string }
  | { readonly role: "user"; readonly text: string }
  | {
      readonly role: "assistant";
      readonly text: string;
      readonly toolCalls?: readonly MessageToolCall[];
      readonly reasoning?: readonly Reasoning[];
      /** Who wrote it; echoes and reasoning go back to this model only. */
      readonly by?: ModelId;
    }
  | {
      readonly role: "tool";
      readonly toolCallId: string;
      readonly name: string;
      readonly output: Json;
      readonly isError?: boolean;
    };

/** Everything that decides what a model is asked. */
export type ModelCall = {
  readonly model: ModelId;
  readonly messages: readonly Message[];
  readonly tools: readonly ToolSpec[];
  readonly outputTokensMax: number;
  readonly temperature?: number;
  /** `required` makes the model call some tool. */
  readonly toolChoice?: "auto" | "required" | "none";
};

/** A tool call as it arrived. Malformed arguments are data for the next turn, never an exception. */
export type ToolCall =
  | {
      readonly id: string;
      readonly name: string;
      readonly kind: "ok";
      readonly input: JsonObject;
      readonly echo?: Echo;
    }
  | {
      readonly id: string;
      readonly name: string;
      readonly kind: "malformed";
      readonly raw: string;
      readonly because: string;
      readonly echo?: Echo;
    };

/** Why a reply ended. `refused`: the provider's content filter or the model declined. */
export type Finish = "stop" | "tool-calls" | "length" | "refused" | "other";

/** A complete reply. */
export type ModelReply = {
  readonly text: string;
  readonly toolCalls: readonly ToolCall[];
  readonly reasoning: readonly Reasoning[];
  readonly usage: Usage;
  /** False when the provider reported no usage: `usage` is then all zero and means nothing. */
  readonly counted: boolean;
  readonly finish: Finish;
  /** The model's name as the provider reported it. */
  readonly providerModel: string;
  /** The provider's own id of the reply, or an empty string. */
  readonly providerReplyId: string;
};

/** The message to append to the conversation after a reply. */
export function assistantMessage(reply: ModelReply, by: ModelId): Message {
  return {
    role: "assistant",
    text: reply.text,
    toolCalls: reply.toolCalls.map((call) => ({
      id: call.id,
      name: call.name,
      input: call.kind === "ok" ? call.input : call.raw,
      ...(call.echo === undefined ? {} : { echo: call.echo }),
    })),
    reasoning: reply.reasoning,
    by,
  };
}
