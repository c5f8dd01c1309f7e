import type { Json, JsonObject } from "../../kernel/index.ts";
import { inputOf } from "./anthropic-write.ts";
import type { Ask, Format, Part, Source, Tool, ToolChoice, Turn } from "./ask.ts";
import { given, type Losses } from "./fields.ts";
import { bendCaching, hoisted, textsOf, Wanted, type WriteFor } from "./wanted.ts";

const IMAGES: Readonly<Record<string, string>> = {
  ...{ "image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp" },
};
const DOCUMENTS: Readonly<Record<string, string>> = {
  ...{ "application/pdf": "pdf", "text/plain": "txt", "text/csv": "csv", "text/html": "html" },
  ...{ "text/markdown": "md" },
};
const ID_CHARS_MAX = 64;

/** Writes a request of Bedrock's Converse. Its model, and whether it streams, are said by its address. */
export function writeConverse(ask: Ask, to: WriteFor, losses: Losses): JsonObject {
  const wanted = new Wanted(ask.options, losses);
  bendCaching(ask, losses);
  const { system, turns } = hoisted(ask, losses);
  // How much to think is each model's own to name; none at all is what they do unasked.
  if (wanted.take("thinking")?.kind !== "off") wanted.lose("thinking");
  wanted.bend("thoughtsShown");
  wanted.bend("cacheKey");
  const tier = wanted.take("serviceTier");
  if (tier !== undefined && tier !== "default") wanted.lose("serviceTier");
  if (wanted.take("parallelCalls") === false) wanted.lose("parallelCalls");
  const chosen = wanted.take("toolChoice");
  if (chosen?.kind === "none") wanted.lose("toolChoice");
  const format = wanted.take("format");
  if (format?.kind === "json") wanted.lose("format");
  const body = given({
    system: system.length === 0 ? undefined : textsOf(system, losses).map((text): Json => ({ text })),
    messages: joined(turns).map((turn): Json => messageOf(turn, losses)),
    inferenceConfig: given({
      maxTokens: wanted.take("outputMax") ?? to.outputMax,
      temperature: wanted.take("temperature"),
      topP: wanted.take("topP"),
      stopSequences: wanted.take("stop"),
    }),
    toolConfig:
      ask.tools.length === 0
        ? undefined
        : given({ tools: ask.tools.map(toolOf), toolChoice: choiceOf(chosen) }),
    outputConfig: format?.kind === "schema" ? { textFormat: formatOf(format) } : undefined,
  });
  wanted.end();
  return body;
}

/** Roles take turns there: what one says in several messages is one. */
function joined(turns: readonly Turn[]): readonly Turn[] {
  const found: Turn[] = [];
  for (const turn of turns) {
    const last = found.at(-1);
    if (last?.role !== turn.role) found.push(turn);
    else found[found.length - 1] = { ...last, parts: [...last.parts, ...turn.parts] };
  }
  return found;
}

function toolOf({ name, description, schema, strict }: Tool): Json {
  const flag = strict?.value === true ? true : undefined;
  return { toolSpec: given({ name, description, inputSchema: { json: schema }, strict: flag }) };
}

function choiceOf(choice: ToolChoice | undefined): Json | undefined {
  if (choice?.kind === "named") return { tool: { name: choice.name } };
  if (choice?.kind === "required") return { any: {} };
  return choice?.kind === "auto" ? { auto: {} } : undefined;
}

function formatOf({ name, description, schema }: Extract<Format, { kind: "schema" }>): Json {
  const jsonSchema = given({ name, description, schema: JSON.stringify(schema) });
  return { type: "json_schema", structure: { jsonSchema } };
}

function messageOf(turn: Turn, losses: Losses): JsonObject {
  // What tools answered comes first, as it does in messages.
  const results = turn.parts.filter(({ kind }) => kind === "result");
  const rest = turn.parts.filter(({ kind }) => kind !== "result");
  const content = [...results, ...rest].flatMap((part, index) => blockOf(part, index, losses));
  return { role: turn.role === "assistant" ? "assistant" : "user", content };
}

function blockOf(part: Part, index: number, losses: Losses): Json[] {
  if (part.kind === "text") return [{ text: part.text }];
  if (part.kind === "refusal") {
    losses.bend(part.at);
    return [{ text: part.text }];
  }
  if (part.kind === "call") {
    const { id, name, at } = part;
    return [{ toolUse: { toolUseId: idOf(id), name, input: inputOf(part.arguments, at) } }];
  }
  if (part.kind === "result") {
    const content = part.parts.flatMap((each, inner) => blockOf(each, inner, losses));
    const status = part.isError ? "error" : undefined;
    return [{ toolResult: given({ toolUseId: idOf(part.id), content, status }) }];
  }
  if (part.kind === "image") {
    if (part.detail !== undefined) losses.bend(`${part.at}.detail`);
    const found = contained(part.source, IMAGES);
    if (found !== null) return [{ image: found }];
  }
  if (part.kind === "file") {
    const found = contained(part.source, DOCUMENTS);
    // A name may have few characters, and no two documents the same.
    const name = `${part.name?.replaceAll(/[^\w ()[\]-]|_/g, "-") ?? "file"} ${index + 1}`;
    if (found !== null) return [{ document: { ...found, name } }];
  }
  if (part.kind !== "thinking") losses.lose(part.at);
  else if (part.sealed === null) losses.stripped += 1;
  else {
    const { form, data } = part.sealed;
    const open = { reasoningText: { text: part.text, signature: data } };
    return [{ reasoningContent: form === "redacted" ? { redactedContent: data } : open }];
  }
  return [];
}

/** What is contained, if it is of a known kind; nothing is fetched there. */
function contained(source: Source, formats: Readonly<Record<string, string>>): JsonObject | null {
  if (source.kind === "url") return null;
  const format = formats[source.mediaType];
  return format === undefined ? null : { format, source: { bytes: source.base64 } };
}

function idOf(id: string): string {
  return id.replaceAll(/[^\w-]/g, "_").slice(0, ID_CHARS_MAX);
}
