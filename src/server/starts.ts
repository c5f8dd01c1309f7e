import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Agent, type AgentSchedule, type TableChange, type Trigger } from "../agents/index.ts";
import { InputError, type Json, messageOf, systemClock } from "../kernel/index.ts";
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

/** What the agents of a project declare of one kind. */
function triggersOf<Kind extends Trigger["kind"]>({ agents }: Config, kind: Kind): readonly Of<Kind>[] {
  return agents.flatMap((agent) =>
    (agent.triggers ?? [])
      .filter((trigger): trigger is Trigger & { kind: Kind } => trigger.kind === kind)
      .map((trigger) => ({ agent, trigger })),
  );
}

/** @throws {InputError} `start-invalid` for a name that is taken, or that a key cannot hold */
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
  const unsigned = agents
    .flatMap((agent) => agent.triggers ?? [])
    .find((one) => one.kind === "webhook" && one.secrets.every((secret) => secret === ""));
  if (unsigned === undefined) return;
  throw new InputError({
    code: "start-invalid",
    message: `webhook ${unsigned.name} has no secret, so anybody could start its runs`,
  });
}

/** An order of an agent, its input checked. @throws {InputError} `input-invalid` */
function orderOf(agent: Agent, input: Json): Omit<RunOrder, "key"> {
  const parsed = agent.input.safeParse(input);
  if (parsed.success) return { agent: agent.name, agentVersion: agent.version, input };
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
      ...orderOf(agent, one.input(at)),
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
      return input === undefined ? undefined : orderOf(agent, input);
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

/** Real time that a webhook may be old; what is sent again within it has the same id, and starts nothing. */
const TOLERANCE_S = 300;
const ID_CHARS_MAX = 200;

/** What a webhook came with. */
export type HookRequest = {
  readonly id: string | undefined;
  readonly timestamp: string | undefined;
  readonly signature: string | undefined;
  readonly text: string;
};

/**
 * Starts the run of a webhook; the same delivery again gets the same run.
 *
 * @throws {HttpError} `hook-unknown`, `hook-refused` with what is wrong, `json-broken`
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
  const id = verifyHook(trigger.secrets, request);
  const input = trigger.input(parse(request.text));
  if (input === undefined) return { runId: null, created: false };
  const order = { ...orderOf(agent, input), key: `webhook/${name}/${id}` };
  const { run, created } = await db.transaction((tx) => startRun(tx, order));
  return { runId: run.id, created };
}

function verifyHook(secrets: readonly string[], { id, timestamp, signature, text }: HookRequest): string {
  if (id === undefined || id === "" || id.length > ID_CHARS_MAX) throw refused("webhook-id");
  if (timestamp === undefined || !/^\d{1,12}$/.test(timestamp)) throw refused("webhook-timestamp");
  const age = Math.abs(systemClock.now().getTime() / 1_000 - Number(timestamp));
  if (age > TOLERANCE_S) throw refused(`webhook-timestamp that is at most ${TOLERANCE_S} s off`);
  const given = (signature ?? "").split(" ").filter((one) => one.startsWith("v1,"));
  const right = secrets.some((secret) => {
    const wanted = sign(secret, `${id}.${timestamp}.${text}`);
    return given.some((one) => sameText(one.slice(3), wanted));
  });
  if (!right) throw refused("webhook-signature by its secret");
  return id;
}

function sign(secret: string, text: string): string {
  const key = secret.startsWith("whsec_") ? Buffer.from(secret.slice(6), "base64") : Buffer.from(secret);
  return createHmac("sha256", key).update(text).digest("base64");
}

/** Digests are compared, so that the time taken tells nothing. */
function sameText(one: string, other: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}

function refused(what: string): HttpError {
  return new HttpError(401, "hook-refused", `this webhook needs a ${what}`);
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
  const known = new Set<string>();
  const take = async ({ agent, trigger }: Of<"folder">, name: string): Promise<number> => {
    const path = join(directory, trigger.path, name);
    const { size, mtimeMs, isFile } = await fileOf(path);
    const mark = `${path} ${size} ${mtimeMs}`;
    const stoodMs = systemClock.now().getTime() - mtimeMs;
    if (!isFile || known.has(mark) || stoodMs < (trigger.settleMs ?? SETTLE_MS)) return 0;
    known.add(mark);
    try {
      if (size > FILE_BYTES_MAX) throw new Error(`it has ${size} bytes, more than ${FILE_BYTES_MAX}`);
      const bytes = await readFile(path);
      const input = trigger.input({ name, bytes });
      if (input === undefined) return 0;
      const digest = createHash("sha256").update(bytes).digest("hex");
      const order = { ...orderOf(agent, input), key: `folder/${trigger.name}/${digest}` };
      const { created } = await db.transaction((tx) => startRun(tx, order));
      return created ? 1 : 0;
    } catch (error) {
      if (!(error instanceof InputError) && isLater(error)) known.delete(mark);
      say(`folder ${trigger.name}: ${name} starts no run: ${messageOf(error)}`);
      return 0;
    }
  };
  return async () => {
    let did = 0;
    for (const one of folders) {
      const names = await readdir(join(directory, one.trigger.path)).catch((error: unknown) => {
        say(`folder ${one.trigger.name} cannot be read: ${messageOf(error)}`);
        return [];
      });
      for (const name of names) did += await take(one, name);
    }
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
