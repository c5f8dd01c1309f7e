/** Files and batches, as OpenAI's own client meets them. */
import OpenAI, { toFile } from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hang, reply, status } from "../testing/index.ts";
import { budget, type Opened, opened } from "./opened.test.kit.ts";

type Batch = OpenAI.Batch;
type Line = {
  readonly custom_id: string;
  readonly response: { readonly status_code: number; readonly body: Record<string, unknown> } | null;
  readonly error: { readonly code: string } | null;
};
type Endpoint = OpenAI.BatchCreateParams["endpoint"];

let at: Opened;
let openai: OpenAI;
let other: OpenAI;

const client = (url: string, apiKey: string): OpenAI =>
  new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries: 0 });

beforeAll(async () => {
  at = await opened();
  const second = await at.replica();
  [openai, other] = [client(at.gateway.url, at.secret), client(second.url, at.secret)];
});
afterAll(() => at.close());

const chat = (custom_id: string, content: string, more: object = {}): object => ({
  ...{ custom_id, method: "POST", url: "/v1/chat/completions" },
  body: { model: "quick", max_tokens: 10, messages: [{ role: "user", content }], ...more },
});
const jsonl = (lines: readonly object[]): string => lines.map((line) => JSON.stringify(line)).join("\n");

async function upload(who: OpenAI, text: string): Promise<string> {
  const file = await toFile(Buffer.from(text), "asked.jsonl");
  return (await who.files.create({ file, purpose: "batch" })).id;
}

async function batchOf(
  who: OpenAI,
  text: string,
  endpoint: Endpoint = "/v1/chat/completions",
): Promise<Batch> {
  const input_file_id = await upload(who, text);
  return who.batches.create({ input_file_id, endpoint, completion_window: "24h" });
}

