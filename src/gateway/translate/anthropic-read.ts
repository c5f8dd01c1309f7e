import type { Json, JsonObject } from "../../kernel/index.ts";
import type { Ask, Format, Given, Options, Part, Source, Thinking, Tool, ToolChoice, Turn } from "./ask.ts";
import { optionsOf, placed, serviceTier } from "./chat-read.ts";
import { Fields, isObject, type Losses, MalformedError } from "./fields.ts";

/** Reads a request of Anthropic's messages. */
export function readAnthropic(body: JsonObject, losses: Losses): Ask {
  const fields = new Fields(body, "", losses);
  for (const name of ["model", "stream"]) fields.take(name);
  const system = blocks(fields, "system");
  const tools = fields.inners("tools").flatMap((each) => readTool(each));
  const choice = fields.inner("tool_choice");
  const apart = choice?.flag("disable_parallel_tool_use");
  const options = readOptions(fields, losses, {
    toolChoice: placed(choice === undefined ? undefined : readChoice(choice), "tool_choice"),
    parallelCalls: placed(apart === undefined ? undefined : !apart, "tool_choice.disable_parallel_tool_use"),
  });
  const turns = fields.inners("messages").map(readTurn);
  if (turns.length === 0) throw new MalformedError("messages", "a list of messages");
  fields.end();
  const first: readonly Turn[] = system.length === 0 ? [] : [{ role: "system", parts: system, at: "system" }];
  return { turns: [...first, ...turns], tools, options };
}

type Choice = Pick<Options, never> & {
  readonly toolChoice: Given<ToolChoice> | undefined;
  readonly parallelCalls: Given<boolean> | undefined;
};

function readOptions(fields: Fields, losses: Losses, choice: Choice): Options {
  const number = (name: string): Given<number> | undefined => placed(fields.number(name), fields.path(name));
  const metadata = fields.inner("metadata");
  const user = placed(metadata?.text("user_id"), "metadata.user_id");
  metadata?.end();
  const output = fields.inner("output_config");
  const effort = output?.text("effort");
  const format = placed(readFormat(output?.inner("format")), "output_config.format");
  output?.end();
  if (fields.take("cache_control") !== undefined) losses.bend("cache_control");
  const { thinking, shown } = readThinking(fields.inner("thinking"), effort);
  const tier = placed(fields.text("service_tier"), "service_tier");
  return optionsOf({
    ...{ ...choice, user, format, thinking, thoughtsShown: shown },
    outputMax: { value: fields.theNumber("max_tokens"), at: "max_tokens" },
    temperature: number("temperature"),
    topP: number("top_p"),
    topK: number("top_k"),
    stop: placed(fields.texts("stop_sequences"), "stop_sequences"),
    serviceTier: serviceTier(tier?.value === "standard_only" ? { ...tier, value: "default" } : tier),
  });
}

function readThinking(
  fields: Fields | undefined,
  effort: string | undefined,
): { readonly thinking: Given<Thinking> | undefined; readonly shown: Given<boolean> | undefined } {
  const at = "thinking";
  const type = fields?.text("type");
  const budget = fields?.number("budget_tokens");
  const hidden = fields?.text("display") === "omitted";
  fields?.end();
  const stated: Given<Thinking> | undefined =
    effort === undefined
      ? undefined
      : {
          value: { kind: "effort", effort: effort === "max" ? "xhigh" : effort },
          at: "output_config.effort",
        };
  if (type === undefined) return { thinking: stated, shown: undefined };
  const shown = hidden || type === "disabled" ? undefined : { value: true, at };
  if (type === "disabled") return { thinking: { value: { kind: "off" }, at }, shown };
  if (type === "adaptive") {
    // Anthropic's own effort where none is stated.
    return { thinking: stated ?? { value: { kind: "effort", effort: "high" }, at }, shown };
  }
  if (type !== "enabled" || budget === undefined) {
    throw new MalformedError("thinking", "adaptive, disabled, or enabled with budget_tokens");
  }
  return { thinking: { value: { kind: "tokens", tokens: budget }, at: "thinking.budget_tokens" }, shown };
}

