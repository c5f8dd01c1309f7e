import type { Json, JsonObject } from "../../kernel/index.ts";
import type { Ask, Format, Part, Thinking, Tool, ToolChoice, Turn } from "./ask.ts";
import { given, type Losses } from "./fields.ts";
import { urlOf } from "./sources.ts";
import { bendCaching, effortOf, textsOf, Wanted, type WriteFor } from "./wanted.ts";

/** Writes a request of OpenAI's chat completions. */
export function writeChat(ask: Ask, to: WriteFor, losses: Losses): JsonObject {
  const wanted = new Wanted(ask.options, losses);
  bendCaching(ask, losses);
  const outputMax = wanted.take("outputMax");
  const weights = wanted.take("logprobs");
  const thinking = wanted.take("thinking");
  if (thinking?.kind === "tokens") wanted.bend("thinking");
  wanted.bend("thoughtsShown");
  const user = wanted.take("user");
  const body = given({
    model: to.model,
    messages: ask.turns.flatMap((turn) => messagesOf(turn, losses)),
    ...(to.stream && { stream: true, stream_options: { include_usage: true } }),
    tools: ask.tools.length === 0 ? undefined : ask.tools.map(toolOf),
    tool_choice: choiceOf(wanted.take("toolChoice")),
    parallel_tool_calls: wanted.take("parallelCalls"),
    ...(to.compatible ? { max_tokens: outputMax } : { max_completion_tokens: outputMax }),
    temperature: wanted.take("temperature"),
    top_p: wanted.take("topP"),
    stop: wanted.take("stop"),
    seed: wanted.take("seed"),
    frequency_penalty: wanted.take("frequencyPenalty"),
    presence_penalty: wanted.take("presencePenalty"),
    logprobs: weights === undefined ? undefined : true,
    top_logprobs: weights === undefined || weights === 0 ? undefined : weights,
    response_format: formatOf(wanted.take("format")),
    reasoning_effort: effort(thinking),
    ...(to.compatible ? { user, top_k: wanted.take("topK") } : { safety_identifier: user }),
    verbosity: wanted.take("verbosity"),
    service_tier: wanted.take("serviceTier"),
    prompt_cache_key: wanted.take("cacheKey"),
  });
  wanted.end();
  return body;
}

/** How OpenAI's protocols say how much to think. */
export function effort(thinking: Thinking | undefined): string | undefined {
  if (thinking === undefined) return undefined;
  if (thinking.kind === "off") return "none";
  return thinking.kind === "effort" ? thinking.effort : effortOf(thinking.tokens);
}

function toolOf({ name, description, schema, strict }: Tool): Json {
  const declared = given({ name, description, parameters: schema, strict: strict?.value });
  return { type: "function", function: declared };
}

function choiceOf(choice: ToolChoice | undefined): Json | undefined {
  if (choice?.kind === "named") return { type: "function", function: { name: choice.name } };
  return choice?.kind;
}

function formatOf(format: Format | undefined): Json | undefined {
  if (format === undefined) return undefined;
  if (format.kind === "json") return { type: "json_object" };
  const { name, description, schema, strict } = format;
  return { type: "json_schema", json_schema: given({ name, description, schema, strict }) };
}

/** A turn is one message, but what tools answered stands apart, before what the user says. */
function messagesOf(turn: Turn, losses: Losses): JsonObject[] {
  if (turn.role === "assistant") return [assistant(turn, losses)];
  const results = turn.parts.flatMap((part) => (part.kind === "result" ? [resultOf(part, losses)] : []));
  const rest = turn.parts.filter(({ kind }) => kind !== "result");
  if (results.length > 0 && rest.length === 0) return results;
  const content = turn.role === "system" ? texts(rest, losses) : contentOf(rest, losses);
  return [...results, { role: turn.role, content }];
}

function resultOf(part: Extract<Part, { kind: "result" }>, losses: Losses): JsonObject {
  // There is no word for a failure; its text says it.
  if (part.isError) losses.bend(`${part.at}.is_error`);
  return { role: "tool", tool_call_id: part.id, content: texts(part.parts, losses) };
}

function texts(parts: readonly Part[], losses: Losses): Json {
  const found = textsOf(parts, losses);
  return found.length === 1 ? (found[0] ?? "") : found.map((text) => ({ type: "text", text }));
}

function assistant(turn: Turn, losses: Losses): JsonObject {
  const said: string[] = [];
  const calls: Json[] = [];
  let refusal: string | undefined;
  for (const part of turn.parts) {
    if (part.kind === "text") said.push(part.text);
    else if (part.kind === "refusal") refusal = part.text;
    else if (part.kind === "thinking") losses.stripped += 1;
    else if (part.kind === "call") {
      const { id, name } = part;
      calls.push({ id, type: "function", function: { name, arguments: part.arguments } });
    } else losses.lose(part.at);
  }
  const content = said.length > 1 ? said.map((text) => ({ type: "text", text })) : (said[0] ?? null);
  return given({
    ...{ role: "assistant", content, refusal },
    tool_calls: calls.length === 0 ? undefined : calls,
  });
}

function contentOf(parts: readonly Part[], losses: Losses): Json {
  const [only] = parts;
  if (parts.length === 1 && only?.kind === "text") return only.text;
  return parts.flatMap((part) => partOf(part, losses));
}

function partOf(part: Part, losses: Losses): Json[] {
  if (part.kind === "text") return [{ type: "text", text: part.text }];
  if (part.kind === "image") {
    return [{ type: "image_url", image_url: given({ url: urlOf(part.source), detail: part.detail }) }];
  }
  if (part.kind === "audio") {
    return [{ type: "input_audio", input_audio: { data: part.base64, format: part.format } }];
  }
  if (part.kind === "file" && part.source.kind === "data") {
    const file = given({ filename: part.name ?? "file", file_data: urlOf(part.source) });
    return [{ type: "file", file }];
  }
  losses.lose(part.at);
  return [];
}
