import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  type Agent,
  type AgentSchedule,
  type StartFor,
  type TableChange,
  type Trigger,
} from "../agents/index.ts";
import { FactotumError, InputError, type Json, messageOf, systemClock } from "../kernel/index.ts";
import { readSecret, verifySignature } from "../outbox/index.ts";
import type { Database, Transaction } from "../postgres/index.ts";
import {
  declareSchedules,
  type EventStart,
  type RunOrder,
  type Schedule,
  startRun,
  unwatchTables,
  watchTables,
} from "../runs/index.ts";
import type { Config } from "./config.ts";
import { HttpError } from "./http-errors.ts";

type Of<Kind extends Trigger["kind"]> = { readonly agent: Agent; readonly trigger: Trigger & { kind: Kind } };

const NAME = /^[a-z][a-z0-9-]{0,40}$/;
/** `POST /hooks/answer` is the chat tools'. */
const ANSWERS = "answer";

/** What the agents of a project declare of one kind. */
function triggersOf<Kind extends Trigger["kind"]>({ agents }: Config, kind: Kind): readonly Of<Kind>[] {
  return agents.flatMap((agent) =>
    (agent.triggers ?? [])
      .filter((trigger): trigger is Trigger & { kind: Kind } => trigger.kind === kind)
      .map((trigger) => ({ agent, trigger })),
  );
}

/**
 * @throws {InputError} `start-invalid` for a name that is taken, or that a key cannot hold, `channel-invalid`
 * for a secret of another form
 */
export function checkStarts({ agents }: Config): void {
  const triggers = agents.flatMap((agent) => (agent.triggers ?? []).map((one) => one.name));
  const lists = [triggers, ...agents.map((agent) => (agent.schedules ?? []).map((one) => one.name))];
  for (const names of lists) {
    const bad = names.find((name, at) => !NAME.test(name) || names.indexOf(name) !== at);
    if (bad === undefined) continue;
    throw new InputError({
      code: "start-invalid",
      message: `a schedule or trigger is named ${JSON.stringify(bad)}: give each its own lower-case words`,
    });
  }
  for (const agent of agents) {
    for (const one of agent.schedules ?? []) checkParts("schedule", one, SCHEDULE_PARTS);
    for (const one of agent.triggers ?? []) checkTrigger(one);
  }
}

/** Every part of a schedule; the compiler misses one that is forgotten here. */
const SCHEDULE_PARTS: { readonly [part in keyof Required<AgentSchedule>]: true } = {
  ...{ name: true, cron: true, zone: true, calendar: true, missed: true, input: true, deadlineMs: true },
  ...{ tenant: true, priority: true },
};
const WHOSE = { tenant: true, priority: true };
const TRIGGER_PARTS: { readonly [kind in Trigger["kind"]]: object } = {
  webhook: { kind: true, name: true, secrets: true, input: true, ...WHOSE },
  table: { kind: true, name: true, table: true, on: true, when: true, input: true, ...WHOSE },
  folder: { kind: true, name: true, path: true, settleMs: true, input: true, ...WHOSE },
};

function checkTrigger(one: Trigger): void {
  const parts = TRIGGER_PARTS[one.kind] as object | undefined;
  if (parts === undefined) throw unfit("trigger", one, "it is no webhook, table or folder");
  checkParts("trigger", one, parts);
  if (one.kind === "webhook") checkHook(one);
  if (one.kind !== "table") return;
  const strange = one.on.find((what) => !["insert", "update", "delete"].includes(what));
  if (one.on.length === 0 || strange !== undefined) {
    throw unfit("trigger", one, `it is on ${strange ?? "nothing"}; there are insert, update and delete`);
  }
}

/** A configuration is run without a type check, and a part that nobody reads would be left out unsaid. */
function checkParts(what: string, one: { readonly name: string }, parts: object): void {
  const strange = Object.keys(one).find((part) => !(part in parts));
  if (strange === undefined) return;
  throw unfit(what, one, `it has ${strange}, which is none of ${Object.keys(parts).join(", ")}`);
}

