import type { Json, JsonObject } from "../../kernel/index.ts";
import type { Ask, Format, Given, Options, Part, Tool, ToolChoice, Turn } from "./ask.ts";
import { Fields, isObject, type Losses, MalformedError } from "./fields.ts";
import { dataSourceOf, sourceOf } from "./sources.ts";

/** Reads a request of OpenAI's chat completions. */
export function readChat(body: JsonObject, losses: Losses): Ask {
  const fields = new Fields(body, "", losses);
  for (const name of ["model", "stream", "stream_options"]) fields.take(name);
  fields.ignore("n", 1);
  fields.ignore("store", false);
  const tools = fields.inners("tools").flatMap((each) => chatTool(each, losses));
  const options = chatOptions(fields, losses);
  const turns = fields.inners("messages").map((each) => chatTurn(each));
  if (turns.length === 0) throw new MalformedError("messages", "a list of messages");
  fields.end();
  return { turns: merged(turns), tools, options };
}

/** Wraps a value with its place, where it was given. */
export function placed<T>(value: T | undefined, at: string): Given<T> | undefined {
  return value === undefined ? undefined : { value, at };
}

/** Options without those that were not given. */
export function optionsOf(found: { readonly [name in keyof Options]: Options[name] | undefined }): Options {
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined)) as Options;
}

function chatOptions(fields: Fields, losses: Losses): Options {
  const number = (name: string): Given<number> | undefined => placed(fields.number(name), fields.path(name));
  const text = (name: string): Given<string> | undefined => placed(fields.text(name), fields.path(name));
  const newer = number("max_completion_tokens");
  const older = number("max_tokens");
  const stop = fields.take("stop");
  if (stop !== undefined && typeof stop !== "string" && !isTexts(stop)) {
    throw new MalformedError("stop", "a text or a list of texts");
  }
  const weights = fields.flag("logprobs");
  const top = fields.number("top_logprobs");
  const effort = fields.text("reasoning_effort");
  return optionsOf({
    toolChoice: placed(toolChoice(fields.take("tool_choice"), losses), "tool_choice"),
    parallelCalls: placed(fields.flag("parallel_tool_calls"), "parallel_tool_calls"),
    outputMax: newer ?? older,
    temperature: number("temperature"),
    topP: number("top_p"),
    topK: number("top_k"),
    stop: placed(typeof stop === "string" ? [stop] : stop, "stop"),
    seed: number("seed"),
    frequencyPenalty: number("frequency_penalty"),
    presencePenalty: number("presence_penalty"),
    logprobs: weights === true ? { value: top ?? 0, at: "logprobs" } : undefined,
    format: placed(chatFormat(fields.inner("response_format")), "response_format"),
    thinking:
      effort === undefined
        ? undefined
        : {
            value: effort === "none" ? { kind: "off" } : { kind: "effort", effort },
            at: "reasoning_effort",
          },
    verbosity: text("verbosity"),
    user: text("safety_identifier") ?? text("user"),
    serviceTier: serviceTier(text("service_tier")),
    cacheKey: text("prompt_cache_key"),
  });
}

/** A tier that says nothing is none. */
export function serviceTier(tier: Given<string> | undefined): Given<string> | undefined {
  return tier?.value === "auto" ? undefined : tier;
}

function isTexts(value: Json): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

function chatTool(fields: Fields, losses: Losses): Tool[] {
  if (fields.text("type") !== "function") {
    losses.lose(fields.at);
    return [];
  }
  const declared = fields.inner("function");
  fields.end();
  if (declared === undefined) throw new MalformedError(fields.path("function"), "an object");
  const tool = functionTool(declared, declared.object("parameters"));
  declared.end();
  return [tool];
}

/** A function as chat completions and responses declare it. */
export function functionTool(fields: Fields, schema: JsonObject | undefined): Tool {
  const strict = placed(fields.flag("strict"), fields.path("strict"));
  const description = fields.text("description");
  return {
    name: fields.theText("name"),
    schema: schema ?? { type: "object", properties: {} },
    ...(description !== undefined && { description }),
    ...(strict !== undefined && { strict }),
  };
}

function toolChoice(value: Json | undefined, losses: Losses): ToolChoice | undefined {
  if (value === undefined) return undefined;
  if (value === "auto" || value === "none" || value === "required") return { kind: value };
  const named = isObject(value) && isObject(value["function"]) ? value["function"]["name"] : undefined;
  if (typeof named === "string") return { kind: "named", name: named };
  losses.lose("tool_choice");
  return undefined;
}

