import type { Json, JsonObject } from "../../kernel/index.ts";
import type { Finish, Said, TokenChoice, TokenWeight, Totals, WholeSaid } from "./ask.ts";
import { given } from "./fields.ts";
import { dataEvent, type SayFor, type Saying } from "./saying.ts";

const FINISHES: Readonly<Record<Finish, string>> = {
  ...{ stop: "stop", "stop-sequence": "stop", length: "length", calls: "tool_calls" },
  ...{ filtered: "content_filter", refused: "stop", other: "stop" },
};
/** Thoughts are nothing of OpenAI's chat: this is what compatible engines call them, and clients read. */
const WORDS = { text: "content", thinking: "reasoning_content", refusal: "refusal" } as const;

/** Writes a chat completion. */
export function sayChat(whole: WholeSaid, to: SayFor): JsonObject {
  const words = (kind: keyof typeof WORDS): string | undefined => {
    const texts = whole.parts.flatMap(({ part, text }) => (part.kind === kind ? [text] : []));
    return texts.length === 0 ? undefined : texts.join("");
  };
  const calls = whole.parts.flatMap(({ part, text }): Json[] =>
    part.kind !== "call"
      ? []
      : [{ id: part.id, type: "function", function: { name: part.name, arguments: text || "{}" } }],
  );
  const weights = whole.parts.flatMap((part) => part.weights);
  const message = given({
    ...{ role: "assistant", content: words("text") ?? null, refusal: words("refusal") ?? null },
    reasoning_content: words("thinking"),
    tool_calls: calls.length === 0 ? undefined : calls,
  });
  return given({
    ...{ id: whole.id || to.id, object: "chat.completion", created: to.at, model: whole.model || to.model },
    choices: [
      {
        ...{ index: 0, message, finish_reason: FINISHES[whole.finish] },
        logprobs: weights.length === 0 ? null : { content: weights.map(weightOf) },
      },
    ],
    usage: whole.totals === null ? undefined : usageOf(whole.totals),
  });
}

/** Writes a stream of chat completions. */
export function sayingChat(to: SayFor): Saying {
  let base: JsonObject = { id: to.id, object: "chat.completion.chunk", created: to.at, model: to.model };
  let kind: keyof typeof WORDS | "call" = "text";
  let calls = 0;
  let totals: Totals | null = null;
  let finish: Finish = "other";
  const chunk = (delta: JsonObject, reason: string | null = null, logprobs: Json = null): string =>
    dataEvent({ ...base, choices: [{ index: 0, delta, logprobs, finish_reason: reason }] });
  return {
    say(said: Said) {
      if (said.kind === "start") {
        base = { ...base, id: said.id || to.id, model: said.model || to.model };
        return chunk({ role: "assistant", content: "" });
      }
      if (said.kind === "open") {
        const { part } = said;
        ({ kind } = part);
        if (part.kind !== "call") return "";
        calls += 1;
        const called = { name: part.name, arguments: "" };
        return chunk({ tool_calls: [{ index: calls - 1, id: part.id, type: "function", function: called }] });
      }
      if (said.kind === "more" && kind === "call") {
        return chunk({ tool_calls: [{ index: calls - 1, function: { arguments: said.text } }] });
      }
      if (said.kind === "more" && kind !== "call") {
        const weights = said.weights?.map(weightOf);
        return chunk({ [WORDS[kind]]: said.text }, null, weights === undefined ? null : { content: weights });
      }
      if (said.kind === "usage") ({ totals } = said);
      if (said.kind === "finish") ({ finish } = said);
      return "";
    },
    end() {
      const usage =
        to.usage && totals !== null ? dataEvent({ ...base, choices: [], usage: usageOf(totals) }) : "";
      return `${chunk({}, FINISHES[finish])}${usage}data: [DONE]\n\n`;
    },
  };
}

function usageOf({ input, cachedInput, cacheWrite, output, reasoning }: Totals): Json {
  return {
    ...{ prompt_tokens: input, completion_tokens: output, total_tokens: input + output },
    prompt_tokens_details: given({
      cached_tokens: cachedInput,
      cache_write_tokens: cacheWrite > 0 ? cacheWrite : undefined,
    }),
    completion_tokens_details: { reasoning_tokens: reasoning },
  };
}

/** A token's weight in OpenAI's form. */
export function weightOf({ top, ...token }: TokenChoice): Json {
  return { ...plain(token), top_logprobs: top.map(plain) };
}

function plain({ token, logprob, bytes }: TokenWeight): { readonly [name: string]: Json } {
  return { token, logprob, bytes: bytes ?? [...Buffer.from(token, "utf8")] };
}
