import { randomBytes } from "node:crypto";
import type { CallToolResult } from "@modelcontextprotocol/server";
import { z } from "zod";
import type { Begun, Committed, Watcher } from "../agents/index.ts";
import { FactotumError, InputError, type Json, type JsonObject, messageOf, toJson } from "../kernel/index.ts";
import type { Factotum } from "./factotum.ts";
import { plainText } from "./http-body.ts";
import { checkArguments } from "./mcp-arguments.ts";
import { type Menu, unwrap, type WayName } from "./mcp-tools.ts";

/** What a call is made with: the project, the agent it is for, and who calls. */
export type McpCaller = {
  readonly factotum: Factotum;
  readonly agent: string;
  readonly menu: Menu;
  /** As the client calls itself. */
  readonly client: string;
  /** Hears how long a commit has been waiting, and says when the client has gone. */
  readonly watcher: Watcher;
  readonly say: (line: string) => void;
};

const SECRET_BYTES = 12;
const HANDLE_CHARS_MAX = 120;
const KEY_CHARS_MAX = 200;
const REASONS_MAX = 20;
const REASON_CHARS_MAX = 1_000;
/** A tool's error may quote all that it was given. */
const SENTENCE_CHARS_MAX = 4_000;

const handle = plainText.min(1).max(HANDLE_CHARS_MAX);
const reason = plainText.max(REASON_CHARS_MAX);
const INPUTS = {
  begin: z
    .strictObject({
      work: z.json().optional(),
      key: plainText.min(1).max(KEY_CHARS_MAX).optional(),
      again: handle.optional(),
    })
    .refine(
      ({ work, again }) => (work === undefined) !== (again === undefined),
      "give either `work` or `again`",
    )
    .refine(({ key, again }) => key === undefined || again === undefined, "`key` goes with `work` only"),
  status: z.strictObject({ attempt: handle }),
  diff: z.strictObject({ attempt: handle }),
  commit: z.strictObject({
    attempt: handle,
    unsure: z.array(reason).max(REASONS_MAX).default([]),
    ask: z.boolean().default(false),
  }),
  discard: z.strictObject({ attempt: handle, because: reason.default("its client discarded it") }),
} as const satisfies { readonly [name in WayName]: z.ZodType };

/** Makes a call. What goes wrong becomes a result that says so; only a tool there is not is no call. */
export async function callMcp(caller: McpCaller, name: string, given: JsonObject): Promise<CallToolResult> {
  try {
    checkArguments(name, given);
    const route = caller.menu.routes.get(name);
    if (route === undefined) return result(await dispatch(caller, name as WayName, given));
    const { attempt } = parse(name, z.looseObject({ attempt: handle }), given);
    const { outside } = caller.factotum;
    const { output, told } = await outside.call(attempt, route.tool.name, unwrap(route, given));
    return result(output, told);
  } catch (error) {
    if (!(error instanceof FactotumError)) caller.say(`mcp ${name}: ${messageOf(error)}`);
    return { content: [{ type: "text", text: sentence(error) }], isError: true };
  }
}

/** Whether there is such a tool. */
export function hasTool(menu: Menu, name: string): boolean {
  return Object.hasOwn(INPUTS, name) || menu.routes.has(name);
}

async function dispatch(caller: McpCaller, name: WayName, given: JsonObject): Promise<Json> {
  const { outside } = caller.factotum;
  switch (name) {
    case "begin": {
      const { work, key, again } = parse(name, INPUTS.begin, given);
      if (again !== undefined) return begun(await outside.beginAgain(again));
      const { agent, client } = caller;
      const secret = randomBytes(SECRET_BYTES).toString("hex");
      const order = { agent, client, secret, input: work as Json, ...(key !== undefined && { key }) };
      return begun(await outside.begin(order));
    }
    case "status":
      return standing(await outside.status(parse(name, INPUTS.status, given).attempt));
    case "diff":
      return toJson(brief(await outside.diff(parse(name, INPUTS.diff, given).attempt)));
    case "commit": {
      const { attempt, unsure, ask } = parse(name, INPUTS.commit, given);
      return standing(await outside.commit(attempt, unsure, ask, caller.watcher));
    }
    case "discard": {
      const { attempt, because } = parse(name, INPUTS.discard, given);
      return standing(await outside.discard(attempt, because));
    }
  }
}

function begun(one: Begun): Json {
  return toJson({ ...brief(one), next: "call tools with this `attempt`, then diff, then commit" });
}

/** A standing with the sentence of what to do next. */
function standing(one: Begun | Committed): Json {
  return toJson({ ...brief(one), next: NEXT[one.kind] });
}

/** Without saying that nobody has said anything. */
function brief(one: object): object {
  const { told, ...rest } = one as { readonly told?: readonly string[] };
  return told?.length === 0 ? rest : one;
}

const SAID = "Said meanwhile by the people you work for, and not part of the answer; heed it:";

const NEXT: Readonly<Record<Committed["kind"], string>> = {
  open: "go on: call tools, then diff, then commit",
  committed: "it is done; factotum show and blame tell of it, factotum undo takes it back",
  refused:
    "nothing was committed; mend what the findings name and commit again, or commit with ask, or discard",
  verifying:
    "nothing is committed yet: verifiers are being asked, by a worker; call commit again to learn the result",
  asked: "nothing is committed yet: a person decides with factotum inbox; ask status later",
  "thrown-away": 'nothing was committed; begin with {"again": attempt} and do the work again',
  discarded: "nothing was committed; the work is over",
  expired: "nothing was committed; the work is over, begin anew if it is still wanted",
  undone: "what was committed was taken back by a person",
  failed: "the run failed; a person must look at it with factotum show",
};

/**
 * Structured content where the answer is an object; the text says the same to clients without it. What people
 * said meanwhile comes in a text of its own, so that a tool's answer stays what it is.
 */
function result(value: Json, told: readonly string[] = []): CallToolResult {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const said = told.length === 0 ? [] : [{ type: "text" as const, text: [SAID, ...told].join("\n- ") }];
  const content: CallToolResult["content"] = [{ type: "text", text }, ...said];
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? { content, structuredContent: value } : { content };
}

function parse<T>(name: string, schema: z.ZodType<T>, given: unknown): T {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new InputError({
    code: "tool-input",
    message: `${name} refused its input: ${z.prettifyError(parsed.error).replaceAll(/\s+/g, " ")}`,
  });
}

function sentence(error: unknown): string {
  const text = error instanceof FactotumError ? error.message : `the tool failed: ${messageOf(error)}`;
  return text.length <= SENTENCE_CHARS_MAX ? text : `${text.slice(0, SENTENCE_CHARS_MAX)}…`;
}