function chatFormat(fields: Fields | undefined): Format | undefined {
  const type = fields?.text("type");
  if (fields === undefined || type === "text") return undefined;
  if (type === "json_object") return { kind: "json" };
  const schema = type === "json_schema" ? fields.inner("json_schema") : undefined;
  fields.end();
  if (schema === undefined)
    throw new MalformedError("response_format.type", "text, json_object or json_schema");
  return schemaFormat(schema);
}

/** A format by schema, as chat completions and responses state it. */
export function schemaFormat(fields: Fields): Format {
  const name = fields.theText("name");
  const description = fields.text("description");
  const strict = fields.flag("strict");
  const schema = fields.object("schema") ?? {};
  fields.end();
  return {
    ...{ kind: "schema" as const, name, schema },
    ...(description !== undefined && { description }),
    ...(strict !== undefined && { strict }),
  };
}

function chatTurn(fields: Fields): Turn {
  const role = fields.theText("role");
  const { at } = fields;
  if (role === "tool") {
    const parts = chatParts(fields, "content");
    const id = fields.theText("tool_call_id");
    fields.end();
    return { role: "user", at, parts: [{ kind: "result", id, parts, isError: false, at }] };
  }
  if (role === "assistant") return assistantTurn(fields);
  if (role !== "user" && role !== "system" && role !== "developer") {
    throw new MalformedError(fields.path("role"), "system, developer, user, assistant or tool");
  }
  const parts = chatParts(fields, "content");
  fields.end();
  return { role: role === "user" ? "user" : "system", parts, at };
}

function assistantTurn(fields: Fields): Turn {
  const { at } = fields;
  // What compatible engines call the thoughts of an answer.
  const thought = fields.text("reasoning_content");
  const refusal = fields.text("refusal");
  const said = chatParts(fields, "content");
  const calls = fields.inners("tool_calls").map((call): Part => {
    call.take("type");
    const called = call.inner("function");
    if (called === undefined) throw new MalformedError(call.path("function"), "an object");
    const id = call.theText("id");
    const name = called.theText("name");
    const part = { kind: "call" as const, id, name, arguments: called.text("arguments") ?? "", at: call.at };
    called.end();
    call.end();
    return part;
  });
  fields.end();
  return {
    role: "assistant",
    at,
    parts: [
      ...(thought === undefined ? [] : [thoughtPart(thought, fields.path("reasoning_content"))]),
      ...said,
      ...(refusal === undefined ? [] : [{ kind: "refusal" as const, text: refusal, at }]),
      ...calls,
    ],
  };
}

function thoughtPart(text: string, at: string): Part {
  return { kind: "thinking", text, sealed: null, at };
}

function chatParts(fields: Fields, name: string): readonly Part[] {
  const value = fields.take(name);
  if (value === undefined || value === "") return [];
  if (typeof value === "string") return [{ kind: "text", text: value, at: fields.path(name) }];
  return fields.nested(name, value).flatMap((each) => {
    const part = chatPart(each);
    each.end();
    return part;
  });
}

function chatPart(fields: Fields): Part[] {
  const { at } = fields;
  const type = fields.theText("type");
  if (type === "text") return [{ kind: "text", text: fields.theText("text"), at }];
  if (type === "refusal") return [{ kind: "refusal", text: fields.theText("refusal"), at }];
  const inner = fields.inner(type);
  if (type === "image_url" && inner !== undefined) {
    const source = sourceOf(inner.theText("url"));
    const detail = inner.text("detail");
    inner.end();
    return [{ kind: "image", source, at, ...(detail !== undefined && detail !== "auto" && { detail }) }];
  }
  if (type === "input_audio" && inner !== undefined) {
    const base64 = inner.theText("data");
    const format = inner.theText("format");
    inner.end();
    return [{ kind: "audio", base64, format, at }];
  }
  if (type === "file" && inner?.has("file_data") === true) {
    const source = dataSourceOf(inner.theText("file_data"), "application/pdf");
    const name = inner.text("filename");
    inner.end();
    return [{ kind: "file", source, at, ...(name !== undefined && { name }) }];
  }
  fields.loseAll();
  return [];
}

/** Results of parallel calls as one turn: they are apart in chat completions, and together elsewhere. */
export function merged(turns: readonly Turn[]): readonly Turn[] {
  const found: Turn[] = [];
  const isResults = (turn: Turn | undefined): turn is Turn =>
    turn !== undefined && turn.parts.length > 0 && turn.parts.every(({ kind }) => kind === "result");
  for (const turn of turns) {
    const last = found.at(-1);
    if (isResults(last) && isResults(turn)) {
      found[found.length - 1] = { ...last, parts: [...last.parts, ...turn.parts] };
    } else found.push(turn);
  }
  return found;
}