function unfit(what: string, { name }: { readonly name: string }, because: string): InputError {
  return new InputError({ code: "start-invalid", message: `${what} ${name} cannot be: ${because}` });
}

function checkHook({ name, secrets }: Trigger & { kind: "webhook" }): void {
  secrets.forEach(readSecret);
  if (secrets.length > 0 && name !== ANSWERS) return;
  const because =
    name === ANSWERS
      ? "its address is where chat tools answer"
      : "without a secret anybody could start its runs";
  throw unfit("webhook", { name }, because);
}

/** An order of an agent, its input checked. @throws {InputError} `input-invalid` */
function orderOf(agent: Agent, input: Json, { tenant, priority }: StartFor): Omit<RunOrder, "key"> {
  const parsed = agent.input.safeParse(input);
  const whose = { ...(tenant !== undefined && { tenant }), ...(priority !== undefined && { priority }) };
  if (parsed.success) return { agent: agent.name, agentVersion: agent.version, input, ...whose };
  const because = parsed.error.issues.map((one) => `${one.path.join(".")}: ${one.message}`).join("; ");
  throw new InputError({
    code: "input-invalid",
    message: `agent ${agent.name} cannot read this input: ${because}`,
  });
}

/** The schedules of a project, as the overseer fires them. */
export function schedulesOf({ agents }: Config): readonly Schedule[] {
  return agents.flatMap((agent) => (agent.schedules ?? []).map((one) => scheduleOf(agent, one)));
}

function scheduleOf(agent: Agent, one: AgentSchedule): Schedule {
  const { name, cron, zone, calendar, missed, deadlineMs } = one;
  return {
    ...{ agent: agent.name, name, cron, zone },
    ...(calendar !== undefined && { calendar }),
    ...(missed !== undefined && { missed }),
    order: (at) => ({
      ...orderOf(agent, one.input(at), one),
      ...(deadlineMs !== undefined && { deadline: new Date(at.getTime() + deadlineMs) }),
    }),
  };
}

/** What changes of watched tables start. */
export function eventStartsOf(config: Config): readonly EventStart[] {
  return triggersOf(config, "table").map(({ agent, trigger }) => ({
    trigger: trigger.name,
    order: ({ relation: table, operation, former, present, at }) => {
      const change = { table, operation, former, present, at } as TableChange;
      const input = trigger.input(change);
      return input === undefined ? undefined : orderOf(agent, input, trigger);
    },
  }));
}

/** Writes down schedules and watched tables as the configuration has them now. */
export async function declareStarts(tx: Transaction, config: Config): Promise<void> {
  await declareSchedules(tx, schedulesOf(config));
  const watched = triggersOf(config, "table").map(({ trigger: { name, table, on, when } }) => ({
    ...{ trigger: name, table, on },
    ...(when !== undefined && { when }),
  }));
  if (watched.length > 0) await watchTables(tx, watched);
  else await unwatchTables(tx);
}

const ID_CHARS_MAX = 200;

/** What a webhook came with. */
export type HookRequest = {
  readonly headers: { get(name: string): string | null | undefined };
  readonly text: string;
};

/**
 * Starts the run of a webhook; the same delivery again gets the same run.
 *
 * @throws {HttpError} `hook-unknown`, `hook-refused` with what is wrong, `json-broken`, `hook-unreadable`
 */
export async function takeHook(
  config: Config,
  db: Database,
  name: string,
  request: HookRequest,
): Promise<{ readonly runId: string | null; readonly created: boolean }> {
  const found = triggersOf(config, "webhook").find(({ trigger }) => trigger.name === name);
  if (found === undefined) throw new HttpError(404, "hook-unknown", `there is no webhook ${name}`);
  const { agent, trigger } = found;
  const id = believed(trigger.secrets, request);
  const input = await inputOf(trigger, parse(request.text));
  if (input === undefined) return { runId: null, created: false };
  const order = { ...orderOf(agent, input, trigger), key: `webhook/${name}/${id}` };
  const { run, created } = await db.transaction((tx) => startRun(tx, order));
  return { runId: run.id, created };
}

