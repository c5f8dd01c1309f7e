/** The public conformance suite against our server; docs/mcp.md says why some do not apply. */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFactotum, serveHttp } from "factotum/server";
import { reply, scriptedProvider, throwawayDatabase } from "factotum/testing";
import { expect, onTestFinished, test } from "vitest";
import { conformanceFront } from "./conformance-front.ts";
import { conformanceProject } from "./conformance-project.ts";
import { begin, call, httpClient } from "./kit.ts";

const root = join(import.meta.dirname, "..", "..");
const suite = join(root, "node_modules/@modelcontextprotocol/conformance/dist/index.js");

/** Capabilities that we do not have, each with its reason in docs/mcp.md. */
const NOT_APPLICABLE = [
  ...["completion-complete", "logging-set-level", "tools-call-with-logging"],
  ...["tools-call-image", "tools-call-audio", "tools-call-embedded-resource", "tools-call-mixed-content"],
  ...["resources-read-binary", "resources-templates-read", "resources-subscribe", "resources-unsubscribe"],
  ...["prompts-get-embedded-resource", "prompts-get-with-image"],
  ...["tools-call-sampling", "tools-call-elicitation"],
  ...["elicitation-sep1034-defaults", "elicitation-sep1330-enums"],
  ...["server-sse-multiple-streams", "server-sse-polling"],
];

const PASSED = [
  ...["server-initialize", "ping", "dns-rebinding-protection", "json-schema-2020-12"],
  ...["tools-list", "tools-call-simple-text", "tools-call-error", "tools-call-with-progress"],
  ...["resources-list", "resources-read-text"],
  ...["prompts-list", "prompts-get-simple", "prompts-get-with-args"],
];

async function openServer() {
  const db = await throwawayDatabase();
  const provider = await scriptedProvider();
  provider.otherwise(reply([{ name: "verdict", arguments: { verdict: "pass", because: "as asked" } }]));
  const env = { DATABASE_URL: db.url };
  const factotum = await openFactotum(conformanceProject(provider), { env, directory: ".", say: () => {} });
  await factotum.prepare();
  const http = await serveHttp(factotum, { host: "127.0.0.1", port: 0 });
  onTestFinished(async () => {
    await http.close();
    await factotum.close();
    await db.close();
    await provider.close();
  });
  return { factotum, url: http.url.replace(/\/api$/, "/mcp") };
}

/** Runs every scenario; what each of them found, by its name. */
async function runSuite(url: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const directory = await mkdtemp(join(tmpdir(), "mcp-conformance-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const args = [suite, "server", "--url", url, "--suite", "all", "--output-dir", directory];
  // It exits with 1 where anything failed; what failed is read from its files.
  await new Promise<void>((resolve) => execFile(process.execPath, args, () => resolve()));
  const found = new Map<string, readonly string[]>();
  for (const name of await readdir(directory)) {
    const checks = JSON.parse(await readFile(join(directory, name, "checks.json"), "utf8")) as {
      status: string;
    }[];
    const scenario = /^server-(.*)-\d{4}-\d\d-\d\dT/.exec(name)?.[1] ?? name;
    found.set(
      scenario,
      checks.map((check) => check.status),
    );
  }
  return found;
}

test("every scenario of the conformance suite that concerns us passes, and no other", async () => {
  const { factotum, url } = await openServer();
  const client = await httpClient(url);
  const attempts = { plain: await begin(client), staged: await begin(client) };
  await call(client, "note", { attempt: attempts.staged, id: 1, text: "buy milk" });
  await client.close();
  const worker = Promise.withResolvers<ReturnType<typeof factotum.work>>();
  const front = await conformanceFront(url, attempts, (count) => {
    // Only once the client has heard three times is there anybody who asks the judge.
    if (count === 3) worker.resolve(factotum.work());
  });
  onTestFinished(() => front.close());
  const found = await runSuite(front.url);
  await (await worker.promise).stop();
  const passed = [...found].filter(
    ([, said]) => said.includes("SUCCESS") && !said.some((one) => one === "FAILURE" || one === "WARNING"),
  );
  const names = passed.map(([name]) => name).toSorted();
  expect(names).toEqual(PASSED.toSorted());
  expect([...found.keys()].filter((name) => !names.includes(name)).toSorted()).toEqual(
    NOT_APPLICABLE.toSorted(),
  );
  expect((await factotum.db.query("select text from notes")).rows).toEqual([{ text: "buy milk" }]);
});
