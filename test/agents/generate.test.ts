/** Tools generated from a live schema. */
import { openToolbox, type Tool } from "factotum/agents";
import { throwawayDatabase } from "factotum/testing";
import type { Database, Transaction } from "factotum/postgres";
import type { RunId } from "factotum/kernel";
import { expect, test } from "vitest";
import { clerk } from "./shop.ts";

const SCHEMA = `
  create schema hotel;
  create type hotel.level as enum ('low', 'high');
  create table hotel.rooms (
    id bigint generated always as identity primary key,
    name text not null, level hotel.level not null default 'low', tags text[] not null default '{}',
    price numeric(10,2) check (price > 0), extra jsonb, label text generated always as (name || '!') stored);
  comment on table hotel.rooms is 'Rooms we let.';
  comment on column hotel.rooms.price is 'Euros a night.';
  create table hotel.stays (
    room_id bigint references hotel.rooms, guest text, primary key (room_id, guest));`;

const context = { runId: "1" as RunId, input: null, at: new Date(0) };

async function open(): Promise<{ db: Database; tools: ReadonlyMap<string, Tool> }> {
  const db = await throwawayDatabase();
  await db.query(SCHEMA);
  const agent = clerk({
    tables: { "hotel.rooms": "write", "hotel.stays": "read" },
    generate: { "hotel.rooms": "write", "hotel.stays": "read" },
  });
  return { db, tools: await db.transaction((tx) => openToolbox(tx, agent)) };
}

test("names, types, enums, comments and keys become tools", async () => {
  const { db, tools } = await open();
  expect([...tools.keys()].sort()).toEqual(
    [
      ...["aggregate_rooms", "aggregate_stays", "delete_rooms", "find_rooms", "find_stays"],
      ...["insert_rooms", "place_order", "update_rooms"],
    ].sort(),
  );
  const insert = tools.get("insert_rooms");
  expect(insert?.description).toContain("Rooms we let.");
  const schema = JSON.stringify(insert?.inputSchema);
  expect(schema).toContain('"enum":["low","high"]');
  expect(schema).toContain("Euros a night.");
  expect(schema).not.toContain('"label"');
  expect(schema).toContain('"required":["name"]');
  await db.close();
});

test("generated tools insert, find, update and delete by key", async () => {
  const { db, tools } = await open();
  await db.transaction(async (tx) => {
    const row = { name: "blue", price: "80.50", tags: ["a", "b"], extra: { sea: true } };
    await call(tools, tx, "insert_rooms", { row });
    const found = await call(tools, tx, "find_rooms", { where: { name: "blue" } });
    expect(found).toMatchObject({
      rows: [{ id: 1, level: "low", price: "80.50", tags: ["a", "b"], extra: { sea: true }, label: "blue!" }],
      more: false,
    });
    await call(tools, tx, "update_rooms", { key: { id: 1 }, set: { level: "high", price: null } });
    expect(await call(tools, tx, "find_rooms", { where: { price: null } })).toMatchObject({
      rows: [{ level: "high" }],
    });
    await call(tools, tx, "delete_rooms", { key: { id: "1" } });
    expect(await call(tools, tx, "find_rooms", {})).toEqual({ rows: [], more: false });
  });
  await db.close();
});

test("what does not fit is refused with a sentence, before it reaches the database", async () => {
  const { db, tools } = await open();
  await db.transaction(async (tx) => {
    for (const [name, input] of [
      ["insert_rooms", { row: { name: "x", level: "middle" } }],
      ["insert_rooms", { row: { name: "x", nonsense: 1 } }],
      ["find_rooms", { where: { "name = '' or 1=1 --": "x" } }],
      ["find_rooms", { limit: 1_000_000 }],
    ] as const) {
      await expect(call(tools, tx, name, input)).rejects.toMatchObject({ code: "tool-input" });
    }
    await expect(call(tools, tx, "delete_rooms", { key: { id: 9 } })).rejects.toMatchObject({
      code: "row-unknown",
    });
  });
  await db.close();
});

function call(tools: ReadonlyMap<string, Tool>, tx: Transaction, name: string, input: object) {
  const found = tools.get(name);
  if (found === undefined) throw new Error(`no tool ${name}`);
  return found.call(tx, input as never, context);
}
