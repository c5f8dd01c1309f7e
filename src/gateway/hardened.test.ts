import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hang, reply } from "../testing/index.ts";
import { phaseLimits } from "./index.ts";
import { type Opened, opened } from "./opened.test.kit.ts";

let at: Opened;
beforeAll(async () => {
  at = await opened();
  at.provider.otherwise(() => reply("ok"));
});
afterAll(() => at.close());

const BODY = '{"model":"quick","max_tokens":9,"messages":[{"role":"user","content":"x"}]}';

/** Sends bytes as they are, and tells what comes back until the server closes or has answered. */
function raw(text: string): Promise<string> {
  const { port } = new URL(at.gateway.url);
  return new Promise((resolve) => {
    let heard = "";
    const socket = connect({ port: Number(port), host: "127.0.0.1" }, () => socket.write(text));
    const done = (): void => {
      socket.destroy();
      resolve(heard);
    };
    socket.on("data", (piece: Buffer) => {
      heard += piece.toString("latin1");
      if (heard.startsWith("HTTP/1.1 ") && /\r\n\r\n[\s\S]*[}k]$|\r\n0\r\n\r\n$/.test(heard)) done();
    });
    socket.on("close", done);
    socket.on("error", done);
  });
}

const head = (lines: readonly string[]): string =>
  [
    "POST /v1/chat/completions HTTP/1.1",
    `host: gateway`,
    `authorization: Bearer ${at.secret}`,
    "content-type: application/json",
    ...lines,
    "",
    "",
  ].join("\r\n");

test("a name that cannot be written down is refused, and the rows of other calls are written", async () => {
  const ask = async (model: unknown): Promise<number> => {
    const answer = await fetch(`${at.gateway.url}/v1/chat/completions`, {
      ...{ method: "POST", headers: { authorization: `Bearer ${at.secret}` } },
      body: JSON.stringify({ ...(JSON.parse(BODY) as object), model }),
    });
    await answer.text();
    return answer.status;
  };
  for (const name of ["a\0b", "\ud800", "x".repeat(501)]) expect(await ask(["quick", name])).toBe(400);
  expect(await ask("quick")).toBe(200);
  await at.gateway.flush();
  const { rows } = await at.db.query("select asked from factotum.gateway_attempts");
  expect(rows).toEqual([{ asked: "quick" }]);
});

test("requests whose length can be read in two ways never reach a provider", async () => {
  const chunked = `${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`;
  const length = `content-length: ${BODY.length}`;
  const cases: readonly string[] = [
    head([length, "transfer-encoding: chunked"]) + chunked,
    head(["transfer-encoding: chunked", length]) + chunked,
    head([length, `content-length: ${BODY.length + 1}`]) + BODY,
    head([length, length]) + BODY,
    head(["transfer-encoding: chunked, identity"]) + chunked,
    head(["transfer-encoding: xchunked"]) + chunked,
    head([" transfer-encoding: chunked", length]) + BODY,
    head(["content-length: +75"]) + BODY,
    head(["content-length: 0x4b"]) + BODY,
    head([length, "x-y: a\0b"]) + BODY,
    head([length, "x y: b"]) + BODY,
    head([length, "x-y : b"]) + BODY,
    head([length]).replaceAll("\r\n", "\n") + BODY,
    head([length]).replace("host: gateway\r\n", "") + BODY,
    head([length, `x-long: ${"a".repeat(20_000)}`]) + BODY,
  ];
  const before = at.provider.requests.length;
  for (const text of cases) {
    const heard = await raw(text);
    expect(heard, text.slice(0, 300)).toMatch(/^(?:HTTP\/1\.1 4\d\d|$)/);
  }
  expect(at.provider.requests.length).toBe(before);
  // The same in order passes.
  expect(await raw(head([length]) + BODY)).toMatch(/^HTTP\/1\.1 200/);
  expect(await raw(head(["transfer-encoding: chunked"]) + chunked)).toMatch(/^HTTP\/1\.1 200/);
});

