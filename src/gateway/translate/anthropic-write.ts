import type { Json, JsonObject } from "../../kernel/index.ts";
import type { Ask, Part, Source, Thinking, Tool, ToolChoice, Turn } from "./ask.ts";
import { given, isObject, type Losses, MalformedError } from "./fields.ts";
import { hoisted, Wanted, type WriteFor } from "./wanted.ts";

/** Writes a request of Anthropic's messages. */
export function writeAnthropic(ask: Ask, to: WriteFor, losses: Losses): JsonObject {
  const wanted = new Wanted(ask.options, losses);
  const { system, turns } = hoisted(ask, losses);
  const thinking = thinkingOf(ask, wanted);
  const shown = wanted.take("thoughtsShown") === true;
  const format = wanted.take("format");
  if (format?.kind === "json") wanted.lose("format");
  if (format?.kind === "schema" && format.strict === false) wanted.bend("format");
  const output = given({
    effort: thinking?.kind === "effort" ? effortOf(thinking.effort) : undefined,
    format: format?.kind === "schema" ? { type: "json_schema", schema: format.schema } : undefined,
  });
  const tier = wanted.take("serviceTier");
  if (tier !== undefined && tier !== "default") wanted.lose("serviceTier");
  const user = wanted.take("user");
  const temperature = wanted.take("temperature");
  if (temperature !== undefined && temperature > 1) wanted.bend("temperature");
  wanted.bend("cacheKey");
  const body = given({
    ...{ model: to.model, max_tokens: wanted.take("outputMax") ?? to.outputMax },
    system: system.length === 0 ? undefined : system.flatMap((part) => blockOf(part, losses)),
    messages: turns.map((turn) => messageOf(turn, losses)),
    stream: to.stream ? true : undefined,
    tools: ask.tools.length === 0 ? undefined : ask.tools.map(toolOf),
    tool_choice: choiceOf(wanted.take("toolChoice"), wanted.take("parallelCalls"), ask.tools.length > 0),
    temperature: temperature === undefined ? undefined : Math.min(temperature, 1),
    top_p: wanted.take("topP"),
    top_k: wanted.take("topK"),
    stop_sequences: wanted.take("stop"),
    thinking: thinking === undefined ? undefined : written(thinking, shown),
    output_config: Object.keys(output).length === 0 ? undefined : output,
    metadata: user === undefined ? undefined : { user_id: user },
    service_tier: tier === "default" ? "standard_only" : undefined,
  });
  wanted.end();
  return body;
}

/**
 * Thinking by a number of tokens wants the thoughts of a turn whose calls are being answered; where they are
 * not there any more, this call is made without it.
 */
function thinkingOf(ask: Ask, wanted: Wanted): Thinking | undefined {
  const thinking = wanted.take("thinking");
  if (thinking?.kind !== "tokens") return thinking;
  const last = ask.turns.findLast(({ role }) => role === "assistant");
  const has = (kind: Part["kind"]): boolean => (last?.parts ?? []).some((part) => part.kind === kind);
  if (!has("call") || has("thinking")) return thinking;
  wanted.bend("thinking");
  return undefined;
}

function effortOf(effort: string): string {
  return effort === "minimal" ? "low" : effort;
}

function written(thinking: Thinking, shown: boolean): Json {
  if (thinking.kind === "off") return { type: "disabled" };
  const display = shown ? "summarized" : "omitted";
  if (thinking.kind === "tokens") return { type: "enabled", budget_tokens: thinking.tokens, display };
  return { type: "adaptive", display };
}

function toolOf({ name, description, schema, strict, cache }: Tool): Json {
  return given({
    ...{ name, description, input_schema: schema },
    strict: strict?.value === true ? true : undefined,
    cache_control: cache?.value,
  });
}

function choiceOf(
  choice: ToolChoice | undefined,
  parallel: boolean | undefined,
  hasTools: boolean,
): Json | undefined {
  if (choice === undefined && (parallel !== false || !hasTools)) return undefined;
  const apart = parallel === undefined ? {} : { disable_parallel_tool_use: !parallel };
  if (choice?.kind === "named") return { type: "tool", name: choice.name, ...apart };
  if (choice?.kind === "none") return { type: "none" };
  return { type: choice?.kind === "required" ? "any" : "auto", ...apart };
}

function messageOf(turn: Turn, losses: Losses): JsonObject {
  // What tools answered comes first: this is where the provider looks for it.
  const results = turn.parts.filter(({ kind }) => kind === "result");
  const rest = turn.parts.filter(({ kind }) => kind !== "result");
  const [only] = rest;
  const role = turn.role === "assistant" ? "assistant" : "user";
  if (turn.parts.length === 1 && only?.kind === "text" && only.cache === undefined) {
    return { role, content: only.text };
  }
  return { role, content: [...results, ...rest].flatMap((part) => blockOf(part, losses)) };
}

function blockOf(part: Part, losses: Losses): Json[] {
  const cached = (block: JsonObject): Json[] => [
    part.cache === undefined ? block : { ...block, cache_control: part.cache },
  ];
  if (part.kind === "text") return cached({ type: "text", text: part.text });
  if (part.kind === "refusal") {
    losses.bend(part.at);
    return cached({ type: "text", text: part.text });
  }
  if (part.kind === "image") {
    if (part.detail !== undefined) losses.bend(`${part.at}.detail`);
    return cached({ type: "image", source: sourceOf(part.source) });
  }
  if (part.kind === "file") {
    return cached(given({ type: "document", source: sourceOf(part.source), title: part.name }));
  }
  if (part.kind === "call") {
    const input = inputOf(part.arguments, part.at);
    return cached({ type: "tool_use", id: idOf(part.id), name: part.name, input });
  }
  if (part.kind === "result") {
    const [only] = part.parts;
    const plain = part.parts.length === 1 && only?.kind === "text" && only.cache === undefined;
    const content = plain ? only.text : part.parts.flatMap((each) => blockOf(each, losses));
    const failed = part.isError ? { is_error: true } : {};
    return cached({ type: "tool_result", tool_use_id: idOf(part.id), content, ...failed });
  }
  if (part.kind === "thinking" && part.sealed !== null) {
    const { form, data } = part.sealed;
    return form === "redacted"
      ? [{ type: "redacted_thinking", data }]
      : [{ type: "thinking", thinking: part.text, signature: data }];
  }
  if (part.kind === "thinking") losses.stripped += 1;
  else losses.lose(part.at);
  return [];
}

/** Other providers' ids may have characters that Anthropic's must not. */
function idOf(id: string): string {
  return id.replaceAll(/[^\w-]/g, "_");
}

/** The arguments of an earlier call as the object that they must be here. */
export function inputOf(text: string, at: string): JsonObject {
  try {
    const parsed: unknown = JSON.parse(text === "" ? "{}" : text);
    if (isObject(parsed)) return parsed;
  } catch {
    // Said below.
  }
  throw new MalformedError(`${at}.arguments`, "a JSON object");
}

function sourceOf(source: Source): JsonObject {
  if (source.kind === "url") return { type: "url", url: source.url };
  const { mediaType, base64 } = source;
  if (mediaType === "text/plain") {
    const data = Buffer.from(base64, "base64").toString("utf8");
    return { type: "text", media_type: mediaType, data };
  }
  return { type: "base64", media_type: mediaType, data: base64 };
}
