/** Effects of an agent from its tool to the receiver, with the people who see and mend them on the way. */
import { expect, onTestFinished, test } from "vitest";
import { renderStory } from "../../src/cli/render-story.ts";
import {
  type Channel,
  defineAgent,
  defineConfig,
  type Delivery,
  DeliveryError,
  type Factotum,
  invariant,
  microUsd,
  openFactotum,
  serveHttp,
  tool,
  z,
} from "../../src/index.ts";
import { throwawayDatabase } from "../../src/testing/index.ts";

const Order = z.strictObject({ id: z.string(), to: z.string() });
type Order = z.infer<typeof Order>;

const place = tool({
  name: "place",
  description: "Notes an order and tells the warehouse.",
  effect: "write",
  input: Order,
  output: z.strictObject({}),
  run: async (tx, { id, to }, { emit }) => {
    await tx.query("insert into public.orders values ($1)", [id]);
    await emit({ channel: to, body: { order: id }, orderKey: id, ifUndone: { cancelled: id } });
    return {};
  },
});

const clerk = defineAgent<Order>({
  ...{ name: "clerk", version: 1, policy: "Note orders.", input: Order, tools: [place] },
  ...{ tables: { "public.orders": "write" }, effects: ["warehouse"] },
  checks: [
    invariant("the warehouse is told", ({ diff }) =>
      diff.some((row) => row.table === "factotum.outbox") ? [] : ["it is not"],
    ),
  ],
  cascade: [
    {
      ...{ kind: "code", name: "note" },
      async run({ input, call }) {
        await call("place", input);
        return { kind: "finished", doubts: [] };
      },
    },
  ],
  value: () => microUsd(1),
  present: ({ id }) => ({ title: `order ${id}`, text: id }),
});

const paint = new Proxy({} as Parameters<typeof renderStory>[1], { get: () => (text: string) => text });

async function open(deliver: (delivery: Delivery) => void): Promise<{
  readonly factotum: Factotum;
  readonly work: (id: string, to?: string) => Promise<Awaited<ReturnType<Factotum["showRun"]>>>;
  readonly drained: () => Promise<void>;
}> {
  const db = await throwawayDatabase();
  await db.query("create table public.orders (id text primary key)");
  const warehouse: Channel = {
    problems: (body) => (JSON.stringify(body).includes("bad") ? ["no such order"] : []),
    deliver: async (delivery) => {
      deliver(delivery);
      return "noted";
    },
  };
  const config = defineConfig({ name: "shop", agents: [clerk], channels: { warehouse, other: warehouse } });
  const factotum = await openFactotum(config, {
    env: { DATABASE_URL: db.url },
    directory: ".",
    say: () => {},
  });
  await factotum.prepare();
  const worker = factotum.work();
  onTestFinished(async () => {
    await worker.stop();
    await factotum.close();
  });
  return {
    factotum,
    drained: () => worker.drained(),
    work: async (id, to = "warehouse") => {
      const { run } = await factotum.start({ agent: "clerk", key: id, input: { id, to } });
      await worker.drained();
      return await factotum.showRun(run.id);
    },
  };
}

test("what a tool emits is committed, sent, told in the story, and countermanded by undo", async () => {
  const sent: unknown[] = [];
  const { factotum, work, drained } = await open(({ body }) => sent.push(body));
  const story = await work("a1");
  expect(sent).toEqual([{ order: "a1" }]);
  expect(story.effects).toMatchObject([{ channel: "warehouse", state: "delivered", note: "noted" }]);
  const told = renderStory(story, paint);
  expect(told).toContain("> send to warehouse, once committed");
  expect(told).toContain("delivered  warehouse  noted");
  expect(await factotum.outbox.count("clerk")).toMatchObject({ delivered: 1, dead: 0 });
  await factotum.undo(story.run.id, "ann");
  await drained();
  expect(sent).toEqual([{ order: "a1" }, { cancelled: "a1" }]);
  expect((await factotum.db.query("select from public.orders")).rowCount).toBe(0);
});

test("an effect that is undeclared, or that its channel will not take, is never committed", async () => {
  const sent: unknown[] = [];
  const { work } = await open(({ body }) => sent.push(body));
  const stray = await work("b1", "other");
  expect(stray.attempts[0]?.verdicts).toMatchObject([
    { because: expect.stringContaining("did not declare this channel") as string },
  ]);
  const bad = await work("bad");
  expect(bad.attempts[0]?.verdicts).toContainEqual(
    expect.objectContaining({ kind: "fail", because: "to warehouse: no such order" }),
  );
  expect([sent, stray.effects, bad.effects]).toEqual([[], [], []]);
});

test("a dead letter is found by doctor, shown, resent and dropped over HTTP", async () => {
  let broken = true;
  const { factotum, work, drained } = await open(() => {
    if (broken) throw new DeliveryError({ retry: "never", arrived: "no", message: "no such ticket" });
  });
  const { effects } = await work("c1");
  await work("c2");
  const outbox = (await factotum.diagnose()).find((finding) => finding.what === "outbox");
  expect(outbox).toMatchObject({ state: "warning", detail: "0 delivered, 0 waiting, 2 dead" });
  const http = await serveHttp(factotum, { host: "127.0.0.1", port: 0 });
  onTestFinished(() => http.close());
  const ask = async (
    path: string,
    method = "GET",
  ): Promise<{ readonly status: number; readonly body: unknown }> => {
    const content = method === "GET" ? {} : { body: "{}", headers: { "content-type": "application/json" } };
    const response = await fetch(`${http.url}/outbox${path}`, { method, ...content });
    return { status: response.status, body: await response.json() };
  };
  const [first] = effects;
  expect(await ask(`/${first?.id}`)).toMatchObject({
    status: 200,
    body: { state: "dead", lastError: "no such ticket", body: { order: "c1" } },
  });
  broken = false;
  expect(await ask(`/${first?.id}/resend`, "POST")).toMatchObject({ body: { settledBy: "http" } });
  await drained();
  expect(await ask("?state=dead")).toMatchObject({ body: { effects: [{ body: { order: "c2" } }] } });
  const { body } = await ask("?state=dead");
  const { id } = z.object({ effects: z.array(z.object({ id: z.string() })) }).parse(body).effects[0] ?? {
    id: "",
  };
  expect(await ask(`/${id}/drop`, "POST")).toMatchObject({ status: 200, body: { state: "dropped" } });
  expect(await ask(`/${id}/resend`, "POST")).toMatchObject({ status: 409 });
  expect(await ask("/99")).toMatchObject({ status: 404, body: { error: { code: "effect-unknown" } } });
  expect(await ask(`/${first?.id}`)).toMatchObject({ body: { state: "delivered" } });
});

test("a project whose agent declares a channel that is not there does not open", async () => {
  const config = defineConfig({ name: "shop", agents: [clerk] });
  await expect(openFactotum(config, { env: {}, directory: ".", say: () => {} })).rejects.toMatchObject({
    code: "channel-unknown",
  });
});
