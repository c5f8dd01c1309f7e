import type { Json, JsonObject } from "../../kernel/index.ts";
import type { Ask, Format, Given, Options, Part, Sealed, Thinking, Tool, ToolChoice, Turn } from "./ask.ts";
import { optionsOf, placed } from "./chat-read.ts";
import { Fields, type Losses, MalformedError } from "./fields.ts";
import { lowerTypes } from "./google-schema.ts";

/** Reads a request of Google's generateContent. */
export function readGoogle(body: JsonObject, losses: Losses): Ask {
  const fields = new Fields(body, "", losses);
  fields.take("model");
  const system = fields.inner("systemInstruction") ?? fields.inner("system_instruction");
  const config = fields.inner("generationConfig") ?? fields.inner("generation_config");
  const tools = fields.inners("tools").flatMap(readTools);
  const choice = fields.inner("toolConfig")?.inner("functionCallingConfig");
  const options = readOptions(config, choice === undefined ? undefined : readChoice(choice, losses));
  const ids = new CallIds();
  const turns = fields.inners("contents").map((each) => readTurn(each, ids));
  if (turns.length === 0) throw new MalformedError("contents", "a list of contents");
  fields.end();
  const first: readonly Turn[] =
    system === undefined ? [] : [{ role: "system", parts: readParts(system, ids), at: "systemInstruction" }];
  return { turns: [...first, ...turns], tools, options };
}

/** Google's calls often have no ids: they are numbered, and answers are matched by name in their order. */
class CallIds {
  #count = 0;
  readonly #open = new Map<string, string[]>();

  called(name: string, id: string | undefined): string {
    this.#count += 1;
    const given = id ?? `call_${this.#count}`;
    this.#open.set(name, [...(this.#open.get(name) ?? []), given]);
    return given;
  }

  answered(name: string, id: string | undefined): string {
    const open = this.#open.get(name) ?? [];
    const found = id ?? open[0] ?? `call_${name}`;
    this.#open.set(
      name,
      open.filter((each) => each !== found),
    );
    return found;
  }
}

function readOptions(config: Fields | undefined, toolChoice: Given<ToolChoice> | undefined): Options {
  if (config === undefined) return optionsOf({ toolChoice });
  const number = (name: string): Given<number> | undefined => placed(config.number(name), config.path(name));
  config.ignore("candidateCount", 1);
  const thinkingConfig = config.inner("thinkingConfig");
  const thinking = thinkingConfig === undefined ? undefined : readThinking(thinkingConfig);
  const shown = placed(
    thinkingConfig?.flag("includeThoughts"),
    "generationConfig.thinkingConfig.includeThoughts",
  );
  thinkingConfig?.end();
  const weights = config.flag("responseLogprobs");
  const top = config.number("logprobs");
  const options = optionsOf({
    ...{ toolChoice, thinking, thoughtsShown: shown?.value === true ? shown : undefined },
    outputMax: number("maxOutputTokens"),
    temperature: number("temperature"),
    topP: number("topP"),
    topK: number("topK"),
    stop: placed(config.texts("stopSequences"), config.path("stopSequences")),
    seed: number("seed"),
    frequencyPenalty: number("frequencyPenalty"),
    presencePenalty: number("presencePenalty"),
    logprobs: weights === true ? { value: top ?? 0, at: config.path("responseLogprobs") } : undefined,
    format: placed(readFormat(config), config.path("responseSchema")),
  });
  config.end();
  return options;
}

function readThinking(fields: Fields): Given<Thinking> | undefined {
  const budget = fields.number("thinkingBudget");
  const level = fields.text("thinkingLevel");
  if (level !== undefined) {
    return { value: { kind: "effort", effort: level.toLowerCase() }, at: fields.path("thinkingLevel") };
  }
  // -1 lets the model decide, as it does where nothing is said.
  if (budget === undefined || budget < 0) return undefined;
  const value: Thinking = budget === 0 ? { kind: "off" } : { kind: "tokens", tokens: budget };
  return { value, at: fields.path("thinkingBudget") };
}

function readFormat(config: Fields): Format | undefined {
  const type = config.text("responseMimeType");
  const plain = config.object("responseJsonSchema");
  const google = config.object("responseSchema");
  const schema = plain ?? (google === undefined ? undefined : lowerTypes(google));
  if (type === undefined || type === "text/plain") return undefined;
  if (type !== "application/json") {
    throw new MalformedError(config.path("responseMimeType"), "text/plain or application/json");
  }
  return schema === undefined ? { kind: "json" } : { kind: "schema", name: "answer", schema, strict: true };
}

