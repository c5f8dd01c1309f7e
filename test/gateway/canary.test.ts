/**
 * Nothing of what is said through the gateway stays anywhere: a word that is in every prompt, answer and
 * error is looked for in the tables, the write-ahead log, the server's log, what the replica printed, all
 * files that it wrote, and a snapshot of its heap.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import {
  createReadStream,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeKey } from "factotum/gateway";
import type { Database } from "factotum/postgres";
import {
  cut,
  errorEvent,
  hang,
  reply,
  type ScriptedProvider,
  type ScriptedTurn,
  scriptedProvider,
  status,
  throwawayDatabase,
} from "factotum/testing";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const folder = mkdtempSync(join(tmpdir(), "factotum-canary-"));
const temporary = join(folder, "tmp");
const log = join(folder, "replica.log");
// New each time, since the test's Postgres outlives a run that failed.
const canary = `canary-${randomUUID()}`;
const FILLERS = 40;
/** A heap of all that a command loads is written while nothing else of it runs. */
const HEAP_MS_MAX = 240_000;
const READ_BYTES = 1024 * 1024;
const price = { inputUsdPerMtok: "1", outputUsdPerMtok: "10" };

let db: Database;
let provider: ScriptedProvider;
let replica: ChildProcess;
let url = "";
let secret = "";
let walBefore = "";

