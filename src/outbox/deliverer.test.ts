import { expect, onTestFinished, test } from "vitest";
import { must } from "../kernel/index.ts";
import { type Database, setClock } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import { commitEffects, effectsOf, undoEffectsOf } from "./committing.test.kit.ts";
import {
  type Channel,
  type Channels,
  type CommittedEffect,
  countEffects,
  type Deliverer,
  type Delivery,
  DeliveryError,
  drop,
  resend,
  startDeliverer,
  webhook,
} from "./index.ts";
import {
  answer,
  hang,
  type Manner,
  type Receiver,
  reset,
  resetInside,
  startReceiver,
} from "./receiver.test.kit.ts";

const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const soon = { firstMs: 1, waitMsMax: 5 };

function deliver(
  db: Database,
  channels: Channels,
  options: object = {},
): Deliverer & { readonly told: string[] } {
  const told: string[] = [];
  const say = (line: string): void => void told.push(line);
  const deliverer = startDeliverer({ db, channels, say, sweepMs: 10, ...options });
  onTestFinished(() => deliverer.stop());
  return { ...deliverer, told };
}

async function receiver(...script: readonly Manner[]): Promise<Receiver> {
  const started = await startReceiver(script);
  onTestFinished(() => started.close());
  return started;
}

/** A channel that keeps what it was given. */
function keeping(fail: (delivery: Delivery) => void = () => {}): {
  readonly channels: { readonly hook: Channel };
  readonly seen: Delivery[];
} {
  const seen: Delivery[] = [];
  const channel = {
    retry: soon,
    deliver: async (delivery: Delivery) => {
      seen.push(delivery);
      fail(delivery);
      return undefined;
    },
  };
  return { channels: { hook: channel }, seen };
}

const idOf = (effect: CommittedEffect | undefined) => must(effect, "an effect").id;
const byText = (a: string, b: string): number => (a < b ? -1 : 1);

/** Until the outbox is as told: what is tried again is not waited for by `drained`. */
async function until(db: Database, state: string, count: number): Promise<void> {
  while ((await effectsOf(db)).filter((one) => one.state === state).length < count);
}

test("an effect is delivered through every fault of its receiver, each try with the same key", async () => {
  const db = await throwawayDatabase();
  const { url, received } = await receiver(
    ...[answer(500), reset, resetInside, hang, answer(429), answer(404), answer(200, "at last")],
  );
  const hook = webhook({ url, secret: SECRET, timeoutMs: 2_000, retry: soon });
  await commitEffects(db, [{ channel: "hook", body: { ticket: 17 } }]);
  const { told } = deliver(db, { hook });
  await until(db, "delivered", 1);
  const [effect] = await effectsOf(db);
  expect(effect).toMatchObject({ state: "delivered", tries: 7, note: "200 at last", inDoubt: true });
  expect(received.map((one) => [one.key, one.body])).toEqual(
    received.map(() => [effect?.key, '{"ticket":17}']),
  );
  expect(received).toHaveLength(7);
  expect(told).toEqual([]);
});

test("what no try can help is dead at once, is seen, and goes out when a person resends it", async () => {
  const db = await throwawayDatabase();
  const { url, received } = await receiver(answer(410, "closed"));
  await commitEffects(db, [{ channel: "hook", body: 1 }]);
  const deliverer = deliver(db, { hook: webhook({ url, secret: SECRET }) });
  await deliverer.drained();
  const [dead] = await effectsOf(db);
  expect(dead).toMatchObject({ state: "dead", tries: 1, lastError: "the receiver answered 410 closed" });
  expect(deliverer.told).toEqual([`outbox: effect ${dead?.id} to hook is dead: ${dead?.lastError}`]);
  expect(await countEffects(db)).toMatchObject({ dead: 1, delivered: 0 });
  const again = await db.transaction((tx) => resend(tx, idOf(dead), "ann"));
  expect(again).toMatchObject({ state: "waiting", settledBy: "ann" });
  await deliverer.drained();
  expect(await effectsOf(db)).toMatchObject([{ state: "delivered", tries: 2, note: "200 thanks" }]);
  expect(received.map((one) => one.key)).toEqual([dead?.key, dead?.key]);
  await expect(db.transaction((tx) => resend(tx, idOf(dead), "ann"))).rejects.toMatchObject({
    code: "effect-not-dead",
  });
});

test("the tries run out, and a resend gives them all again", async () => {
  const db = await throwawayDatabase();
  const { channels, seen } = keeping(() => {
    throw new Error("no");
  });
  const few = { hook: { ...channels.hook, retry: { ...soon, triesMax: 3 } } };
  await commitEffects(db, [{ channel: "hook", body: 1 }]);
  const deliverer = deliver(db, few);
  await until(db, "dead", 1);
  const [dead] = await effectsOf(db);
  expect(dead).toMatchObject({ tries: 3, lastError: "no (try 3, the last)", inDoubt: true });
  await db.transaction((tx) => resend(tx, idOf(dead), "ann"));
  await deliverer.drained();
  await until(db, "dead", 1);
  expect(seen.map((one) => one.attempt)).toEqual([1, 2, 3, 1, 2, 3]);
  expect(new Set(seen.map((one) => one.key)).size).toBe(1);
});