async function ended(who: OpenAI, { id }: Batch): Promise<Batch> {
  for (;;) {
    const batch = await who.batches.retrieve(id);
    if (["completed", "failed", "expired", "cancelled"].includes(batch.status)) return batch;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function linesOf(who: OpenAI, id: string | null | undefined): Promise<readonly Line[]> {
  if (id === null || id === undefined) return [];
  const text = await (await who.files.content(id)).text();
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
}

test("a batch brought in at one replica is answered, told of and read at another", async () => {
  at.provider.otherwise(({ body }) => {
    const [message] = (body as { messages: { content: string }[] }).messages;
    return reply(`you said ${message?.content}`, { input: 20, output: 4 });
  });
  const names = Array.from({ length: 40 }, (_, count) => `request-${count}`);
  const input_file_id = await upload(openai, jsonl(names.map((name) => chat(name, name))));
  const made = await openai.batches.create({
    ...{ input_file_id, endpoint: "/v1/chat/completions", completion_window: "24h" },
    metadata: { job: "nightly" },
  });
  expect(made).toMatchObject({
    ...{ object: "batch", endpoint: "/v1/chat/completions", input_file_id, completion_window: "24h" },
    ...{ output_file_id: null, error_file_id: null, errors: null, metadata: { job: "nightly" } },
  });
  expect(made.expires_at).toBe(made.created_at + 86_400);
  const done = await ended(other, made);
  expect(done).toMatchObject({
    ...{ status: "completed", request_counts: { total: 40, completed: 40, failed: 0 }, error_file_id: null },
    ...{ failed_at: null, cancelled_at: null, expired_at: null },
  });
  for (const time of [done.in_progress_at, done.finalizing_at, done.completed_at]) {
    expect(time).toBeGreaterThanOrEqual(made.created_at);
  }
  const lines = await linesOf(other, done.output_file_id);
  expect(lines.map((line) => line.custom_id)).toEqual(names);
  for (const { custom_id, response, error } of lines) {
    expect([response?.status_code, error]).toEqual([200, null]);
    expect(JSON.stringify(response?.body)).toContain(`you said ${custom_id}`);
  }
  const output = await other.files.retrieve(done.output_file_id ?? "");
  expect(output).toMatchObject({ object: "file", purpose: "batch_output", status: "processed" });
  await at.gateway.flush();
  const { rows } = await at.db.query(
    `select count(*)::int as rows, count(distinct call_id)::int as calls, sum(amount_micro_usd)::int as amount
     from factotum.gateway_attempts where label = 'answered'`,
  );
  // 20 input at $1 and 4 output at $10 a million; the other replica's rows are written a moment later.
  const [booked] = rows as { rows: number; calls: number; amount: number }[];
  expect(booked?.calls).toBe(booked?.rows);
  expect(booked?.amount).toBe((booked?.rows ?? 0) * 60);
  expect(at.provider.requests).toHaveLength(40);
});

test("each endpoint takes its own lines, and what fails stands in the error file with its name", async () => {
  at.provider.otherwise(reply("fine"));
  const responses = { custom_id: "a", method: "POST", url: "/v1/responses" };
  const input = [
    { ...responses, body: { model: "thinker/deep", input: "x", max_output_tokens: 10 } },
    { ...responses, custom_id: "kept", body: { model: "thinker/deep", input: "x", store: true } },
    { ...responses, custom_id: "nobody", body: { model: "no/such", input: "x" } },
  ];
  const done = await ended(openai, await batchOf(openai, `\r\n${jsonl(input)}\r\n\n`, "/v1/responses"));
  expect(done.request_counts).toEqual({ total: 3, completed: 1, failed: 2 });
  expect((await linesOf(openai, done.output_file_id)).map((line) => line.custom_id)).toEqual(["a"]);
  const errors = await linesOf(openai, done.error_file_id);
  expect(errors.map(({ custom_id, response }) => [custom_id, response?.status_code])).toEqual([
    ["kept", 400],
    ["nobody", 404],
  ]);
  expect(JSON.stringify(errors[0]?.response?.body)).toContain("stateless_api");
  const vectors = { custom_id: "v", method: "POST", url: "/v1/embeddings" };
  const text = jsonl([{ ...vectors, body: { model: "quick", input: "a lamp" } }]);
  const embedded = await ended(other, await batchOf(other, text, "/v1/embeddings"));
  const [line] = await linesOf(other, embedded.output_file_id);
  expect(line?.response?.body).toMatchObject({ object: "list" });
});

test("a provider that is busy is asked again later, and one that refuses is not", async () => {
  at.provider.script(status(400, { message: "no such thing" }));
  const refused = await ended(openai, await batchOf(openai, jsonl([chat("a", "x")])));
  expect(refused.request_counts).toEqual({ total: 1, completed: 0, failed: 1 });
  at.provider.script(status(429, { retryAfter: 30 }));
  at.provider.otherwise(reply("later"));
  const busy = await batchOf(openai, jsonl([chat("b", "x")]));
  const waiting =
    "select from factotum.gateway_batch_lines where state = 'waiting' and not_before > clock_timestamp()";
  while ((await at.db.query(waiting)).rowCount === 0) await new Promise((resolve) => setImmediate(resolve));
  await at.db.query("update factotum.gateway_batch_lines set not_before = clock_timestamp()");
  expect((await ended(openai, busy)).request_counts).toEqual({ total: 1, completed: 1, failed: 0 });
});

test("an input that is wrong fails whole, with each line's fault and nothing of what it says", async () => {
  const said = "canary-of-a-wrong-line";
  const good = chat("same", said);
  const text = [
    ...["not json", jsonl([good]), jsonl([{ ...good, method: "GET" }])],
    jsonl([{ ...good, custom_id: "c", method: "GET" }]),
    jsonl([{ ...good, custom_id: "d", url: "/v1/embeddings" }]),
    jsonl([chat("e", said, { stream: true })]),
    '{"custom_id":"f","custom_id":"g","method":"POST","url":"/v1/chat/completions","body":{}}',
  ].join("\n");
  const before = at.provider.requests.length;
  const failed = await ended(openai, await batchOf(openai, text));
  expect(failed).toMatchObject({ status: "failed", output_file_id: null, error_file_id: null });
  expect(failed.errors?.data?.map(({ line, code }) => [line, code])).toEqual([
    [1, "invalid_json_line"],
    [3, "duplicate_custom_id"],
    [4, "invalid_method"],
    [5, "invalid_url"],
    [6, "invalid_request"],
    [7, "invalid_json_line"],
  ]);
  expect(JSON.stringify(failed)).not.toContain(said);
  const empty = await ended(openai, await batchOf(openai, "\n \n"));
  expect(empty.errors?.data?.[0]?.code).toBe("empty_file");
  expect(at.provider.requests).toHaveLength(before);
});

const abc = jsonl(["a", "b", "c"].map((name) => chat(name, name)));
const unmade = async (who: OpenAI, batch: Batch) =>
  (await linesOf(who, batch.error_file_id)).map(({ response, error }) => [response, error?.code]);

test("a cancelled batch keeps what was answered, and names what was not", async () => {
  at.provider.otherwise(({ body }) =>
    JSON.stringify(body).includes('"content":"a"') ? reply("answered") : status(429, { retryAfter: 3_600 }),
  );
  const batch = await batchOf(openai, abc);
  for (let now = batch; now.request_counts?.completed !== 1;) now = await other.batches.retrieve(batch.id);
  expect((await other.batches.cancel(batch.id)).status).toMatch(/^cancel/);
  const over = await ended(openai, batch);
  expect(over).toMatchObject({ status: "cancelled", request_counts: { total: 3, completed: 1, failed: 0 } });
  expect(over.cancelled_at).toBeGreaterThanOrEqual(over.cancelling_at ?? Infinity);
  expect((await linesOf(openai, over.output_file_id)).map((line) => line.custom_id)).toEqual(["a"]);
  expect(await unmade(openai, over)).toEqual(Array.from({ length: 2 }, () => [null, "batch_cancelled"]));
  expect((await openai.batches.cancel(batch.id)).status).toBe("cancelled");
});

test("a batch whose time is over says so line by line, and cannot be cancelled any more", async () => {
  at.provider.otherwise(status(429, { retryAfter: 3_600 }));
  const batch = await batchOf(openai, abc);
  const expire = "update factotum.gateway_batches set expires_at = clock_timestamp() where id = $1";
  await at.db.query(expire, [batch.id]);
  const over = await ended(openai, batch);
  expect(over).toMatchObject({ status: "expired", output_file_id: null, completed_at: null });
  expect(over.request_counts).toEqual({ total: 3, completed: 0, failed: 3 });
  expect(await unmade(openai, over)).toEqual(Array.from({ length: 3 }, () => [null, "batch_expired"]));
  await expect(openai.batches.cancel(batch.id)).rejects.toThrow("cannot be cancelled any more");
});

test("files and batches are their key's alone, listed in pages, gone when deleted or expired", async () => {
  const secret = await at.key({ name: "lister" });
  const mine = client(at.gateway.url, secret);
  const ids: string[] = [];
  for (let count = 0; count < 3; count += 1) ids.push(await upload(mine, `file ${count}`));
  const pages: string[] = [];
  for await (const file of mine.files.list({ limit: 2, order: "asc" })) pages.push(file.id);
  expect(pages).toEqual(ids);
  expect((await mine.files.list({ limit: 2 })).data.map((file) => file.id)).toEqual(
    ids.toReversed().slice(0, 2),
  );
  const [first = "", second = "", third = ""] = ids;
  await expect(openai.files.retrieve(first)).rejects.toThrow("has no file");
  await expect(openai.files.content(first)).rejects.toThrow("has no file");
  const order = { endpoint: "/v1/chat/completions", completion_window: "24h" } as const;
  await expect(openai.batches.create({ ...order, input_file_id: first })).rejects.toThrow("no such file");
  expect(await (await mine.files.content(first)).text()).toBe("file 0");
  const batches = [];
  for (let count = 0; count < 3; count += 1) {
    batches.push((await mine.batches.create({ ...order, input_file_id: first })).id);
  }
  const found: string[] = [];
  for await (const batch of mine.batches.list({ limit: 2 })) found.push(batch.id);
  expect(found).toEqual(batches.toReversed());
  await expect(openai.batches.retrieve(batches[0] ?? "")).rejects.toThrow("has no batch");
  expect(await mine.files.delete(second)).toEqual({ id: second, object: "file", deleted: true });
  await expect(mine.files.retrieve(second)).rejects.toThrow("has no file");
  const file = await toFile(Buffer.from("x"), "x.jsonl");
  await expect(mine.files.create({ file, purpose: "assistants" })).rejects.toThrow("purpose must be batch");
  const expires_after = { anchor: "created_at" as const, seconds: 3_600 };
  const brief = await mine.files.create({ file, purpose: "batch", expires_after });
  expect(brief.expires_at).toBe(brief.created_at + 3_600);
  await at.db.query("update factotum.gateway_files set expires_at = clock_timestamp() where id = $1", [
    third,
  ]);
  await expect(mine.files.content(third)).rejects.toThrow("has no file");
  // Each replica looks for what has expired when it begins, and every minute.
  await (await at.replica()).close();
  const { rows } = await at.db.query("select from factotum.gateway_file_parts where file = any($1)", [
    [second, third],
  ]);
  expect(rows).toEqual([]);
});

test("a form that is broken anywhere is refused, leaves nothing, and ends nothing", async () => {
  const part = (name: string, text: string): string =>
    `--XX\r\nContent-Disposition: form-data; name=${name}\r\n\r\n${text}\r\n`;
  const parts = part('"file"; filename="a.jsonl"', "y".repeat(300)) + part('"purpose"', "batch");
  const whole = `${parts}--XX--\r\n`;
  const headers = {
    authorization: `Bearer ${at.secret}`,
    "content-type": "multipart/form-data; boundary=XX",
  };
  const post = async (body: string, type = headers["content-type"]): Promise<number> =>
    (
      await fetch(`${at.gateway.url}/v1/files`, {
        ...{ method: "POST", headers: { ...headers, "content-type": type }, body },
      })
    ).status;
  const count = "select count(*)::int as files from factotum.gateway_files";
  const before = (await at.db.query(count)).rows;
  // Up to the last hyphen of its end it is no form.
  for (let end = 0; end < whole.length - 4; end += 13)
    expect([end, await post(whole.slice(0, end))]).toEqual([end, 400]);
  for (const type of ["application/json", "multipart/form-data", "text/plain"])
    expect(await post(whole, type)).toBe(400);
  expect((await at.db.query(count)).rows).toEqual(before);
  expect(await post(whole)).toBe(200);
});

test("batches wait while many live calls are under way", async () => {
  at.provider.otherwise(({ body }) => (JSON.stringify(body).includes("live") ? hang() : reply("at last")));
  const left = new AbortController();
  const live = [openai, other].flatMap((who) =>
    Array.from({ length: 32 }, () =>
      who.chat.completions
        .create(
          { model: "quick", max_tokens: 10, messages: [{ role: "user", content: "live" }] },
          { signal: left.signal },
        )
        .catch(() => "left"),
    ),
  );
  const before = at.provider.requests.length;
  await at.provider.arrived(before + live.length);
  const batch = await batchOf(openai, jsonl([chat("patient", "x")]));
  let now = batch;
  // The replica that reads the input takes lines in the same breath, if it takes any.
  for (let asked = 0; now.status === "validating" || asked < 20; asked += 1) {
    now = await other.batches.retrieve(batch.id);
  }
  expect(now).toMatchObject({ status: "in_progress", request_counts: { completed: 0 } });
  expect(at.provider.requests).toHaveLength(before + live.length);
  left.abort();
  expect(await Promise.all(live)).toEqual(live.map(() => "left"));
  expect((await ended(openai, batch)).request_counts?.completed).toBe(1);
});

test("a key's models, budget and end hold for the lines of its batches", async () => {
  at.provider.otherwise(reply("x", { input: 20, output: 4 }));
  const poor = await budget(at.db, "batches/poor", 5_000);
  const secret = await at.key({ name: "poor", budget: poor, models: ["quick"] });
  const mine = client(at.gateway.url, secret);
  const lines = [chat("model", "x", { model: "spare/second" }), chat("dear", "x", { max_tokens: 100_000 })];
  const done = await ended(mine, await batchOf(mine, jsonl(lines)));
  const errors = await linesOf(mine, done.error_file_id);
  expect(errors.map(({ response }) => response?.status_code)).toEqual([403, 402]);
  at.provider.otherwise(status(429, { retryAfter: 3_600 }));
  const left = await batchOf(mine, jsonl([chat("left", "x")]));
  await at.db.query("update factotum.gateway_keys set revoked_at = clock_timestamp() where name = 'poor'");
  await at.db.query("notify factotum_gateway");
  for (;;) {
    await at.db.query("update factotum.gateway_batch_lines set not_before = clock_timestamp()");
    const { rows } = await at.db.query<{ status: string; failed: number }>(
      "select status, failed from factotum.gateway_batches where id = $1",
      [left.id],
    );
    if (rows[0]?.status !== "completed") continue;
    expect(rows[0].failed).toBe(1);
    break;
  }
});

test("nothing of files and batches can be read in the database, not while they are open either", async () => {
  const canary = "canary-4711-of-a-batch";
  at.provider.otherwise(reply(`answer ${canary}`));
  const dump = async (): Promise<string> => {
    const tables = ["files", "file_parts", "batches", "batch_lines", "attempts"];
    const texts = await Promise.all(
      tables.map(
        async (name) =>
          (await at.db.query<{ t: string }>(`select t::text from factotum.gateway_${name} t`)).rows,
      ),
    );
    return texts
      .flat()
      .map(({ t }) => t)
      .join("\n");
  };
  const hex = Buffer.from(canary).toString("hex");
  const input_file_id = await upload(openai, jsonl([chat(canary, canary), chat("two", canary)]));
  const order = { endpoint: "/v1/chat/completions", completion_window: "24h" } as const;
  const batch = await openai.batches.create({ ...order, input_file_id, metadata: { canary } });
  const open = await dump();
  const done = await ended(openai, batch);
  const over = await dump();
  for (const text of [open, over]) {
    expect(text).toContain(batch.id);
    expect(text).not.toContain(canary);
    expect(text).not.toContain(hex);
  }
  expect(done.metadata).toEqual({ canary });
  expect(JSON.stringify(await linesOf(openai, done.output_file_id))).toContain(`answer ${canary}`);
  expect(over).not.toContain("gateway_batch_lines");
});
