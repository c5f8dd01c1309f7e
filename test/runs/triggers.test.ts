/** Runs that begin by themselves: by schedule, webhook, table change or file, each once, whoever looks. */
import { createHmac } from "node:crypto";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import type { Trigger } from "factotum/agents";
import { attach, commit, emptyChangeSet, stage } from "factotum/changes";
import type { Json } from "factotum/kernel";
import { type Database, setClock, type Transaction } from "factotum/postgres";
import { listRuns } from "factotum/runs";
import { type HttpServer, serveHttp } from "factotum/server";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { openProject, type Project, shopConfig } from "./project.ts";

const secretOf = (letter: string): string => `whsec_${Buffer.from(letter.repeat(32)).toString("base64")}`;
const SECRET = secretOf("s");
const OLDER = secretOf("o");
const folder = mkdtempSync(join(tmpdir(), "factotum-folder-"));
let quantityUnsaid: number | null = null;
const triggers: readonly Trigger[] = [
  {
    kind: "webhook",
    name: "web",
    secrets: [OLDER, SECRET],
    input: (body) => {
      if (body === 7) throw new TypeError("there is no order in it");
      return body === null ? undefined : body;
    },
  },
  {
    kind: "table",
    name: "wishes",
    table: "shop.wishes",
    on: ["insert", "update"],
    when: `"new".open and "new".product <> ''`,
    input: ({ present }) => ({
      product: present?.["product"] ?? null,
      quantity: present?.["quantity"] ?? quantityUnsaid,
    }),
  },
  {
    kind: "folder",
    name: "drop",
    path: relative("/", folder),
    settleMs: 0,
    // As whoever reads a mail has to be.
    input: async ({ name, bytes }) =>
      name.endsWith(".json") ? (JSON.parse(Buffer.from(bytes).toString()) as Json) : undefined,
  },
];
const made = shopConfig();
const config = shopConfig(
  {
    async prepare(tx) {
      await made.prepare?.(tx);
      await tx.query(
        "create table if not exists shop.wishes (id int primary key, product text, quantity int, open bool)",
      );
    },
  },
  {
    triggers,
    schedules: [
      {
        name: "restock",
        cron: "0 6 * * 1",
        zone: "Europe/Berlin",
        input: () => ({ product: "chair", quantity: 7 }),
      },
    ],
  },
);
let project: Project;
let other: Project;
let db: Database;
let http: HttpServer;
beforeAll(async () => {
  project = await openProject(config);
  ({ db } = project);
  other = await openProject(config, db);
  http = await serveHttp(project.factotum, { host: "127.0.0.1", port: 0, token: "the API's own" });
});
afterAll(async () => {
  await http.close();
  await other.close();
  await project.close();
  rmSync(folder, { recursive: true });
});

const settle = async (): Promise<void> => void (await Promise.all([project.settle(), other.settle()]));
const keys = async (of: string): Promise<readonly string[]> =>
  (await listRuns(db, { order: "oldest" })).flatMap(({ key }) => (key?.startsWith(of) ? [key] : []));

type Sent = { readonly id: string; readonly body: string; readonly secret?: string; readonly ageS?: number };

async function post(name: string, { id, body, secret = SECRET, ageS = 0 }: Sent) {
  const timestamp = String(Math.floor(Date.now() / 1_000) - ageS);
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const signature = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64");
  const headers = {
    ...{ "webhook-id": id, "webhook-timestamp": timestamp },
    ...{ "webhook-signature": `v1,${signature}`, "content-type": "application/json" },
  };
  const url = http.url.replace(/\/api$/, `/hooks/${name}`);
  const response = await fetch(url, { method: "POST", headers, body });
  return {
    status: response.status,
    body: (await response.json()) as { runId: string; error?: { code: string } },
  };
}

test("a webhook that is sent 100 times at once starts one run", async () => {
  const body = JSON.stringify({ product: "chair", quantity: 1 });
  const replies = await Promise.all(Array.from({ length: 100 }, () => post("web", { id: "msg_1", body })));
  expect(replies.map((one) => one.status).toSorted((a, b) => a - b)).toEqual([...Array(99).fill(200), 201]);
  expect(new Set(replies.map((one) => one.body.runId)).size).toBe(1);
  await post("web", { id: "msg_2", body, secret: OLDER });
  expect(await keys("webhook/")).toEqual(["webhook/web/msg_1", "webhook/web/msg_2"]);
});

