import { plainlyServed, type Served } from "../calls/index.ts";
import { plainTiers } from "../models/index.ts";
import { elementsOf, type Field, namesOf, scanObject, valueOf } from "./scan.ts";

/** Fields of a request that change what it is charged for. */
export const CHARGED_FIELDS = [
  ...["service_tier", "speed", "inference_geo", "modalities", "audio", "tools", "max_tool_calls"],
  ...["web_search_options", "mcp_servers"],
] as const;

/** What a request can name, or hold packed, so that its tokens are not bounded by its bytes. */
const UNBOUNDED = ['url"', 'file_id"', 'file_data"', 'base64"', '"bytes"'].map((name) => Buffer.from(name));
const BACKSLASH = 0x5c;
const ESCAPE = Buffer.from("\\u00");
const LONG_WRITES = Buffer.from('"ttl"');
const SOUND = Buffer.from('input_audio"');
/** Tools that are run by whoever names them, without what tells their versions. */
const CALLERS_TOOLS: ReadonlySet<string> = new Set([
  ...["function", "custom", "bash", "text_editor", "computer", "computer_use", "memory"],
  ...["local_shell", "apply_patch"],
]);
const VERSION = /(?:_preview)?(?:_\d{8}|_\d{4}_\d{2}_\d{2})?$/;
/** The chat protocol asks for a search by a field, makes one for each call, and does not count it. */
export const CHAT_SEARCH = "web_search";
const FAMILIES = ["tool_search", "mcp"];
const TOOL_FIELDS = namesOf("type", "max_uses");

type Find = (name: string) => Field | undefined;

/** Letters, digits and underlines written as escapes, which nobody needs: they may hide a name. */
function hidesNames(body: Buffer): boolean {
  for (let at = body.indexOf(ESCAPE); at >= 0; at = body.indexOf(ESCAPE, at + 1)) {
    let slashes = 0;
    while (body[at - 1 - slashes] === BACKSLASH) slashes += 1;
    const code = Number.parseInt(body.toString("latin1", at + 4, at + 6), 16);
    if (slashes % 2 === 0 && /\w/.test(String.fromCharCode(code))) return true;
  }
  return false;
}

/** Whether only a model's context bounds what a request has it read. */
export function isUnbounded(body: Buffer, served: Served): boolean {
  return served.uses.size > 0 || UNBOUNDED.some((name) => body.includes(name));
}

/** How a request asks to be served, as far as it is charged for by itself. */
export function servedOf(body: Buffer, field: Find): Served {
  const longWrites = body.includes(LONG_WRITES);
  const audio = body.includes(SOUND) || asksForSound(body, field);
  const uses = usesOf(body, field);
  const stated = valueOf(body, field("service_tier")) ?? null;
  const named = stated === null || typeof stated === "string" ? stated : "of no known name";
  const tier = named === null || plainTiers.has(named) ? null : named;
  const premium = premiumOf(body, field);
  const plain = !longWrites && !audio && uses.size === 0 && tier === null && premium === null;
  return plain ? plainlyServed : { tier, longWrites, audio, uses, premium };
}

function asksForSound(body: Buffer, field: Find): boolean {
  if (field("audio") !== undefined) return true;
  const modalities = valueOf(body, field("modalities"));
  return Array.isArray(modalities) && modalities.includes("audio");
}

function premiumOf(body: Buffer, field: Find): string | null {
  const speed = valueOf(body, field("speed")) ?? null;
  if (speed !== null && speed !== "standard") return `speed ${JSON.stringify(speed)}`;
  if (hidesNames(body)) return "letters written as escapes, which hide what is asked for";
  const place = valueOf(body, field("inference_geo")) ?? null;
  return place === null || place === "global" ? null : `inference_geo ${JSON.stringify(place)}`;
}

/** How often each tool may run that is not the caller's own. */
function usesOf(body: Buffer, field: Find): Served["uses"] {
  const uses = new Map<string, number | null>();
  const mostOfAll = countOf(valueOf(body, field("max_tool_calls")));
  const tools = field("tools");
  const servers = valueOf(body, field("mcp_servers"));
  if (Array.isArray(servers) && servers.length > 0) uses.set("mcp", null);
  if (isGiven(body, field("web_search_options"))) uses.set(CHAT_SEARCH, 1);
  if (tools === undefined) return uses;
  for (const tool of elementsOf(body, tools)) {
    const scan = scanObject(tool, TOOL_FIELDS);
    const of = (name: string): unknown =>
      scan.kind === "object" ? valueOf(tool, scan.fields.get(name)) : undefined;
    const type = scan.kind === "object" ? (of("type") ?? "function") : null;
    const name = typeof type === "string" ? plainName(type) : "of no known type";
    if (CALLERS_TOOLS.has(name)) continue;
    const most = countOf(of("max_uses")) ?? mostOfAll;
    const before = uses.get(name) ?? 0;
    uses.set(name, most === null || uses.get(name) === null ? null : before + most);
  }
  return uses;
}

function isGiven(body: Buffer, found: Field | undefined): boolean {
  return (valueOf(body, found) ?? null) !== null;
}

/** What a tool is called without its version, and by whichever of its ways. */
function plainName(type: string): string {
  const name = type.replace(VERSION, "");
  return FAMILIES.find((family) => name.startsWith(`${family}_`)) ?? name;
}

function countOf(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : null;
}
