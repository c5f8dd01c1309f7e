/** The official client with `factotum mcp` as a process of its own, and servers that are killed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import type { Database } from "factotum/postgres";
import { throwawayDatabase } from "factotum/testing";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { builtCommand, compileCache } from "../built.ts";
import { killAll, run, start, type Started } from "../journeys/kit.ts";
import { begin, call, httpClient, stock } from "./kit.ts";

const root = join(import.meta.dirname, "..", "..");
const project = join(root, "test", "mcp-project", "factotum.config.ts");

let db: Database;
let env: Record<string, string>;
const servers: Started[] = [];

beforeAll(async () => {
  db = await throwawayDatabase();
  env = {
    ...{ DATABASE_URL: db.url, NODE_COMPILE_CACHE: compileCache },
    ...{ PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "" },
  };
});
afterEach(() => servers.splice(0).forEach(killAll));
afterAll(() => db.close());

async function stdioClient(...more: readonly string[]): Promise<Client> {
  const client = new Client({ name: "pipe", version: "1" });
  const args = [builtCommand, "--config", project, "mcp", ...more];
  await client.connect(new StdioClientTransport({ command: process.execPath, args, env, stderr: "ignore" }));
  return client;
}

/** Starts a server and waits until it listens. */
async function serve(): Promise<{ readonly started: Started; readonly url: string }> {
  const started = start(["--config", project, "serve", "--port", "0"], { env });
  servers.push(started);
  for await (const line of createInterface({ input: started.child.stderr })) {
    const url = /serving (\S+)\/api/.exec(line)?.[1];
    if (url !== undefined) return { started, url: `${url}/mcp` };
  }
  throw new Error("the server ended before it listened");
}

test("a client over pipes stages, commits and goes; the process ends with it", async () => {
  const client = await stdioClient("--agent", "clerk");
  const attempt = await begin(client, "a chair");
  await call(client, "place_order", { attempt, product: "chair", quantity: 1 });
  expect((await call(client, "commit", { attempt })).value).toMatchObject({ kind: "committed" });
  await client.close();
  expect(await stock(db, "chair")).toBe(499);
  const told = await run(["--config", project, "runs"], { env });
  expect(told.out).toContain("a chair");
});

test("an attempt outlives the process it was begun in, and goes on over another transport", async () => {
  const first = await stdioClient();
  const attempt = await begin(first, "a lamp");
  await call(first, "place_order", { attempt, product: "lamp", quantity: 1 });
  await first.close();
  const { url } = await serve();
  const second = await httpClient(url);
  expect((await call(second, "diff", { attempt })).value["diff"]).toHaveLength(2);
  expect((await call(second, "commit", { attempt })).value).toMatchObject({ kind: "committed" });
  await second.close();
});

test("a server killed between begin and commit loses nothing that it answered", async () => {
  const before = await stock(db, "chair");
  const one = await serve();
  const client = await httpClient(one.url);
  const attempt = await begin(client, "killed in between");
  await call(client, "place_order", { attempt, product: "chair", quantity: 2 });
  // In flight while the process dies: it either came to be, whole, or it did not.
  const lost = call(client, "place_order", { attempt, product: "chair", quantity: 5 }).catch(() => undefined);
  killAll(one.started);
  await lost;
  const two = await serve();
  const again = await httpClient(two.url);
  const { value } = await call(again, "status", { attempt });
  expect(value).toMatchObject({ kind: "open" });
  const orders = await call(again, "find_orders", { attempt, where: {} });
  const staged = (orders.value["rows"] as readonly { quantity: number }[]).map((row) => row.quantity);
  const total = staged.includes(5) ? 7 : 2;
  expect((await call(again, "commit", { attempt })).value).toMatchObject({ kind: "committed" });
  expect(await stock(db, "chair")).toBe(before - total);
  await again.close();
});

test("nothing but the protocol comes out of stdout, whatever comes in", async () => {
  const child = spawn(process.execPath, [builtCommand, "--config", project, "mcp"], {
    env,
    stdio: ["pipe", "pipe", "ignore"],
  });
  const lines: unknown[] = [];
  const answered = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(JSON.parse(line));
      if (lines.length === 1) resolve();
    });
  });
  child.stdin.write("nonsense\n[]\n{}\n\0\n");
  const params = {
    protocolVersion: "2025-06-18",
    capabilities: {},
    clientInfo: { name: "raw", version: "1" },
  };
  child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params })}\n`);
  await answered;
  child.stdin.end();
  const [code] = (await once(child, "exit")) as [number];
  expect(code).toBe(0);
  expect(lines).toMatchObject([{ jsonrpc: "2.0", id: 1, result: { serverInfo: { name: "factotum" } } }]);
});

test("a project that cannot be served says why before anything is read", async () => {
  const told = await run(["--config", project, "mcp", "--agent", "nobody"], { env });
  expect(told).toMatchObject({ code: 2, out: "" });
  expect(told.err).toContain("there is no agent nobody; there is clerk");
});
