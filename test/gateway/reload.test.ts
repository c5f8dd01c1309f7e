/** A gateway that serves goes by its configuration as it is on the disk, and never by a broken one. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { makeKey } from "factotum/gateway";
import { throwawayDatabase } from "factotum/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { killAll, run, start, type Started, type Surroundings } from "../journeys/kit.ts";

const folder = mkdtempSync(join(tmpdir(), "factotum-reload-"));
const POLL_MS = 20;
/** What the provider was asked for, in order. */
const asked: string[] = [];
/** An answer that the provider holds back. */
let held: ServerResponse | null = null;
let hold = false;
const provider = createServer((request, response) => {
  void respond(request, response);
});
async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  asked.push(String(Reflect.get(Object(await json(request)), "model")));
  if (hold) held = response;
  else response.writeHead(200, { "content-type": "application/json" }).end(ANSWER);
  hold = false;
}
const ANSWER = JSON.stringify({
  choices: [{ index: 0, message: { role: "assistant", content: "ok" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
});

let gateway: Started;
let surroundings: Surroundings;
let url = "";
let secret = "";
let said = "";

/** The models stand in a file of their own, which the configuration imports. */
function writeModels(names: readonly string[], host = "127.0.0.1"): void {
  const { port } = provider.address() as AddressInfo;
  const baseUrl = `http://${host}:${port}/v1`;
  const models = names.map((name) => ({ id: `x/${name}`, baseUrl, local: true }));
  writeFileSync(join(folder, "models.ts"), `export const models = ${JSON.stringify(models)};\n`);
}

function writeConfig(text: string): void {
  writeFileSync(
    join(folder, "factotum.config.ts"),
    `import { readFileSync } from "node:fs";
     import { models } from "./models.ts";
     export default { name: "reload", agents: [], models, gateway: ${text} };\n`,
  );
}

const ask = (): Promise<Response> =>
  fetch(`${url}/v1/chat/completions`, {
    ...{ method: "POST", headers: { authorization: `Bearer ${secret}` } },
    body: '{"model":"main","messages":[]}',
  });
/** The model that a call comes to now. */
async function answers(): Promise<string | undefined> {
  const answer = await ask();
  await answer.text();
  return answer.ok ? asked.at(-1) : String(answer.status);
}
async function until(done: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await done())) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
}

beforeAll(async () => {
  await new Promise<void>((resolve) => provider.listen(0, "127.0.0.1", resolve));
  const db = await throwawayDatabase();
  ({ secret } = await db.transaction((tx) => makeKey(tx, { name: "reload" }, randomBytes)));
  writeModels(["a", "b"]);
  writeConfig('{ aliases: { main: ["x/a", "x/b"] } }');
  surroundings = {
    cwd: folder,
    env: {
      ...{ DATABASE_URL: db.url, FACTOTUM_GATEWAY_SECRET: "a secret of these tests, long enough" },
      NODE_OPTIONS: `--import=${join(import.meta.dirname, "..", "fixtures", "own-names.mjs")}`,
    },
  };
  gateway = start(["gateway", "--port", "0", "--json"], surroundings);
  gateway.child.stderr.on("data", (piece: Buffer) => (said += piece.toString()));
  let out = "";
  gateway.child.stdout.on("data", (piece: Buffer) => (out += piece.toString()));
  await until(() => out.includes("\n"));
  ({ url } = JSON.parse(out) as { url: string });
}, 120_000);
afterAll(async () => {
  gateway.child.kill("SIGTERM");
  await gateway.ended;
  killAll(gateway);
  provider.closeAllConnections();
  provider.close();
  rmSync(folder, { recursive: true });
});

test("a changed import is in force soon, and a call under way ends by what it began with", async () => {
  expect(await answers()).toBe("a");
  hold = true;
  const underway = ask();
  await until(() => held !== null);
  writeModels(["c"]);
  writeConfig('{ aliases: { main: "x/c" } }');
  await until(async () => (await answers()) === "c");
  asked.length = 0;
  // It is tried elsewhere: at the second model of the list that it began with.
  held?.writeHead(503).end();
  expect((await underway).status).toBe(200);
  expect(asked).toEqual(["b"]);
});

test("a broken configuration is refused by its reason, and the former one stays", async () => {
  const before = await answers();
  writeConfig('{ aliases: { main: "x/unknown" } }');
  await until(() => said.includes("x/unknown, which is no configured model"));
  expect(await answers()).toBe(before);
  writeConfig("{ aliases: ");
  await until(() => said.includes("cannot be loaded"));
  expect(await answers()).toBe(before);
  expect(said).toContain("the former one stays");
});

test("SIGHUP reads it anew, also what it does not import", async () => {
  const names = (name: string): void =>
    writeFileSync(join(folder, "names.json"), JSON.stringify({ aliases: { main: `x/${name}` } }));
  names("d");
  writeModels(["d", "e"]);
  writeConfig('JSON.parse(readFileSync(new URL("names.json", import.meta.url), "utf8"))');
  await until(async () => (await answers()) === "d");
  names("e");
  gateway.child.kill("SIGHUP");
  await until(async () => (await answers()) === "e");
  expect(said).toContain("is in force");
});

test("a public name of one's own is called once it is listed", async () => {
  writeModels(["f"], "engines.example.com");
  writeConfig('{ aliases: { main: "x/f" } }');
  await until(async () => (await answers()) === "502");
  writeConfig('{ aliases: { main: "x/f" }, privateHosts: ["*.example.com"] }');
  await until(async () => (await answers()) === "f");
  expect(said).toContain("engines.example.com is at 127.0.0.1, which is a private address");
});

test("a new key has the limits of the configuration where nobody says others", async () => {
  writeConfig("{ keyDefaults: { requestsPerMinute: 7, tokensPerMinute: 8 } }");
  const { out } = await run(["key", "create", "new", "--tpm", "9", "--json"], surroundings);
  expect(JSON.parse(out)).toMatchObject({ key: { requestsPerMinute: 7, tokensPerMinute: 9 } });
});
