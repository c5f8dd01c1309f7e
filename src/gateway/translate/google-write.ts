import type { Json, JsonObject } from "../../kernel/index.ts";
import type { Ask, Part, Source, Thinking, ToolChoice, Turn } from "./ask.ts";
import { inputOf } from "./anthropic-write.ts";
import { given, type Losses, MalformedError } from "./fields.ts";
import { bendCaching, hoisted, textsOf, Wanted, type WriteFor } from "./wanted.ts";

/** What Google takes for the seal of a call that came from elsewhere. */
const NO_SIGNATURE = "skip_thought_signature_validator";
const EFFORTS: ReadonlySet<string> = new Set(["minimal", "low", "medium", "high"]);
/** Google wants a type with an address, which elsewhere has none. */
const TYPES: Readonly<Record<string, string>> = {
  ...{ jpg: "image/jpeg", jpeg: "image/jpeg", png: "image/png", webp: "image/webp", gif: "image/gif" },
  ...{ pdf: "application/pdf", txt: "text/plain" },
};

/** Writes a request of Google's generateContent. Whether it streams is said by its address. */
export function writeGoogle(ask: Ask, to: WriteFor, losses: Losses): JsonObject {
  const wanted = new Wanted(ask.options, losses);
  bendCaching(ask, losses);
  const { system, turns } = hoisted(ask, losses);
  const names = namesOf(turns);
  const config = configOf(wanted, losses);
  wanted.bend("cacheKey");
  const chosen = wanted.take("toolChoice");
  // A model that must call a tool has little reason to call two.
  if (chosen?.kind === "named" || chosen?.kind === "required") wanted.bend("parallelCalls");
  else if (wanted.take("parallelCalls") === false) wanted.lose("parallelCalls");
  const choice = choiceOf(chosen);
  wanted.end();
  const declared = ask.tools.map(({ name, description, schema, strict }) => {
    if (strict?.value === true) losses.bend(strict.at);
    return given({ name, description, parametersJsonSchema: schema });
  });
  return given({
    systemInstruction:
      system.length === 0 ? undefined : { parts: textsOf(system, losses).map((text): Json => ({ text })) },
    contents: turns.map((turn): Json =>
      contentOf(turn, { names, losses, signed: to.model.startsWith("gemini-3") }),
    ),
    tools: declared.length === 0 ? undefined : [{ functionDeclarations: declared }],
    toolConfig: choice === undefined ? undefined : { functionCallingConfig: choice },
    generationConfig: Object.keys(config).length === 0 ? undefined : config,
  });
}

function configOf(wanted: Wanted, losses: Losses): JsonObject {
  const weights = wanted.take("logprobs");
  const format = wanted.take("format");
  const thinking = wanted.take("thinking");
  const shown = wanted.take("thoughtsShown");
  if (thinking?.kind === "effort" && !EFFORTS.has(thinking.effort)) wanted.bend("thinking");
  if (format?.kind === "schema" && format.strict === false) losses.bend("response_format.strict");
  const thinkingConfig = given({ ...thinkingOf(thinking), includeThoughts: shown });
  return given({
    maxOutputTokens: wanted.take("outputMax"),
    temperature: wanted.take("temperature"),
    topP: wanted.take("topP"),
    topK: wanted.take("topK"),
    stopSequences: wanted.take("stop"),
    seed: wanted.take("seed"),
    frequencyPenalty: wanted.take("frequencyPenalty"),
    presencePenalty: wanted.take("presencePenalty"),
    responseLogprobs: weights === undefined ? undefined : true,
    logprobs: weights === undefined || weights === 0 ? undefined : weights,
    responseMimeType: format === undefined ? undefined : "application/json",
    responseJsonSchema: format?.kind === "schema" ? format.schema : undefined,
    thinkingConfig: Object.keys(thinkingConfig).length === 0 ? undefined : thinkingConfig,
  });
}

function thinkingOf(thinking: Thinking | undefined): { readonly [name: string]: Json } {
  if (thinking === undefined) return {};
  if (thinking.kind === "off") return { thinkingBudget: 0 };
  if (thinking.kind === "tokens") return { thinkingBudget: thinking.tokens };
  return { thinkingLevel: EFFORTS.has(thinking.effort) ? thinking.effort : "high" };
}

function choiceOf(choice: ToolChoice | undefined): Json | undefined {
  if (choice === undefined) return undefined;
  if (choice.kind === "named") return { mode: "ANY", allowedFunctionNames: [choice.name] };
  return { mode: { auto: "AUTO", none: "NONE", required: "ANY" }[choice.kind] };
}

/** Google finds an answer's call by its name. */
function namesOf(turns: readonly Turn[]): ReadonlyMap<string, string> {
  const calls = turns.flatMap(({ parts }) => parts.filter((part) => part.kind === "call"));
  return new Map(calls.map(({ id, name }) => [id, name]));
}

type Writing = {
  readonly names: ReadonlyMap<string, string>;
  readonly losses: Losses;
  /** Whether the model refuses calls without a seal. */
  readonly signed: boolean;
};

function contentOf(turn: Turn, writing: Writing): JsonObject {
  const parts: Json[] = [];
  let seal: string | null = null;
  let calls = 0;
  for (const part of turn.parts) {
    if (part.kind === "thinking") {
      if (part.sealed === null) writing.losses.stripped += 1;
      else seal = part.sealed.data;
      continue;
    }
    if (part.kind === "call") calls += 1;
    // Of parallel calls only the first one is sealed.
    const missing = writing.signed && part.kind === "call" && calls === 1 ? NO_SIGNATURE : undefined;
    for (const written of partOf(part, writing)) {
      parts.push(given({ ...written, thoughtSignature: seal ?? missing }));
      seal = null;
    }
  }
  return { role: turn.role === "assistant" ? "model" : "user", parts };
}

function partOf(part: Exclude<Part, { kind: "thinking" }>, { names, losses }: Writing): JsonObject[] {
  if (part.kind === "text") return [{ text: part.text }];
  if (part.kind === "refusal") {
    losses.bend(part.at);
    return [{ text: part.text }];
  }
  if (part.kind === "call") {
    const { id, name, at } = part;
    return [{ functionCall: { id, name, args: inputOf(part.arguments, at) } }];
  }
  if (part.kind === "result") {
    const name = names.get(part.id);
    if (name === undefined) throw new MalformedError(part.at, "the answer to a call that stands before it");
    const text = textsOf(part.parts, losses).join("\n");
    return [
      { functionResponse: { id: part.id, name, response: { [part.isError ? "error" : "output"]: text } } },
    ];
  }
  if (part.kind === "audio") {
    return [{ inlineData: { mimeType: `audio/${part.format}`, data: part.base64 } }];
  }
  if (part.kind === "image" && part.detail !== undefined) losses.bend(`${part.at}.detail`);
  return mediumOf(part.source, part.at, losses);
}

function mediumOf(source: Source, at: string, losses: Losses): JsonObject[] {
  if (source.kind === "data") {
    return [{ inlineData: { mimeType: source.mediaType, data: source.base64 } }];
  }
  const ending = /\.(\w{3,4})(?:[?#]|$)/.exec(source.url)?.[1]?.toLowerCase() ?? "";
  const mimeType = source.mediaType ?? TYPES[ending];
  if (mimeType !== undefined) return [{ fileData: { mimeType, fileUri: source.url } }];
  losses.lose(at);
  return [];
}
