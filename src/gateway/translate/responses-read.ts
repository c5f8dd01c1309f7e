import type { JsonObject } from "../../kernel/index.ts";
import type { Ask, Format, Given, Options, Part, Tool, ToolChoice, Turn } from "./ask.ts";
import { functionTool, merged, optionsOf, placed, schemaFormat, serviceTier } from "./chat-read.ts";
import { Fields, isObject, type Losses, MalformedError } from "./fields.ts";
import { dataSourceOf, sourceOf } from "./sources.ts";

const ENCRYPTED = "reasoning.encrypted_content";
const WEIGHTS = "message.output_text.logprobs";

/** Reads a request of OpenAI's responses, the stateless part of them. */
export function readResponses(body: JsonObject, losses: Losses): Ask {
  const fields = new Fields(body, "", losses);
  for (const name of ["model", "stream", "store"]) fields.take(name);
  fields.ignore("background", false);
  fields.ignore("truncation", "disabled");
  const instructions = fields.text("instructions");
  const tools = fields.inners("tools").flatMap((each) => responsesTool(each));
  const options = responsesOptions(fields, losses);
  const input = fields.take("input");
  if (input === undefined) throw new MalformedError("input", "given");
  const turns =
    typeof input === "string"
      ? [turn("user", [{ kind: "text", text: input, at: "input" }], "input")]
      : fields.nested("input", input).flatMap(readItem);
  fields.end();
  const first =
    instructions === undefined
      ? []
      : [turn("system", [{ kind: "text", text: instructions, at: "instructions" }], "instructions")];
  return { turns: merged([...first, ...together(turns)]), tools, options };
}

function turn(role: Turn["role"], parts: readonly Part[], at: string): Turn {
  return { role, parts, at };
}

/** Items of one answer stand apart here: a thought, a text and calls are one turn of the assistant. */
function together(turns: readonly Turn[]): readonly Turn[] {
  const found: Turn[] = [];
  for (const each of turns) {
    const last = found.at(-1);
    if (last?.role === "assistant" && each.role === "assistant") {
      found[found.length - 1] = { ...last, parts: [...last.parts, ...each.parts] };
    } else found.push(each);
  }
  return found;
}

function responsesOptions(fields: Fields, losses: Losses): Options {
  const number = (name: string): Given<number> | undefined => placed(fields.number(name), fields.path(name));
  const text = (name: string): Given<string> | undefined => placed(fields.text(name), fields.path(name));
  const include = fields.texts("include") ?? [];
  for (const each of include) if (each !== ENCRYPTED && each !== WEIGHTS) losses.lose(`include.${each}`);
  const top = number("top_logprobs");
  const weights = include.includes(WEIGHTS) ? { value: 0, at: "include" } : undefined;
  const reasoning = fields.inner("reasoning");
  const effort = reasoning?.text("effort");
  const summary = reasoning?.text("summary");
  reasoning?.end();
  const wanted = fields.inner("text");
  const verbosity = placed(wanted?.text("verbosity"), "text.verbosity");
  const format = placed(responsesFormat(wanted?.inner("format")), "text.format");
  wanted?.end();
  return optionsOf({
    ...{ verbosity, format, logprobs: top ?? weights },
    toolChoice: placed(toolChoice(fields, losses), "tool_choice"),
    parallelCalls: placed(fields.flag("parallel_tool_calls"), "parallel_tool_calls"),
    outputMax: number("max_output_tokens"),
    temperature: number("temperature"),
    topP: number("top_p"),
    thinking:
      effort === undefined
        ? undefined
        : {
            value: effort === "none" ? { kind: "off" } : { kind: "effort", effort },
            at: "reasoning.effort",
          },
    thoughtsShown: summary === undefined ? undefined : { value: true, at: "reasoning.summary" },
    user: text("safety_identifier") ?? text("user"),
    serviceTier: serviceTier(text("service_tier")),
    cacheKey: text("prompt_cache_key"),
  });
}

function responsesTool(fields: Fields): Tool[] {
  if (fields.text("type") !== "function") {
    fields.loseAll();
    return [];
  }
  const tool = functionTool(fields, fields.object("parameters"));
  fields.end();
  return [tool];
}

