import type { JsonObject } from "../../kernel/index.ts";
import type { Said } from "./ask.ts";

/** Writes what is said as the events of one protocol's stream. */
export type Saying = {
  /** The text of events, perhaps empty. Errors are not said here. */
  say(said: Said): string;
  /** The last events, once all is said. */
  end(): string;
};

/** Whom an answer is written for. */
export type SayFor = {
  /** Seconds since 1970, which some answers carry. */
  readonly at: number;
  /** The client's name of the model, where the provider tells none. */
  readonly model: string;
  /** An id, where the provider tells none. */
  readonly id: string;
  /** Whether a chat stream is to end with usage. */
  readonly usage: boolean;
  /** The client's request: a response repeats some of it. */
  readonly asked: JsonObject;
};

/** One event whose data is JSON. */
export function dataEvent(data: JsonObject): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

/** One event that is named by its type. */
export function typedEvent(data: JsonObject & { readonly type: string }): string {
  return `event: ${data.type}\n${dataEvent(data)}`;
}
