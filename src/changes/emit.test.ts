import { beforeAll, describe, expect, test } from "vitest";
import { must, type RunId } from "../kernel/index.ts";
import type { Database, Transaction } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import {
  type About,
  attach,
  type ChangeSet,
  commit,
  detach,
  diff,
  type Effect,
  emit,
  emptyChangeSet,
  peek,
  stage,
  undo,
} from "./index.ts";

const about: About = { runId: "7" as RunId, attempt: 1, agent: "clerk", because: "a test" };
let db: Database;

beforeAll(async () => {
  db = await throwawayDatabase();
  await db.query("create table public.orders (id int primary key, product text not null)");
  await db.transaction((tx) => attach(tx, ["public.orders"]));
}, 60_000);

const options = { tables: ["public.orders"], effects: ["mail", "tickets"] };
const staged = async (
  work: (tx: Transaction) => Promise<unknown>,
  base = emptyChangeSet,
): Promise<ChangeSet> => (await stage(db, base, options, work)).changes;
const emitted = (effect: Effect): Promise<ChangeSet> => staged((tx) => emit(tx, effect));
const committed = (set: ChangeSet): ReturnType<typeof commit> =>
  db.transaction((tx) => commit(tx, set, about));
const undone = (id: Awaited<ReturnType<typeof commit>>): ReturnType<typeof undo> =>
  db.transaction((tx) => undo(tx, id, { ...about, because: "a mistake" }));
const count = async (table: string): Promise<number> =>
  (await db.query(`select from factotum.${table}`)).rowCount;
type Standing = { readonly effect: string; readonly state: string; readonly body: unknown };
const standings = async (changeSet: string): Promise<readonly Standing[]> => {
  const { rows } = await db.query<Standing>(
    `select d.effect::text, d.state, o.body
     from factotum.deliveries d left join factotum.outbox o on o.id = d.effect
     where d.change_set = $1 order by d.position`,
    [changeSet],
  );
  return rows;
};
const settle = (changeSet: string, set: string): Promise<unknown> =>
  db.query(`update factotum.deliveries set ${set} where change_set = $1`, [changeSet]);

