/** What people say to work that a client of the Model Context Protocol is at reaches it, worker or not. */
import type { Client } from "@modelcontextprotocol/client";
import type { RunId } from "factotum/kernel";
import { type Factotum, type HttpServer, serveHttp } from "factotum/server";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { begin, call, httpClient, openShop, stock } from "./kit.ts";

let factotum: Factotum;
let http: HttpServer;
let client: Client;
let close: () => Promise<void>;
beforeAll(async () => {
  const shop = await openShop();
  ({ factotum } = shop);
  http = await serveHttp(factotum, { host: "127.0.0.1", port: 0 });
  client = await httpClient(http.url.replace(/\/api$/, "/mcp"));
  close = async () => {
    await client.close();
    await http.close();
    await factotum.close();
    await shop.db.close();
  };
});
afterAll(() => close());

let attempt: string;
let run: RunId;
beforeEach(async () => {
  attempt = await begin(client);
  run = String((await call(client, "status", { attempt })).value["run"]) as RunId;
});

const say = (text: string, more: { readonly always?: boolean } = {}) =>
  factotum.nudge(run, { text, by: "bo", ...more });
const says = (text: string): string => `bo says about this piece of work: ${text}`;

/** Places an order; answers all that its result says, a text each. */
async function order(product = "chair"): Promise<readonly string[]> {
  const { content } = await client.callTool({
    name: "place_order",
    arguments: { attempt, product, quantity: 1 },
  });
  return content.map((part) => (part.type === "text" ? part.text : part.type));
}

const wording = "Said meanwhile by the people you work for, and not part of the answer; heed it:";

test("the next call's result carries it, once, beside an answer that is what it was", async () => {
  await say("No lamps");
  await say("And be quick");
  const [answer, said, ...more] = await order();
  expect(JSON.parse(answer ?? "")).toEqual({ order: expect.any(Number) });
  expect([said, more]).toEqual([[wording, says("No lamps"), says("And be quick")].join("\n- "), []]);
  expect(await order()).toHaveLength(1);
  const { steps } = await factotum.showRun(run);
  expect(steps.filter((step) => step.kind === "nudged").map((step) => step.attempt)).toEqual([1, 1]);
  expect((await call(client, "commit", { attempt })).value).toMatchObject({ kind: "committed" });
});

test("a call that fails, and a look, leave it untold; the call after it tells", async () => {
  await say("No lamps");
  expect((await order("sofa")).join()).not.toContain("No lamps");
  for (const _ of [1, 2]) {
    expect((await call(client, "diff", { attempt })).value["told"]).toEqual([says("No lamps")]);
  }
  expect((await order()).at(-1)).toContain("No lamps");
  expect((await call(client, "diff", { attempt })).value).not.toHaveProperty("told");
  // Asked how it stands, it is told all that was said, also what a lost answer carried.
  expect((await call(client, "status", { attempt })).value["told"]).toEqual([says("No lamps")]);
});

test("nothing is committed over it: commit is refused with it, and goes through once told", async () => {
  const before = await stock(factotum.db, "chair");
  await order();
  await say("Two chairs");
  const refused = await call(client, "commit", { attempt });
  expect(refused.value).toMatchObject({ kind: "refused", findings: [says("Two chairs")], refusalsLeft: 5 });
  await order();
  expect((await call(client, "commit", { attempt })).value).toMatchObject({ kind: "committed" });
  expect(await stock(factotum.db, "chair")).toBe(before - 2);
});

test("a worker that reads it first leaves it for the client; a budget keeps nothing up", async () => {
  const worker = factotum.work();
  await order();
  await say("No lamps");
  await worker.drained();
  expect((await factotum.nudges(run)).every((nudge) => nudge.takenAt !== null)).toBe(true);
  expect((await order()).at(-1)).toContain("No lamps");
  await worker.stop();
  await factotum.nudge(run, { budget: 1_000_000n as never, by: "bo" });
  expect((await call(client, "commit", { attempt })).value).toMatchObject({ kind: "committed" });
});

test("work begun again is told all that was said, and what is always to be done", async () => {
  await order();
  await say("No lamps", { always: true });
  const again = await call(client, "begin", { again: attempt });
  expect(again.value["told"]).toEqual(["always: No lamps", says("No lamps")]);
  attempt = String(again.value["attempt"]);
  expect(await order()).toHaveLength(1);
  const other = await call(client, "begin", { work: { note: "another" } });
  expect(other.value["told"]).toEqual(["always: No lamps"]);
  const [instruction] = await factotum.instructions();
  await factotum.withdrawInstruction(instruction?.id ?? "", "bo");
});

test("the word to skip ends the work, with no worker there, and the client is told why", async () => {
  const before = await stock(factotum.db, "chair");
  await order();
  await factotum.nudge(run, { skip: true, text: "We closed", by: "bo" });
  const refused = await order();
  expect(refused.join()).toContain("skipped by bo: We closed");
  expect((await call(client, "status", { attempt })).value).toMatchObject({
    ...{ kind: "discarded", because: "skipped by bo: We closed" },
  });
  expect(await stock(factotum.db, "chair")).toBe(before);
  expect((await factotum.showRun(run)).attempts.map((one) => one.status)).toEqual(["discarded"]);
});