function readFormat(fields: Fields | undefined): Format | undefined {
  if (fields === undefined) return undefined;
  if (fields.text("type") !== "json_schema") throw new MalformedError(fields.path("type"), "json_schema");
  const schema = fields.object("schema") ?? {};
  fields.end();
  return { kind: "schema", name: "answer", schema, strict: true };
}

function readTool(fields: Fields): Tool[] {
  const type = fields.text("type");
  if (type !== undefined && type !== "custom") {
    fields.loseAll();
    return [];
  }
  const description = fields.text("description");
  const strict = placed(fields.flag("strict"), fields.path("strict"));
  const cache = placed(fields.take("cache_control"), fields.path("cache_control"));
  const tool: Tool = {
    name: fields.theText("name"),
    schema: fields.object("input_schema") ?? { type: "object", properties: {} },
    ...(description !== undefined && { description }),
    ...(strict !== undefined && { strict }),
    ...(cache !== undefined && { cache }),
  };
  fields.end();
  return [tool];
}

function readChoice(fields: Fields): ToolChoice {
  const type = fields.theText("type");
  const name = fields.text("name");
  fields.end();
  if (type === "auto" || type === "none") return { kind: type };
  if (type === "any") return { kind: "required" };
  if (type === "tool" && name !== undefined) return { kind: "named", name };
  throw new MalformedError("tool_choice", "auto, any, none, or tool with a name");
}

function readTurn(fields: Fields): Turn {
  const role = fields.theText("role");
  if (role !== "user" && role !== "assistant") {
    throw new MalformedError(fields.path("role"), "user or assistant");
  }
  const parts = blocks(fields, "content");
  fields.end();
  return { role, parts, at: fields.at };
}

function blocks(fields: Fields, name: string): readonly Part[] {
  const value = fields.take(name);
  if (value === undefined || value === "") return [];
  if (typeof value === "string") return [{ kind: "text", text: value, at: fields.path(name) }];
  return fields.nested(name, value).flatMap((each) => {
    const cache = each.take("cache_control");
    const part = block(each);
    if (part === null) each.loseAll();
    each.end();
    if (part === null) return [];
    return [cache === undefined ? part : { ...part, cache }];
  });
}

function block(fields: Fields): Part | null {
  const { at } = fields;
  const type = fields.theText("type");
  if (type === "text") {
    fields.ignore("citations", null);
    return { kind: "text", text: fields.theText("text"), at };
  }
  if (type === "image") {
    const source = readSource(fields.inner("source"));
    return source === null ? null : { kind: "image", source, at };
  }
  if (type === "document") {
    const source = readSource(fields.inner("source"));
    const name = fields.text("title");
    if (isObject(fields.take("citations"))) fields.loseAll();
    return source === null ? null : { kind: "file", source, at, ...(name !== undefined && { name }) };
  }
  if (type === "tool_use") {
    const id = fields.theText("id");
    const name = fields.theText("name");
    const input: Json = fields.object("input") ?? {};
    return { kind: "call", id, name, arguments: JSON.stringify(input), at };
  }
  if (type === "tool_result") {
    const id = fields.theText("tool_use_id");
    const isError = fields.flag("is_error") ?? false;
    return { kind: "result", id, parts: blocks(fields, "content"), isError, at };
  }
  if (type === "thinking") {
    const text = fields.text("thinking") ?? "";
    const data = fields.text("signature");
    const sealed = data === undefined ? null : { form: "signature" as const, data };
    return { kind: "thinking", text, sealed, at };
  }
  if (type === "redacted_thinking") {
    const sealed = { form: "redacted" as const, data: fields.theText("data") };
    return { kind: "thinking", text: "", sealed, at };
  }
  return null;
}

function readSource(fields: Fields | undefined): Source | null {
  if (fields === undefined) return null;
  const type = fields.text("type");
  if (type === "url") {
    const url = fields.theText("url");
    fields.end();
    return { kind: "url", url };
  }
  const mediaType = fields.text("media_type");
  if ((type !== "base64" && type !== "text") || mediaType === undefined) return null;
  const data = fields.theText("data");
  fields.end();
  return {
    ...{ kind: "data", mediaType },
    base64: type === "base64" ? data : Buffer.from(data, "utf8").toString("base64"),
  };
}