/** @throws {HttpError} `hook-unreadable` where the trigger threw: sent again, it would throw again */
async function inputOf(trigger: Trigger & { kind: "webhook" }, body: Json): Promise<Json | undefined> {
  try {
    return await trigger.input(body);
  } catch (error) {
    if (error instanceof FactotumError) throw error;
    const message = `webhook ${trigger.name} cannot read this body: ${messageOf(error)}`;
    throw new HttpError(422, "hook-unreadable", message);
  }
}

/** The id of a call that its sender signed. @throws {HttpError} `hook-refused` */
function believed(secrets: readonly string[], { headers, text }: HookRequest): string {
  const problem = verifySignature(secrets.map(readSecret), headers, text, systemClock.now());
  const id = headers.get("webhook-id") ?? "";
  if (problem === undefined && id.length <= ID_CHARS_MAX) return id;
  const because = problem ?? `its webhook-id has more than ${ID_CHARS_MAX} characters`;
  throw new HttpError(401, "hook-refused", `this webhook was not believed: ${because}`);
}

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw new HttpError(400, "json-broken", "the body is not valid JSON");
  }
}

const SETTLE_MS = 2_000;
const FILE_BYTES_MAX = 32 * 1024 * 1024;

/**
 * Looks through watched folders. What was read once is known by name, size and time of change, and by its
 * fingerprint in the key of its run, whoever reads it.
 */
export function makeFolders(
  config: Config,
  db: Database,
  directory: string,
  say: (line: string) => void,
): () => Promise<number> {
  const folders = triggersOf(config, "folder");
  // Of files that are there: what came and went is not kept.
  let known = new Set<string>();
  let there = new Set<string>();
  /** Said once, not at every look. */
  const unread = new Set<string>();
  const take = async ({ agent, trigger }: Of<"folder">, name: string): Promise<number> => {
    const path = join(directory, trigger.path, name);
    const { size, mtimeMs, isFile } = await fileOf(path);
    const mark = `${path} ${size} ${mtimeMs}`;
    if (known.has(mark)) there.add(mark);
    const stoodMs = systemClock.now().getTime() - mtimeMs;
    if (!isFile || known.has(mark) || stoodMs < (trigger.settleMs ?? SETTLE_MS)) return 0;
    there.add(mark);
    try {
      if (size > FILE_BYTES_MAX) throw new Error(`it has ${size} bytes, more than ${FILE_BYTES_MAX}`);
      const bytes = await readFile(path);
      const input = await trigger.input({ name, bytes });
      if (input === undefined) return 0;
      const digest = createHash("sha256").update(bytes).digest("hex");
      const order = { ...orderOf(agent, input, trigger), key: `folder/${trigger.name}/${digest}` };
      const { created } = await db.transaction((tx) => startRun(tx, order));
      return created ? 1 : 0;
    } catch (error) {
      if (!(error instanceof InputError) && isLater(error)) there.delete(mark);
      say(`folder ${trigger.name}: ${name} starts no run: ${messageOf(error)}`);
      return 0;
    }
  };
  return async () => {
    let did = 0;
    there = new Set();
    for (const one of folders) {
      const { name: folder, path } = one.trigger;
      const names = await readdir(join(directory, path)).catch((error: unknown) => {
        if (!unread.has(folder)) say(`folder ${folder} cannot be read: ${messageOf(error)}; looking on`);
        unread.add(folder);
        return undefined;
      });
      if (names === undefined) continue;
      unread.delete(folder);
      for (const name of names) did += await take(one, name);
    }
    known = there;
    return did;
  };
}

/** Trouble of the database or the disk, not of the file. */
function isLater(error: unknown): boolean {
  return typeof error === "object" && error !== null && "retry" in error && error.retry === "later";
}

async function fileOf(path: string) {
  try {
    const found = await stat(path);
    return { size: found.size, mtimeMs: found.mtimeMs, isFile: found.isFile() };
  } catch {
    return { size: 0, mtimeMs: 0, isFile: false };
  }
}