async function until<T>(look: () => Promise<T | null | undefined | false> | T | null | undefined | false) {
  for (;;) {
    const found = await look();
    if (found !== null && found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

beforeAll(async () => {
  [db, provider] = [await throwawayDatabase(), await scriptedProvider()];
  const { rows } = await db.query<{ name: string }>("select pg_walfile_name(pg_current_wal_lsn()) as name");
  walBefore = rows[0]?.name ?? "";
  ({ secret } = await db.transaction((tx) => makeKey(tx, { name: "canary" }, randomBytes)));
  const at = { baseUrl: provider.url, price, outputTokensMax: 1_000 };
  const models = [
    { id: "x/chat", provider: "openai-compatible", ...at },
    { id: "x/other", provider: "openai-compatible", ...at },
    { id: "x/away", provider: "openai-compatible", ...at, baseUrl: "http://127.0.0.1:9/v1" },
    ...[
      { id: "anthropic/claude", ...at },
      { id: "google/gemini", ...at },
      { id: "openai/gpt", ...at },
    ],
  ];
  const config = { name: "canary", agents: [], models };
  mkdirSync(temporary);
  writeFileSync(join(folder, "factotum.config.ts"), `export default ${JSON.stringify(config)};\n`);
  const out = openSync(log, "a");
  replica = spawn(
    process.execPath,
    [
      ...["--conditions=factotum-source", "--heapsnapshot-signal=SIGUSR2", `--diagnostic-dir=${folder}`],
      ...[join(root, "src", "cli", "main.ts"), "gateway", "--port", "0", "--admin-port", "0"],
    ],
    {
      ...{ cwd: folder, stdio: ["ignore", out, out] },
      env: {
        ...{ PATH: process.env["PATH"], HOME: folder, TMPDIR: temporary, DATABASE_URL: db.url },
        ...{ FACTOTUM_GATEWAY_SECRET: "a secret of these tests, long enough", ANTHROPIC_API_KEY: "k" },
        ...{ OPENAI_API_KEY: "k", GEMINI_API_KEY: "k" },
      },
    },
  );
  url = await until(async () => /http:\/\/127\.0\.0\.1:\d+/.exec(await textOf(log))?.[0]);
}, 120_000);
afterAll(async () => {
  replica.kill("SIGKILL");
  await provider.close();
  rmSync(folder, { recursive: true });
});

async function textOf(path: string): Promise<string> {
  let text = "";
  for await (const piece of createReadStream(path, "latin1") as AsyncIterable<string>) text += piece;
  return text;
}

/** Which of some words a file holds. */
async function wordsIn(path: string, words: readonly string[] = [canary]): Promise<readonly string[]> {
  const seen = new Set<string>();
  let rest = "";
  for await (const piece of createReadStream(path, { encoding: "latin1", highWaterMark: READ_BYTES })) {
    const text = rest + String(piece);
    for (const word of words) if (text.includes(word)) seen.add(word);
    rest = text.slice(-canary.length);
  }
  return [...seen];
}

type Call = {
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
};

function send(body: object | string, { path = "chat/completions", headers = {}, signal }: Call = {}) {
  return fetch(`${url}/v1/${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${secret}`, ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...(signal !== undefined && { signal }),
  });
}

const messages = [{ role: "user", content: `what is a ${canary}?` }];
const chat = (more: object = {}): object => ({ model: "x/chat", max_tokens: 50, messages, ...more });
const said = reply(`a ${canary} is a bird`);
const failure = (code: number): ScriptedTurn => status(code, { message: `no ${canary} here`, code: canary });

/** Calls one after the other, so that the script's answers are theirs. @returns their statuses */
async function heard(
  turns: readonly ScriptedTurn[],
  body: object | string,
  call: Call = {},
): Promise<number> {
  provider.script(...turns);
  const answer = await send(body, call);
  await answer.text().catch(() => "");
  expect(provider.left).toBe(0);
  return answer.status;
}

test("calls that go well, in all protocols, whole and as streams", async () => {
  for (const stream of [false, true]) {
    for (const model of ["x/chat", "openai/gpt", "anthropic/claude", "google/gemini"]) {
      expect(await heard([said], chat({ model, stream }))).toBe(200);
      expect(await heard([said], { model, max_tokens: 50, messages, stream }, { path: "messages" })).toBe(
        200,
      );
      expect(await heard([said], { model, input: canary, stream }, { path: "responses" })).toBe(200);
    }
  }
  expect(await heard([said], chat(), { headers: { "x-factotum-cache": "600", "user-agent": canary } })).toBe(
    200,
  );
  expect(await heard([], chat(), { headers: { "x-factotum-cache": "600" } })).toBe(200);
  expect(await heard([said], chat(), { headers: { "idempotency-key": canary } })).toBe(200);
  expect(await heard([], chat(), { headers: { "idempotency-key": canary } })).toBe(409);
});

test("calls that fail at the provider, on the way, and before it", async () => {
  for (const model of ["x/chat", "anthropic/claude", "google/gemini"]) {
    expect(await heard([failure(400)], chat({ model }))).toBe(400);
    expect(await heard([failure(500), failure(500), failure(500)], chat({ model }))).toBe(500);
    for (const stream of [false, true]) {
      await heard([{ kind: "not-json" }], chat({ model, stream }));
      await heard([{ kind: "broken-stream" }], chat({ model, stream: true }));
      await heard([cut({ afterChunks: 2, of: said })], chat({ model, stream: true }));
      await heard([errorEvent({ afterChunks: 1, message: canary })], chat({ model, stream: true }));
    }
  }
  expect(await heard([failure(500), said], chat({ model: "x/chat, x/other" }))).toBe(200);
  expect(await heard([], chat({ model: "x/away" }))).toBe(502);
  const untranslatable = { model: "anthropic/claude", [canary]: canary };
  expect(await heard([], chat(untranslatable))).toBe(400);
  expect(await heard([], chat({ model: canary }))).toBe(404);
  expect(await heard([], `{"model":"x/chat","messages":[{"content":"${canary}"`)).toBe(400);
  expect(await heard([], chat({ store: true }))).toBe(400);
  expect(await heard([], chat(), { headers: { "x-factotum-cache": canary } })).toBe(400);
});

test("clients that leave", async () => {
  for (const model of ["x/chat", "anthropic/claude"]) {
    const gone = new AbortController();
    provider.script(hang({ afterChunks: 2, of: said }));
    const answer = await send(chat({ model, stream: true }), { signal: gone.signal });
    expect((await answer.body?.getReader().read())?.done).toBe(false);
    gone.abort();
  }
});

test("files and batches", async () => {
  const lines = ["x/chat", "anthropic/claude", canary].map((model, at) =>
    JSON.stringify({
      ...{ custom_id: `${canary}-${at}`, method: "POST", url: "/v1/chat/completions" },
      body: chat({ model }),
    }),
  );
  provider.otherwise(said);
  const headers = { authorization: `Bearer ${secret}` };
  const get = async (path: string): Promise<Record<string, unknown>> =>
    (await fetch(`${url}/v1/${path}`, { headers })).json() as Promise<Record<string, unknown>>;
  const run = async (text: string): Promise<Record<string, unknown>> => {
    const form = new FormData();
    form.set("purpose", "batch");
    form.set("file", new Blob([text]), `${canary}.jsonl`);
    const made = await fetch(`${url}/v1/files`, { method: "POST", headers, body: form });
    const { id } = (await made.json()) as { id: string };
    const order = { input_file_id: id, endpoint: "/v1/chat/completions", completion_window: "24h" };
    const batch = (await (await send({ ...order, metadata: { canary } }, { path: "batches" })).json()) as {
      id: string;
    };
    return until(async () => {
      const now = await get(`batches/${batch.id}`);
      return /completed|failed/.test(String(now["status"])) && now;
    });
  };
  const done = await run(lines.join("\n"));
  const output = await fetch(`${url}/v1/files/${String(done["output_file_id"])}/content`, { headers });
  expect(await output.text()).toContain(canary);
  expect((await run(`${lines.join("\n")}\n{"${canary}":`))["status"]).toBe("failed");
});

test(
  "then it is in no log or file, and not in the heap",
  async () => {
    // Buffers that a connection keeps for its next read are filled by other calls.
    provider.otherwise(reply("ok"));
    for (let count = 0; count < FILLERS; count += 1) {
      const model = ["x/chat", "anthropic/claude", "google/gemini", "openai/gpt"][count % 4];
      const body = {
        model,
        max_tokens: 5,
        messages: [{ role: "user", content: "x" }],
        stream: count % 8 < 4,
      };
      await (await send(body, { path: count % 16 < 8 ? "messages" : "chat/completions" })).text();
    }
    replica.kill("SIGUSR2");
    const snapshot = await until(() => readdirSync(folder).find((name) => name.endsWith(".heapsnapshot")));
    await (await fetch(`${url}/healthz`)).text();
    expect(await wordsIn(join(folder, snapshot), [canary, "chat.completions"])).toEqual(["chat.completions"]);
    // What is looked for would be found.
    writeFileSync(join(temporary, "control"), `${"-".repeat(READ_BYTES - 5)}${canary}`);
    expect(await wordsIn(join(temporary, "control"))).toEqual([canary]);
    rmSync(join(temporary, "control"));
    replica.kill("SIGTERM");
    await once(replica, "exit");
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((each) =>
      each.isFile(),
    );
    for (const { parentPath, name } of files) {
      expect([name, await wordsIn(join(parentPath, name))]).toEqual([name, []]);
    }
    expect(files.length).toBeGreaterThanOrEqual(3);
    expect(await wordsIn(log, ["serving models"])).toEqual(["serving models"]);
  },
  HEAP_MS_MAX,
);

test("nor in what Postgres keeps", async () => {
  const { rows: tables } = await db.query<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'factotum'`,
  );
  const hex = Buffer.from(canary).toString("hex");
  let looked = 0;
  for (const { name } of tables) {
    const { rows } = await db.query<{ row: string }>(`select t::text as row from ${name} t`);
    looked += rows.length;
    expect(rows.filter(({ row }) => row.includes(canary) || row.includes(hex))).toEqual([]);
  }
  expect(looked).toBeGreaterThan(150);
  const { rows: wal } = await db.query<{ seen: string; files: string }>(
    `select count(*) filter (where position($1::bytea in pg_read_binary_file('pg_wal/' || name)) > 0) as seen,
       count(*) as files
     from pg_ls_waldir() where name >= $2 and name ~ '^[0-9A-F]{24}$'`,
    [Buffer.from(canary), walBefore],
  );
  expect(Number(wal[0]?.files)).toBeGreaterThan(0);
  expect(wal[0]?.seen).toBe("0");
  expect(await wordsIn(join(root, ".factotum", "test-postgres", "postgres.log"))).toEqual([]);
});