function toolChoice(fields: Fields, losses: Losses): ToolChoice | undefined {
  const value = fields.take("tool_choice");
  if (value === undefined) return undefined;
  if (value === "auto" || value === "none" || value === "required") return { kind: value };
  if (isObject(value) && value["type"] === "function" && typeof value["name"] === "string") {
    return { kind: "named", name: value["name"] };
  }
  losses.lose("tool_choice");
  return undefined;
}

function responsesFormat(fields: Fields | undefined): Format | undefined {
  const type = fields?.text("type");
  if (fields === undefined || type === "text") return undefined;
  if (type === "json_object") return { kind: "json" };
  if (type !== "json_schema") {
    throw new MalformedError("text.format.type", "text, json_object or json_schema");
  }
  return schemaFormat(fields);
}

function readItem(fields: Fields): Turn[] {
  const { at } = fields;
  const type = fields.text("type") ?? "message";
  // Names that the provider gave items of earlier answers; nothing is found by them here.
  fields.take("id");
  fields.take("status");
  const found = itemOf(type, fields);
  if (found === null) {
    fields.loseAll();
    return [];
  }
  fields.end();
  return [{ ...found, at }];
}

function itemOf(type: string, fields: Fields): Turn | null {
  const { at } = fields;
  if (type === "message") return message(fields);
  if (type === "function_call") {
    const id = fields.theText("call_id");
    const name = fields.theText("name");
    return turn("assistant", [{ kind: "call", id, name, arguments: fields.text("arguments") ?? "", at }], at);
  }
  if (type === "function_call_output") {
    const id = fields.theText("call_id");
    const parts = contents(fields, "output");
    return turn("user", [{ kind: "result", id, parts, isError: false, at }], at);
  }
  return type === "reasoning" ? thought(fields) : null;
}

function thought(fields: Fields): Turn {
  const { at } = fields;
  const sealed = fields.text("encrypted_content");
  const texts = [...fields.inners("summary"), ...fields.inners("content")].map((each) => {
    each.take("type");
    const text = each.text("text") ?? "";
    each.end();
    return text;
  });
  const seal = sealed === undefined ? null : { form: "signature" as const, data: sealed };
  return turn("assistant", [{ kind: "thinking", text: texts.join("\n\n"), sealed: seal, at }], at);
}

function message(fields: Fields): Turn {
  const { at } = fields;
  const role = fields.theText("role");
  const parts = contents(fields, "content");
  if (role === "user" || role === "assistant") return turn(role, parts, at);
  if (role === "system" || role === "developer") return turn("system", parts, at);
  throw new MalformedError(fields.path("role"), "user, assistant, system or developer");
}

function contents(fields: Fields, name: string): readonly Part[] {
  const value = fields.take(name);
  if (value === undefined || value === "") return [];
  if (typeof value === "string") return [{ kind: "text", text: value, at: fields.path(name) }];
  return fields.nested(name, value).flatMap((each) => {
    const part = content(each);
    if (part === null) each.loseAll();
    each.end();
    return part ?? [];
  });
}

function content(fields: Fields): Part | null {
  const { at } = fields;
  const type = fields.theText("type");
  if (type === "input_text" || type === "output_text") {
    // An answer handed back has them; no protocol takes them as input.
    for (const name of ["annotations", "logprobs"]) fields.take(name);
    return { kind: "text", text: fields.theText("text"), at };
  }
  if (type === "refusal") return { kind: "refusal", text: fields.theText("refusal"), at };
  if (type === "input_image" && fields.has("image_url")) {
    const source = sourceOf(fields.theText("image_url"));
    const detail = fields.text("detail");
    return { kind: "image", source, at, ...(detail !== undefined && detail !== "auto" && { detail }) };
  }
  if (type === "input_audio") {
    const audio = fields.inner("input_audio");
    if (audio === undefined) throw new MalformedError(fields.path("input_audio"), "an object");
    const base64 = audio.theText("data");
    const format = audio.theText("format");
    audio.end();
    return { kind: "audio", base64, format, at };
  }
  if (type === "input_file" && (fields.has("file_data") || fields.has("file_url"))) {
    const data = fields.text("file_data");
    const source =
      data === undefined ? sourceOf(fields.theText("file_url")) : dataSourceOf(data, "application/pdf");
    const name = fields.text("filename");
    return { kind: "file", source, at, ...(name !== undefined && { name }) };
  }
  return null;
}