test("a webhook that is not signed, old, changed or unreadable starts nothing", async () => {
  const body = JSON.stringify({ product: "chair", quantity: 1 });
  const code = async (name: string, sent: Sent) => {
    const reply = await post(name, sent);
    return [reply.status, reply.body.error?.code];
  };
  expect(await code("web", { id: "x", body, secret: secretOf("w") })).toEqual([401, "hook-refused"]);
  expect(await code("web", { id: "x", body, ageS: 400 })).toEqual([401, "hook-refused"]);
  expect(await code("web", { id: "x", body, ageS: -400 })).toEqual([401, "hook-refused"]);
  expect(await code("web", { id: "", body })).toEqual([401, "hook-refused"]);
  expect(await code("none", { id: "x", body })).toEqual([404, "hook-unknown"]);
  expect(await code("web", { id: "x", body: "{" })).toEqual([400, "json-broken"]);
  expect(await code("web", { id: "x", body: `{"product":1}` })).toEqual([422, "input-invalid"]);
  expect(await code("web", { id: "x", body: "7" })).toEqual([422, "hook-unreadable"]);
  expect(await code("web", { id: "x", body: "null" })).toEqual([200, undefined]);
  expect(await keys("webhook/web/x")).toEqual([]);
  const odd = { "webhook-id": "x", "webhook-timestamp": String(Math.floor(Date.now() / 1_000)) };
  const headers = { ...odd, "webhook-signature": `v1,${"é".repeat(44)}` };
  const foreign = await fetch(http.url.replace(/api$/, "hooks/web"), { method: "POST", body, headers });
  expect(foreign.status).toBe(401);
  const naked = await fetch(http.url.replace(/api$/, "hooks/web"), { method: "POST", body });
  const api = await fetch(`${http.url}/runs`);
  expect([naked.status, api.status]).toEqual([401, 401]);
});

test.each([
  ["no secret", "web", []],
  ["an empty secret beside a good one", "web", [SECRET, ""]],
  ["the address of chat tools", "answer", [SECRET]],
])("a webhook with %s is refused before anything starts", async (_, name, secrets) => {
  const hook: Trigger = { kind: "webhook", name, secrets, input: (body) => body };
  await expect(openProject(shopConfig({}, { triggers: [hook] }), db)).rejects.toMatchObject({
    code: expect.stringMatching(/^(start|channel)-invalid$/),
  });
});

test("each change of a watched table starts one run, also of those made while nobody listened", async () => {
  await db.query(`insert into shop.wishes select n, 'chair', n, n <> 3 from generate_series(1, 4) n`);
  await db.query("update shop.wishes set open = true where id = 3");
  await db.query("update shop.wishes set open = false");
  await db
    .transaction(async (tx) => {
      await tx.query("insert into shop.wishes values (9, 'chair', 9, true)");
      throw new Error("not kept");
    })
    .catch(() => undefined);
  await settle();
  const runs = (await listRuns(db, { order: "oldest" })).filter((run) => run.key?.startsWith("table/"));
  // Several may take changes at once, each the oldest that no other has taken.
  const started = runs.map((run) => (run.input as { quantity: number }).quantity);
  expect(new Set(started)).toEqual(new Set([1, 2, 3, 4]));
  expect(started).toHaveLength(4);
  expect((await db.query("select from factotum.events")).rowCount).toBe(0);
});

test("a part that nobody would read is refused before anything starts", async () => {
  const [schedule] = config.agents[0]?.schedules ?? [];
  const given = { triggers: [{ ...triggers[1], condition: "true" } as unknown as Trigger] };
  const timed = { schedules: [{ ...schedule, timezone: "Europe/Berlin" } as never] };
  const nothing = { triggers: [{ ...triggers[1], on: [] } as unknown as Trigger] };
  for (const [more, named] of [
    [given, "condition"],
    [timed, "timezone"],
    [nothing, "nothing"],
  ] as const) {
    const refused = { code: "start-invalid", message: expect.stringContaining(named) };
    await expect(openProject(shopConfig({}, more), db)).rejects.toMatchObject(refused);
  }
});