function readTools(fields: Fields): Tool[] {
  const tools = fields.inners("functionDeclarations").map((each): Tool => {
    const description = each.text("description");
    const plain = each.object("parametersJsonSchema");
    const google = each.object("parameters");
    const schema = plain ?? (google === undefined ? undefined : lowerTypes(google));
    const name = each.theText("name");
    each.end();
    return {
      ...{ name, schema: schema ?? { type: "object", properties: {} } },
      ...(description !== undefined && { description }),
    };
  });
  fields.end();
  return tools;
}

function readChoice(fields: Fields, losses: Losses): Given<ToolChoice> | undefined {
  const mode = fields.theText("mode").toUpperCase();
  const names = fields.texts("allowedFunctionNames") ?? [];
  fields.end();
  const at = "toolConfig";
  const [only] = names;
  if (mode === "ANY" && names.length === 1 && only !== undefined) {
    return { value: { kind: "named", name: only }, at };
  }
  if (names.length > 0) losses.lose(fields.path("allowedFunctionNames"));
  if (mode === "ANY") return { value: { kind: "required" }, at };
  return { value: { kind: mode === "NONE" ? "none" : "auto" }, at };
}

function readTurn(fields: Fields, ids: CallIds): Turn {
  const role = fields.text("role") ?? "user";
  if (role !== "user" && role !== "model" && role !== "function") {
    throw new MalformedError(fields.path("role"), "user or model");
  }
  return { role: role === "model" ? "assistant" : "user", parts: readParts(fields, ids), at: fields.at };
}

function readParts(fields: Fields, ids: CallIds): readonly Part[] {
  const parts = fields.inners("parts").flatMap((each) => {
    const signature = each.text("thoughtSignature");
    const sealed: Sealed | null = signature === undefined ? null : { form: "signature", data: signature };
    const part = readPart(each, ids, sealed);
    if (part === null) each.loseAll();
    each.end();
    if (part === null) return [];
    if (sealed === null || part.kind === "thinking") return [part];
    // A seal on a call or a text is a thought without words before it.
    return [{ kind: "thinking" as const, text: "", sealed, at: each.at }, part];
  });
  fields.take("role");
  fields.end();
  return parts;
}

function readPart(fields: Fields, ids: CallIds, sealed: Sealed | null): Part | null {
  const { at } = fields;
  const thought = fields.flag("thought") === true;
  const text = fields.text("text");
  if (text !== undefined)
    return thought ? { kind: "thinking", text, sealed, at } : { kind: "text", text, at };
  const call = fields.inner("functionCall");
  if (call !== undefined) {
    const name = call.theText("name");
    const id = ids.called(name, call.text("id"));
    const input: Json = call.object("args") ?? {};
    call.end();
    return { kind: "call", id, name, arguments: JSON.stringify(input), at };
  }
  const answer = fields.inner("functionResponse");
  if (answer !== undefined) {
    const name = answer.theText("name");
    const id = ids.answered(name, answer.text("id"));
    const { said, isError } = answerOf(answer.object("response") ?? {});
    answer.end();
    const parts: readonly Part[] = said === "" ? [] : [{ kind: "text", text: said, at }];
    return { kind: "result", id, parts, isError, at };
  }
  const inline = fields.inner("inlineData");
  const linked = inline === undefined ? fields.inner("fileData") : undefined;
  const medium = inline ?? linked;
  if (medium === undefined) return null;
  const mediaType = medium.text("mimeType") ?? "application/octet-stream";
  if (linked !== undefined) {
    const url = linked.theText("fileUri");
    linked.end();
    return mediumPart(at, mediaType, { kind: "url", url, mediaType });
  }
  const base64 = medium.theText("data");
  medium.end();
  return mediumPart(at, mediaType, { kind: "data", mediaType, base64 });
}

function mediumPart(at: string, mediaType: string, source: Extract<Part, { kind: "file" }>["source"]): Part {
  if (mediaType.startsWith("image/")) return { kind: "image", source, at };
  if (mediaType.startsWith("audio/") && source.kind === "data") {
    return { kind: "audio", base64: source.base64, format: mediaType.slice("audio/".length), at };
  }
  return { kind: "file", source, at };
}

/** What a tool said: as text where it is one, else the object as JSON. */
function answerOf(response: JsonObject): { readonly said: string; readonly isError: boolean } {
  const names = Object.keys(response);
  const [name] = names;
  const only = names.length === 1 && name !== undefined ? response[name] : undefined;
  if (typeof only === "string" && (name === "output" || name === "error")) {
    return { said: only, isError: name === "error" };
  }
  return { said: JSON.stringify(response), isError: false };
}