describe("an effect", () => {
  test("is staged unseen, shown, read by the next call, and gets its delivery in the commit", async () => {
    const body = { to: "ann", text: "\u0000 \ud800 ünï", list: [1, 1.5, null] };
    const set = await staged(async (tx) => {
      await tx.query("insert into public.orders values (1, 'lamp')");
      await emit(tx, { channel: "mail", body, orderKey: "order 1", delaySeconds: 60 });
    });
    expect(await count("outbox")).toBe(0);
    expect(await count("deliveries")).toBe(0);
    const shown = await peek(db, set, async (tx) => ({
      rows: (await tx.query("select body, channel from factotum.outbox")).rows,
      diff: await diff(tx, set),
    }));
    expect(shown.rows).toEqual([{ channel: "mail", body: JSON.parse(JSON.stringify(body)) }]);
    expect(shown.diff.map((row) => [row.table, row.kind, row.after?.["channel"]])).toEqual([
      ["factotum.outbox", "insert", "mail"],
      ["public.orders", "insert", undefined],
    ]);
    const id = await committed(set);
    const [delivery] = await standings(id);
    expect(delivery).toMatchObject({ state: "waiting", body: JSON.parse(JSON.stringify(body)) });
    const { rows } = await db.query(
      `select extract(epoch from d.due_at - s.committed_at)::int as delay, d.order_key
       from factotum.deliveries d join factotum.change_sets s on s.id = d.change_set where s.id = $1`,
      [id],
    );
    expect(rows).toEqual([{ delay: 60, order_key: "order 1" }]);
  });

  test("that is thrown away, or whose commit fails, leaves nothing", async () => {
    const before = await count("deliveries");
    const set = await staged(async (tx) => {
      await tx.query("insert into public.orders values (1, 'taken')");
      await emit(tx, { channel: "mail", body: 1 });
    }).catch(() => emptyChangeSet);
    expect(set).toBe(emptyChangeSet);
    const clash = await staged(async (tx) => {
      await tx.query("insert into public.orders values (2, 'lamp')");
      await emit(tx, { channel: "mail", body: 1 });
    });
    await db.query("insert into public.orders values (2, 'chair')");
    await expect(committed(clash)).rejects.toMatchObject({ code: "conflict" });
    expect(await count("deliveries")).toBe(before);
  });

  test("that an earlier call emitted can be taken back by a later one", async () => {
    const one = await emitted({ channel: "mail", body: "a" });
    const none = await staged((tx) => tx.query("delete from factotum.outbox"), one).catch(
      (error: unknown) => error,
    );
    // The first test's effect is committed: nobody may take that one.
    expect(none).toMatchObject({ code: "effect-changed" });
    const key = must(one.rows[0], "the effect").key.slice(1, -1);
    const two = await staged((tx) => tx.query("delete from factotum.outbox where id = $1", [key]), one);
    expect(two.rows).toEqual([]);
  });

  test("goes to a declared channel only, whichever way it gets into the outbox", async () => {
    await expect(emitted({ channel: "sms", body: 1 })).rejects.toMatchObject({
      code: "effect-invalid",
      message: expect.stringContaining("declared mail, tickets") as string,
    });
    const raw = "insert into factotum.outbox (channel, body) values ('sms', '1')";
    await expect(staged((tx) => tx.query(raw))).rejects.toMatchObject({ code: "undeclared-effect" });
    await expect(
      stage(db, emptyChangeSet, { tables: ["public.orders"] }, (tx) => tx.query(raw)),
    ).rejects.toMatchObject({ code: "undeclared-table" });
    await expect(db.transaction((tx) => emit(tx, { channel: "mail", body: 1 }))).rejects.toMatchObject({
      code: "not-staged",
    });
  });

  test("cannot touch how a delivery stands", async () => {
    const sql = "update factotum.deliveries set state = 'delivered', settled_at = now()";
    await expect(staged((tx) => tx.query(sql))).rejects.toMatchObject({ code: "undeclared-table" });
  });

  test.each([
    ["a body that is too large", { body: "x".repeat(262_144) }, "262146 bytes"],
    ["a contrary that is too large", { body: 1, ifUndone: "x".repeat(300_000) }, "ifUndone"],
    ["a body that is no data", { body: undefined as never }, "not plain data"],
    ["an empty order key", { body: 1, orderKey: "" }, "orderKey"],
    ["a delay into the past", { body: 1, delaySeconds: -1 }, "delaySeconds"],
  ])("with %s is refused", async (_, effect, because) => {
    await expect(emitted({ channel: "mail", ...effect })).rejects.toMatchObject({
      code: "effect-invalid",
      message: expect.stringContaining(because) as string,
    });
  });

  test("inserted past emit() meets the same limits", async () => {
    const big = "insert into factotum.outbox (channel, body) values ('mail', to_json(repeat('x', 262144)))";
    await expect(staged((tx) => tx.query(big))).rejects.toThrow("outbox_body_size");
  });

  test("keeps the order in which a change set emitted, past ten of them", async () => {
    const id = await committed(
      await staged(async (tx) => {
        for (let n = 0; n < 12; n += 1) await emit(tx, { channel: "mail", body: n, orderKey: "k" });
      }),
    );
    expect((await standings(id)).map((one) => one.body)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  test("outlives detach, which takes triggers off the user's tables only", async () => {
    await db.transaction((tx) => detach(tx));
    const id = await committed(await emitted({ channel: "mail", body: 1 }));
    expect(await standings(id)).toMatchObject([{ state: "waiting", body: 1 }]);
    await db.transaction((tx) => attach(tx, ["public.orders"]));
  });
});

describe("undo of a change set with effects", () => {
  test("takes away what has not left, and no deliverer will find it", async () => {
    const id = await committed(await emitted({ channel: "mail", body: "never" }));
    const back = await undone(id);
    expect(await standings(id)).toMatchObject([{ state: "withdrawn", body: null }]);
    expect(await standings(back)).toEqual([]);
  });

  test.each([
    ["delivered", "state = 'delivered'", "is delivered"],
    ["perhaps delivered", "in_doubt = true", "may have arrived"],
    [
      "being delivered",
      "state = 'delivering', holder = gen_random_uuid(), lease_until = now()",
      "at this moment",
    ],
  ])("is refused, and changes nothing, where one is %s", async (_, set, because) => {
    const id = await committed(await emitted({ channel: "tickets", body: 1 }));
    await settle(id, set);
    const [before] = await standings(id);
    await expect(undone(id)).rejects.toMatchObject({
      code: "undo-refused",
      message: expect.stringMatching(
        new RegExp(`effect ${before?.effect} to tickets .*${because}`),
      ) as string,
    });
    expect(await standings(id)).toEqual([before]);
  });

  test("delivers the contrary where it carries one and has left, and keeps what was said", async () => {
    const ifUndone = { text: 'not, "really" (so)' };
    const id = await committed(
      await staged(async (tx) => {
        await emit(tx, { channel: "tickets", body: "told", orderKey: "t 1", ifUndone });
        await emit(tx, { channel: "tickets", body: "untold", orderKey: "t 2", ifUndone });
      }),
    );
    await db.query(
      `update factotum.deliveries set state = 'delivered'
       where change_set = $1 and position =
         (select min(position) from factotum.deliveries where change_set = $1)`,
      [id],
    );
    const back = await undone(id);
    expect(await standings(id)).toMatchObject([
      { state: "delivered", body: "told" },
      { state: "withdrawn", body: null },
    ]);
    expect(await standings(back)).toMatchObject([{ state: "waiting", body: ifUndone }]);
  });
});