test("what no run can be made of is kept and told, and tried again by the next to start", async () => {
  await db.query("insert into shop.wishes values (20, 'chair', null, true), (21, 'chair', 21, true)");
  await settle();
  const { rows } = await db.query<{ problem: string }>("select problem from factotum.events");
  expect(rows).toEqual([{ problem: expect.stringMatching(/^agent clerk cannot read this input: quantity/) }]);
  expect((await keys("table/")).length).toBe(5);
  const told = (await project.factotum.diagnose()).find((one) => one.what === "trigger wishes");
  expect(told).toMatchObject({ state: "warning", detail: expect.stringMatching(/^1 changes .* quantity/) });
  quantityUnsaid = 20;
  await project.factotum.prepare();
  await settle();
  expect((await keys("table/")).length).toBe(6);
  expect((await db.query("select from factotum.events")).rowCount).toBe(0);
});

test("what an agent commits to a watched table starts a run; what it only stages does not", async () => {
  await db.transaction((tx) => attach(tx, ["shop.wishes"]));
  const before = (await keys("table/")).length;
  const staged = await stage(db, emptyChangeSet, { tables: ["shop.wishes"] }, async (tx) => {
    await tx.query("insert into shop.wishes values (30, 'chair', 30, true), (31, 'chair', 31, false)");
    await tx.query("delete from shop.wishes where id = 1");
  });
  await settle();
  expect((await keys("table/")).length).toBe(before);
  const [run] = await listRuns(db, { limit: 1 });
  const about = { runId: run?.id as never, attempt: 1, agent: "clerk", because: "a test" };
  await db.transaction((tx) => commit(tx, staged.changes, about));
  await settle();
  const last = (await listRuns(db)).find((one) => one.key?.startsWith("table/"));
  expect([(await keys("table/")).length, last?.input]).toEqual([
    before + 1,
    { product: "chair", quantity: 30 },
  ]);
});

test("a file starts one run by what is in it, however often it comes and under what name", async () => {
  const put = (name: string, text: string): void => {
    writeFileSync(join(folder, `${name}.part`), text);
    renameSync(join(folder, `${name}.part`), join(folder, name));
  };
  const order = (quantity: number) => JSON.stringify({ product: "chair", quantity });
  put("a.json", order(1));
  put("b.json", order(2));
  put("copy of a.json", order(1));
  put("notes.txt", "nothing for us");
  put("broken.json", "{");
  await settle();
  await settle();
  expect((await keys("folder/")).length).toBe(2);
  expect(project.said.filter((line) => line.includes("broken.json"))).toHaveLength(1);
  renameSync(folder, `${folder}.gone`);
  await settle();
  await settle();
  renameSync(`${folder}.gone`, folder);
  expect(project.said.filter((line) => line.includes("cannot be read"))).toHaveLength(1);
});

test("two processes live through a month of Mondays in a moment: four runs, no more", async () => {
  await setClock(db, { at: new Date("2026-03-01T12:00:00Z"), rate: 0 });
  await project.factotum.attach();
  await db.query("update factotum.schedules set through_at = factotum.now(), next_at = factotum.now()");
  await settle();
  for (const day of ["2026-03-10", "2026-03-11", "2026-03-29T12:00:00Z"]) {
    await setClock(db, { at: new Date(day), rate: 0 });
    await settle();
  }
  expect(await keys("schedule/")).toEqual([
    ...["02T05", "09T05", "16T05", "23T05"].map((at) => `schedule/restock/2026-03-${at}:00:00.000Z`),
  ]);
  const [line] = await project.factotum.schedules();
  // The clocks went forward on the 29th.
  expect(line?.nextAt?.toISOString()).toBe("2026-03-30T04:00:00.000Z");
});

test("a detach and a writer that wait in a circle both end, and no trigger of ours is left", async () => {
  let detaching: Promise<unknown> | undefined;
  // Postgres ends the one whose wait is first looked at, and whoever that is tries again.
  const write = async (tx: Transaction): Promise<void> => {
    await tx.query("insert into shop.wishes values (89, 'chair', 89, false)");
    if (detaching === undefined) {
      detaching = project.factotum.detach();
      const waits = "select from pg_locks where relation = 'shop.wishes'::regclass and not granted";
      await vi.waitUntil(async () => (await db.query(waits)).rowCount === 1, { timeout: 10_000 });
    }
    // The detach has taken its trigger off this one already.
    await tx.query("select from shop.orders");
  };
  await db.transaction(write, { retries: 5 });
  await detaching;
  const { rows } = await db.query(
    "select tgname from pg_trigger where tgname like '%factotum%' and tgrelid = 'shop.wishes'::regclass",
  );
  expect(rows).toEqual([]);
  await db.query("insert into shop.wishes values (90, 'chair', 90, true)");
  expect((await db.query("select from factotum.events")).rowCount).toBe(0);
});
