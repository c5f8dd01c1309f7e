import type { Json, JsonObject } from "../../kernel/index.ts";
import type { Ask, Format, Part, Tool, ToolChoice, Turn } from "./ask.ts";
import { effort } from "./chat-write.ts";
import { given, type Losses } from "./fields.ts";
import { urlOf } from "./sources.ts";
import { bendCaching, Wanted, type WriteFor } from "./wanted.ts";

/** Writes a request of OpenAI's responses: nothing is to be stored, and thoughts come encrypted. */
export function writeResponses(ask: Ask, to: WriteFor, losses: Losses): JsonObject {
  const wanted = new Wanted(ask.options, losses);
  bendCaching(ask, losses);
  const weights = wanted.take("logprobs");
  const thinking = wanted.take("thinking");
  if (thinking?.kind === "tokens") wanted.bend("thinking");
  const reasoning = given({
    effort: effort(thinking),
    summary: wanted.take("thoughtsShown") === true ? "auto" : undefined,
  });
  const text = given({ format: formatOf(wanted.take("format")), verbosity: wanted.take("verbosity") });
  const thinks = Object.keys(reasoning).length > 0;
  const include = [
    ...(thinks && thinking?.kind !== "off" ? ["reasoning.encrypted_content"] : []),
    ...(weights === undefined ? [] : ["message.output_text.logprobs"]),
  ];
  const body = given({
    ...{ model: to.model, store: false },
    input: ask.turns.flatMap((turn) => itemsOf(turn, losses)),
    stream: to.stream ? true : undefined,
    tools: ask.tools.length === 0 ? undefined : ask.tools.map(toolOf),
    tool_choice: choiceOf(wanted.take("toolChoice")),
    parallel_tool_calls: wanted.take("parallelCalls"),
    max_output_tokens: wanted.take("outputMax"),
    temperature: wanted.take("temperature"),
    top_p: wanted.take("topP"),
    top_logprobs: weights === undefined || weights === 0 ? undefined : weights,
    include: include.length === 0 ? undefined : include,
    reasoning: thinks ? reasoning : undefined,
    text: Object.keys(text).length > 0 ? text : undefined,
    safety_identifier: wanted.take("user"),
    service_tier: wanted.take("serviceTier"),
    prompt_cache_key: wanted.take("cacheKey"),
  });
  wanted.end();
  return body;
}

function toolOf({ name, description, schema, strict }: Tool): Json {
  // Strict unless told otherwise is a default of responses alone.
  return given({ type: "function", name, description, parameters: schema, strict: strict?.value ?? false });
}

function choiceOf(choice: ToolChoice | undefined): Json | undefined {
  return choice?.kind === "named" ? { type: "function", name: choice.name } : choice?.kind;
}

function formatOf(format: Format | undefined): Json | undefined {
  if (format === undefined) return undefined;
  if (format.kind === "json") return { type: "json_object" };
  const { name, description, schema, strict } = format;
  return given({ type: "json_schema", name, description, schema, strict });
}

/** Items of a turn, in their order: parts that make one message stand together. */
function itemsOf(turn: Turn, losses: Losses): Json[] {
  const items: Json[] = [];
  let open: Json[] = [];
  const close = (): void => {
    if (open.length > 0) items.push({ type: "message", role: turn.role, content: open });
    open = [];
  };
  for (const part of turn.parts) {
    const item = itemOf(part, losses);
    if (item !== null) {
      close();
      items.push(item);
    } else if (part.kind !== "thinking") open.push(...contentOf(part, turn.role === "assistant", losses));
  }
  close();
  return items;
}

function itemOf(part: Part, losses: Losses): Json | null {
  if (part.kind === "call") {
    return { type: "function_call", call_id: part.id, name: part.name, arguments: part.arguments };
  }
  if (part.kind === "result") {
    if (part.isError) losses.bend(`${part.at}.is_error`);
    const [only] = part.parts;
    const plain = part.parts.length === 1 && only?.kind === "text" ? only.text : null;
    const output = plain ?? part.parts.flatMap((each) => contentOf(each, false, losses));
    return { type: "function_call_output", call_id: part.id, output };
  }
  if (part.kind !== "thinking") return null;
  if (part.sealed === null) {
    losses.stripped += 1;
    return null;
  }
  const summary = part.text === "" ? [] : [{ type: "summary_text", text: part.text }];
  return { type: "reasoning", summary, encrypted_content: part.sealed.data };
}

function contentOf(part: Part, said: boolean, losses: Losses): Json[] {
  if (part.kind === "text") return [{ type: said ? "output_text" : "input_text", text: part.text }];
  if (part.kind === "refusal" && said) return [{ type: "refusal", refusal: part.text }];
  if (part.kind === "image") {
    return [given({ type: "input_image", image_url: urlOf(part.source), detail: part.detail ?? "auto" })];
  }
  if (part.kind === "audio") {
    return [{ type: "input_audio", input_audio: { data: part.base64, format: part.format } }];
  }
  if (part.kind === "file") {
    const { source, name } = part;
    return [
      source.kind === "url"
        ? given({ type: "input_file", filename: name, file_url: source.url })
        : { type: "input_file", filename: name ?? "file", file_data: urlOf(source) },
    ];
  }
  losses.lose(part.at);
  return [];
}
