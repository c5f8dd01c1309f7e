import type { Served, Tariff, Worst } from "../calls/index.ts";
import type { ModelId, Tokens } from "../kernel/index.ts";
import type { KeyRecord } from "./keys.ts";
import type { Refusal, Surface } from "./surfaces.ts";
import type { Target, Targets } from "./targets.ts";
import type { Droppable } from "./translate/translate.ts";
import type { UsageTap } from "./usage-tap.ts";

/** A request as it came, and whose it is: all that a plan is made from beside the snapshot. */
export type Asked = {
  readonly surface: Surface;
  readonly body: Buffer;
  readonly key: KeyRecord;
  /** Names answers that a provider leaves unnamed. */
  readonly id: string;
  /** Seconds since 1970, which some answers carry. */
  readonly at: number;
  /** Seconds since 1970 by the clock that prices hold by. */
  readonly pricedAt: number;
  readonly wishes: Wishes;
};

/** What a caller may say beside the protocol. */
export type Wishes = {
  /** After so long without an answer the next model is asked as well, and the first to answer is heard. */
  readonly hedgeMs: number | null;
  /** A stream that breaks off after its first bytes may begin anew with the next model. */
  readonly restart: boolean;
  /** Fields that may be let go where another protocol has no words for them. */
  readonly drop: Droppable;
};

/** What may be called, and how it fares; replaced as a whole. */
export type Snapshot = {
  readonly targets: Targets;
  readonly health: Health;
  /** Why a model may not be served to anybody, in a sentence, or null. */
  readonly forbids: (card: Target["card"]) => string | null;
  /** What envelopes of sealed thoughts are authenticated with. */
  readonly sealKey: Buffer;
};

/** How models fare, as far as this replica has seen. */
export type Health = {
  /** Whether a model failed so often, or asked for so much time, that others are to be tried first. */
  rests(model: ModelId): boolean;
  /** How long a call would wait for its first byte now, about; smaller is better. */
  delayMs(model: ModelId): number;
};

/** One try of a call: the bytes to send, and the most that they can cost. */
export type Attempt = {
  readonly target: Target;
  /** Below the provider's origin, without a query. */
  readonly path: string;
  /** Null where the client's own query is passed on. */
  readonly query: string | null;
  /** The provider's own headers: its key, its version. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Whether the client's words were put into another protocol. */
  readonly translated: boolean;
  /** Headers that tell the client what was changed. */
  readonly told: Readonly<Record<string, string>>;
  /** What reads the answer as it passes, and makes of it what the client is to get. */
  readonly tap: (status: number) => UsageTap;
  readonly inputMax: Tokens;
  readonly outputMax: Tokens;
  /** The prices that hold for it, as it was planned; null where none is known. */
  readonly tariff: Tariff | null;
  /** What it counts of its key's tokens of a minute, until it is known what it used. */
  readonly paced: number;
  /** How it asks to be served. */
  readonly served: Served;
  /** The most that it can cost. */
  readonly worst: Worst;
};

/** What is to be done with a request. */
export type Plan =
  | {
      readonly kind: "call";
      /** What the client calls the model. */
      readonly model: string;
      readonly stream: boolean;
      readonly wishes: Wishes;
      /** In order; the next is tried only while nothing was answered. */
      readonly attempts: readonly Attempt[];
    }
  | { readonly kind: "refused"; readonly refusal: Refusal };
