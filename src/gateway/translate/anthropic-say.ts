import type { Json, JsonObject } from "../../kernel/index.ts";
import { inputOf } from "./anthropic-write.ts";
import type { Finish, Opened, Said, SaidPart, Totals, WholeSaid } from "./ask.ts";
import { type SayFor, type Saying, typedEvent } from "./saying.ts";

const REASONS: Readonly<Record<Finish, string>> = {
  ...{ stop: "end_turn", "stop-sequence": "stop_sequence", length: "max_tokens", calls: "tool_use" },
  ...{ filtered: "refusal", refused: "refusal", other: "end_turn" },
};

/** Writes a whole message. @throws {MalformedError} for arguments that are no object, which it cannot hold */
export function sayAnthropic(whole: WholeSaid, to: SayFor): JsonObject {
  return {
    ...{ id: whole.id || to.id, type: "message", role: "assistant", model: whole.model || to.model },
    content: whole.parts.map(blockOf),
    ...{ stop_reason: REASONS[whole.finish], stop_sequence: whole.stopSequence },
    usage: usageOf(whole.totals),
  };
}

/** Writes a stream of a message. */
export function sayingAnthropic(to: SayFor): Saying {
  let index = -1;
  let kind: Opened["kind"] = "text";
  let totals: Totals | null = null;
  let finish: Finish = "other";
  let stopSequence: string | null = null;
  const delta = (inner: JsonObject): string =>
    typedEvent({ type: "content_block_delta", index, delta: inner });
  return {
    say(said: Said) {
      switch (said.kind) {
        case "start": {
          const message = {
            ...{ id: said.id || to.id, type: "message", role: "assistant", model: said.model || to.model },
            ...{ content: [], stop_reason: null, stop_sequence: null, usage: usageOf(totals) },
          };
          return typedEvent({ type: "message_start", message });
        }
        case "open":
          index += 1;
          ({ kind } = said.part);
          return typedEvent({ type: "content_block_start", index, content_block: emptyOf(said.part) });
        case "more":
          if (kind === "call") return delta({ type: "input_json_delta", partial_json: said.text });
          if (kind === "thinking") return delta({ type: "thinking_delta", thinking: said.text });
          return delta({ type: "text_delta", text: said.text });
        case "seal":
          return delta({ type: "signature_delta", signature: said.sealed.data });
        case "close":
          return typedEvent({ type: "content_block_stop", index });
        case "usage":
          ({ totals } = said);
          return "";
        case "finish":
          ({ finish } = said);
          stopSequence = said.stopSequence ?? null;
          return "";
        case "error":
          return "";
      }
    },
    end() {
      const ended = { stop_reason: REASONS[finish], stop_sequence: stopSequence };
      const last = typedEvent({ type: "message_delta", delta: ended, usage: usageOf(totals) });
      return `${last}${typedEvent({ type: "message_stop" })}`;
    },
  };
}

function emptyOf(part: Opened): JsonObject {
  if (part.kind === "call") return { type: "tool_use", id: part.id, name: part.name, input: {} };
  if (part.kind === "thinking") return { type: "thinking", thinking: "", signature: "" };
  return { type: "text", text: "" };
}

function blockOf({ part, text, sealed }: SaidPart): JsonObject {
  if (part.kind === "call") {
    return { type: "tool_use", id: part.id, name: part.name, input: inputOf(text, part.name) };
  }
  if (part.kind === "thinking") {
    return { type: "thinking", thinking: text, signature: sealed?.data ?? "" };
  }
  return { type: "text", text };
}

/** Cached input and what was written to the cache stand apart here. */
function usageOf(totals: Totals | null): Json {
  const { input = 0, cachedInput = 0, cacheWrite = 0, output = 0 } = totals ?? {};
  return {
    input_tokens: Math.max(0, input - cachedInput - cacheWrite),
    ...{ cache_read_input_tokens: cachedInput, cache_creation_input_tokens: cacheWrite },
    output_tokens: output,
  };
}