test("effects of one order key go in order; a dead one holds the rest back until it is dropped", async () => {
  const db = await throwawayDatabase();
  let refusing = true;
  const { channels, seen } = keeping(({ body }) => {
    if (body === "b" && refusing)
      throw new DeliveryError({ retry: "never", arrived: "no", message: "never b" });
  });
  for (const body of ["a", "b", "c"]) await commitEffects(db, [{ channel: "hook", body, orderKey: "k" }]);
  await commitEffects(db, [{ channel: "hook", body: "other", orderKey: "l" }]);
  const deliverer = deliver(db, channels);
  await deliverer.drained();
  expect(seen.map((one) => one.body as string).toSorted(byText)).toEqual(["a", "b", "other"]);
  const [, dead, held] = await effectsOf(db);
  expect(held).toMatchObject({ state: "waiting", behind: dead?.id });
  refusing = false;
  await db.transaction((tx) => drop(tx, idOf(dead), "ann"));
  await deliverer.drained();
  expect(seen.filter((one) => one.body === "b")).toHaveLength(1);
  expect((await effectsOf(db)).map((one) => one.state)).toEqual([
    ...["delivered", "dropped", "delivered", "delivered"],
  ]);
});

test("of several deliverers each effect gets one, in its order", async () => {
  const db = await throwawayDatabase();
  const seen: string[] = [];
  let under = 0;
  const hook = {
    deliver: async ({ body }: Delivery) => {
      under += 1;
      expect(seen).not.toContain(body);
      seen.push(body as string);
      await new Promise((resolve) => setImmediate(resolve));
      under -= 1;
    },
  };
  const three = [1, 2, 3].map(() => deliver(db, { hook }, { concurrency: 2 }));
  const keys = ["a", "b", "c", "d"];
  await Promise.all(
    keys.map(async (orderKey) => {
      for (let n = 0; n < 5; n += 1) {
        const body = (at: number): string => `${orderKey}${n * 4 + at}`;
        await commitEffects(
          db,
          [0, 1, 2, 3].map((at) => ({ channel: "hook", body: body(at), orderKey })),
        );
      }
    }),
  );
  await Promise.all(three.map((one) => one.drained()));
  expect(under).toBe(0);
  expect(seen).toHaveLength(80);
  for (const key of keys) {
    expect(seen.filter((one) => one.startsWith(key))).toEqual(
      Array.from({ length: 20 }, (_, n) => `${key}${n}`),
    );
  }
  expect(three.flatMap((one) => one.told)).toEqual([]);
});

test("an undo and a deliverer never both win", async () => {
  const db = await throwawayDatabase();
  const { channels, seen } = keeping();
  const deliverer = deliver(db, channels);
  const undone: string[] = [];
  for (let n = 0; n < 40; n += 1) {
    const id = await commitEffects(db, [{ channel: "hook", body: n }]);
    // Not always at once, so that now one and now the other is first.
    for (let turns = n % 4; turns > 0; turns -= 1) await db.query("select 1");
    await undoEffectsOf(db, id).then(
      () => undone.push(String(n)),
      (error: unknown) => expect(error).toMatchObject({ code: "undo-refused" }),
    );
  }
  await deliverer.drained();
  const delivered = seen.map((one) => JSON.stringify(one.body));
  expect([...delivered, ...undone].toSorted((a, b) => Number(a) - Number(b))).toEqual(
    Array.from({ length: 40 }, (_, n) => String(n)),
  );
});

test("delays and expiries go by the business clock", async () => {
  const db = await throwawayDatabase();
  const at = new Date("2026-01-05T09:00:00Z");
  await setClock(db, { at, rate: 0 });
  const { channels, seen } = keeping();
  const hour = (hours: number): Date => new Date(at.getTime() + hours * 3_600_000);
  await commitEffects(db, [
    { channel: "hook", body: "later", delaySeconds: 3_600 },
    { channel: "hook", body: "too late", delaySeconds: 3_600, expiresAt: hour(0.5) },
  ]);
  const deliverer = deliver(db, channels);
  await deliverer.drained();
  expect(seen).toEqual([]);
  await setClock(db, { at: hour(1), rate: 0 });
  await deliverer.drained();
  expect(seen.map((one) => one.body)).toEqual(["later"]);
  expect((await effectsOf(db))[1]).toMatchObject({
    state: "dead",
    lastError: "it expired before it could be delivered",
  });
});

test("a process delivers to the channels it has, and leaves others to those that have them", async () => {
  const db = await throwawayDatabase();
  await commitEffects(db, [
    { channel: "hook", body: 1 },
    { channel: "mail", body: 1 },
  ]);
  await deliver(db, keeping().channels).drained();
  expect((await effectsOf(db)).map((one) => [one.channel, one.state])).toEqual([
    ["hook", "delivered"],
    ["mail", "waiting"],
  ]);
});

test("a deliverer that is stopped lets go of what hangs, for another to try at once", async () => {
  const db = await throwawayDatabase();
  const hanging = await receiver(hang);
  const { received } = hanging;
  const hook = webhook({ url: hanging.url, secret: SECRET });
  await commitEffects(db, [{ channel: "hook", body: 1 }]);
  const first = deliver(db, { hook }, { stopMs: 1 });
  await hanging.arrived(1);
  await first.stop();
  expect(await effectsOf(db)).toMatchObject([
    { state: "waiting", lastError: "the process that delivered it was stopped" },
  ]);
  await deliver(db, { hook }).drained();
  expect(await effectsOf(db)).toMatchObject([{ state: "delivered", tries: 2 }]);
  expect(received[0]?.key).toBe(received[1]?.key);
  await expect(first.drained()).rejects.toMatchObject({ code: "deliverer-stopped" });
});

test("a deliverer whose connection is cut hears of effects again", async () => {
  const db = await throwawayDatabase();
  const { channels, seen } = keeping();
  const deliverer = deliver(db, channels);
  await deliverer.drained();
  const others = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
  await db.query(`select pg_terminate_backend(pid) ${others}`);
  await commitEffects(db, [{ channel: "hook", body: 1 }]);
  await deliverer.drained();
  expect(seen).toHaveLength(1);
  while ((await db.query(`select ${others} and query = 'listen factotum_outbox'`)).rowCount === 0);
});