test("nothing of a client's headers goes upstream but what belongs to the protocol", async () => {
  const lines = [
    `content-length: ${BODY.length}`,
    "x-forwarded-for: 10.0.0.1",
    "cookie: a=b",
    "connection: keep-alive, x-hop",
    "x-hop: 1",
    "openai-organization: theirs",
    "openai-beta: assistants=v2",
  ];
  expect(await raw(head(lines) + BODY)).toMatch(/^HTTP\/1\.1 200/);
  const sent = at.provider.requests.at(-1)?.headers ?? {};
  expect(Object.keys(sent).sort()).toEqual(
    [
      "accept-encoding",
      "authorization",
      "connection",
      "content-length",
      "content-type",
      "host",
      "openai-beta",
    ].sort(),
  );
  expect(sent["authorization"]).toBe("Bearer upstream-secret");
});

test("what is too large, encoded or too deep is refused by its protocol's error", async () => {
  const post = (body: string, headers: Record<string, string> = {}) =>
    fetch(`${at.gateway.url}/v1/chat/completions`, {
      ...{ method: "POST", body, headers: { authorization: `Bearer ${at.secret}`, ...headers } },
    });
  expect((await raw(head(["content-length: 99999999999"]))).slice(0, 12)).toBe("HTTP/1.1 413");
  const encoded = await post(BODY, { "content-encoding": "gzip" });
  expect([encoded.status, await encoded.json()]).toMatchObject([415, { error: { code: "body_encoded" } }]);
  const deep = await post(`{"model":"quick","messages":${"[".repeat(300)}${"]".repeat(300)}}`);
  expect([deep.status, await deep.json()]).toMatchObject([400, { error: { code: "invalid_json" } }]);
  const named = await post(BODY, { "idempotency-key": "x".repeat(300) });
  expect([named.status, await named.json()]).toMatchObject([
    400,
    { error: { code: "idempotency_key_invalid" } },
  ]);
});

test("after a call nothing of it is in the tables or the write-ahead log on disk", async () => {
  // Made of two, so that the test itself does not hold it whole in its source.
  const canary = ["canary", "in", "the", "coal", "mine"].join("-");
  const marked = Buffer.from(BODY.replace('"x"', JSON.stringify(canary)));
  at.provider.script(() => reply(`${canary} answered`), hang({ afterChunks: 2 }));
  const send = async (more: Buffer, signal?: AbortSignal): Promise<Response> =>
    fetch(`${at.gateway.url}/v1/chat/completions`, {
      ...{ method: "POST", body: more, headers: { authorization: `Bearer ${at.secret}` } },
      ...(signal !== undefined && { signal }),
    });
  await (await send(marked)).text();
  const left = new AbortController();
  const streamed = Buffer.from(marked.toString().replace("{", '{"stream":true,'));
  const reader = (await send(streamed, left.signal)).body?.getReader();
  await reader?.read();
  left.abort();
  await at.gateway.flush();
  const { rows } = await at.db.query<{ hits: string; files: string }>(
    `select count(*) filter (where position($1::bytea in pg_read_binary_file(f.path)) > 0) as hits,
       count(*) as files
     from (select 'pg_wal/' || name as path from pg_ls_waldir()
       union all select pg_relation_filepath(c.oid) from pg_class c
         join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = 'factotum' and pg_relation_filepath(c.oid) is not null) f`,
    [Buffer.from(canary)],
  );
  expect(Number(rows[0]?.files)).toBeGreaterThan(50);
  expect(rows[0]?.hits).toBe("0");
});

test("a request that comes drop by drop is cut off", async () => {
  const strict = await opened({ ...phaseLimits, clientHeadMs: 300 });
  const socket = connect({ port: Number(new URL(strict.gateway.url).port), host: "127.0.0.1" });
  socket.on("error", () => undefined);
  socket.write("POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\n");
  const drops = setInterval(() => socket.write("x-drop: 1\r\n"), 20);
  const heard: Buffer[] = [];
  socket.on("data", (piece: Buffer) => heard.push(piece));
  await new Promise((resolve) => socket.once("close", resolve));
  clearInterval(drops);
  expect(Buffer.concat(heard).toString()).toMatch(/^(?:HTTP\/1\.1 408|$)/);
  await strict.close();
});
