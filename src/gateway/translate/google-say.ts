import type { Json, JsonObject } from "../../kernel/index.ts";
import { inputOf } from "./anthropic-write.ts";
import type { Finish, Said, SaidPart, TokenChoice, Totals, WholeSaid } from "./ask.ts";
import { given } from "./fields.ts";
import { Fold } from "./fold.ts";
import { dataEvent, type SayFor, type Saying } from "./saying.ts";

const REASONS: Readonly<Record<Finish, string>> = {
  ...{ stop: "STOP", "stop-sequence": "STOP", length: "MAX_TOKENS", calls: "STOP" },
  ...{ filtered: "SAFETY", refused: "STOP", other: "OTHER" },
};

/** Writes a whole reply. @throws {MalformedError} for arguments that are no object, which it cannot hold */
export function sayGoogle(whole: WholeSaid, to: SayFor): JsonObject {
  const parts = partsOf(whole.parts);
  const weights = whole.parts.flatMap((part) => part.weights);
  return replyOf(parts, weights, whole, to, REASONS[whole.finish]);
}

/** Writes a stream of replies. A call is one event, once its arguments are there: Google has no pieces. */
export function sayingGoogle(to: SayFor): Saying {
  const fold = new Fold();
  /** A thought's seal goes with the part after it. */
  let seal: string | null = null;
  const event = (part: JsonObject, weights: readonly TokenChoice[] = []): string => {
    const sealed = seal === null ? part : { ...part, thoughtSignature: seal };
    seal = null;
    return dataEvent(replyOf([sealed], weights, fold.whole(), to));
  };
  return {
    say(said: Said) {
      fold.add(said);
      const { last } = fold;
      if (said.kind === "more" && last !== undefined && last.part.kind !== "call") {
        const thought = last.part.kind === "thinking" ? { thought: true } : {};
        return event({ text: said.text, ...thought }, said.weights);
      }
      if (said.kind === "seal") seal = said.sealed.data;
      if (said.kind === "close" && last?.part.kind === "call") return event(callOf(last.part, last.text));
      return "";
    },
    end() {
      const whole = fold.whole();
      const parts = seal === null ? [] : [{ text: "", thoughtSignature: seal }];
      return dataEvent(replyOf(parts, [], whole, to, REASONS[whole.finish]));
    },
  };
}

function partsOf(parts: readonly SaidPart[]): JsonObject[] {
  const written: JsonObject[] = [];
  let seal: string | null = null;
  for (const { part, text, sealed } of parts) {
    if (part.kind === "thinking") {
      if (text !== "") written.push({ text, thought: true });
      seal = sealed?.data ?? null;
    } else {
      const inner = part.kind === "call" ? callOf(part, text) : { text };
      written.push(seal === null ? inner : { ...inner, thoughtSignature: seal });
      seal = null;
    }
  }
  return seal === null ? written : [...written, { text: "", thoughtSignature: seal }];
}

function callOf(part: { readonly id: string; readonly name: string }, text: string): JsonObject {
  return { functionCall: { id: part.id, name: part.name, args: inputOf(text, part.name) } };
}

function replyOf(
  parts: readonly JsonObject[],
  weights: readonly TokenChoice[],
  whole: WholeSaid,
  to: SayFor,
  reason?: string,
): JsonObject {
  return given({
    candidates: [
      given({
        ...{ index: 0, content: { role: "model", parts }, finishReason: reason },
        logprobsResult: weights.length === 0 ? undefined : weightsOf(weights),
      }),
    ],
    usageMetadata: whole.totals === null ? undefined : usageOf(whole.totals),
    ...{ modelVersion: whole.model || to.model, responseId: whole.id || to.id },
  });
}

function usageOf({ input, cachedInput, output, reasoning }: Totals): Json {
  return {
    ...{ promptTokenCount: input, cachedContentTokenCount: cachedInput },
    ...{ candidatesTokenCount: output - reasoning, thoughtsTokenCount: reasoning },
    totalTokenCount: input + output,
  };
}

function weightsOf(weights: readonly TokenChoice[]): Json {
  const plain = ({ token, logprob }: { readonly token: string; readonly logprob: number }): Json => ({
    ...{ token, logProbability: logprob },
  });
  return {
    chosenCandidates: weights.map(plain),
    topCandidates: weights.map(({ top }) => ({ candidates: top.map(plain) })),
  };
}
