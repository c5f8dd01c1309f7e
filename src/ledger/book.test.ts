import { expect, test } from "vitest";
import {
  type CallId,
  microUsd,
  type ModelId,
  must,
  type RunId,
  type TenantId,
  tokens,
} from "../kernel/index.ts";
import { setClock } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import {
  bookCall,
  bookValue,
  type CallBooking,
  entriesOf,
  ratesOf,
  reverseLoss,
  statementOf,
  totals,
} from "./index.ts";

const db = await throwawayDatabase();
const found = ratesOf({ provider: "openai", model: "gpt-4o-mini" }, new Date("2026-11-20T10:00:00Z"));
const rates = must(found.kind === "known" ? found.rates : null, "rates");

function booking(runId: string, callId: string, more: Partial<CallBooking> = {}): CallBooking {
  return {
    ...{ runId: runId as RunId, callId: callId as CallId, try: 1, attempt: 1, kind: "cost", rates },
    model: "openai/gpt-4o-mini" as ModelId,
    usage: {
      input: tokens(70),
      cachedInput: tokens(30),
      cacheWrite: tokens(0),
      output: tokens(15),
      reasoning: tokens(5),
    },
    amount: microUsd(25),
    because: "answered",
    ...more,
  };
}

test("a run's statement is the sum of its entries, by model", async () => {
  const small = "ollama/small" as ModelId;
  await db.transaction(async (tx) => {
    await bookCall(tx, booking("1", "a"));
    await bookCall(tx, booking("1", "b", { model: small, amount: microUsd(0) }));
    await bookCall(tx, booking("1", "b", { try: 2, kind: "loss", model: small, amount: microUsd(7) }));
    await bookValue(tx, { runId: "1" as RunId, value: microUsd(4_000_000), because: "resolved" });
    await bookCall(tx, booking("2", "c", { amount: microUsd(1_000) }));
  });
  const statement = await statementOf(db, "1" as RunId);
  expect(statement).toMatchObject({ cost: 25n, loss: 7n, value: 4_000_000n, calls: 2, runs: 1 });
  expect(statement.usage).toEqual({
    input: 210n,
    cachedInput: 90n,
    cacheWrite: 0n,
    output: 45n,
    reasoning: 15n,
  });
  expect(statement.byModel).toMatchObject([
    { model: "ollama/small", cost: 0n, loss: 7n, value: 0n, calls: 1 },
    { model: "openai/gpt-4o-mini", cost: 25n, loss: 0n, value: 0n, calls: 1 },
  ]);
  expect(await totals(db)).toMatchObject({ cost: 1_025n, runs: 2, calls: 3 });
  const entries = await entriesOf(db, "1" as RunId);
  expect(entries).toHaveLength(4);
  expect(entries[0]).toMatchObject({
    debit: "expense/models",
    credit: "payable/openai",
    source: rates.source,
  });
});

test("a run of which nothing was booked has a statement of zeros", async () => {
  expect(await statementOf(db, "999" as RunId)).toMatchObject({
    cost: 0n,
    value: 0n,
    calls: 0,
    runs: 0,
    byModel: [],
  });
});

test("a try is booked once, however often it is told", async () => {
  const twice = booking("3", "d");
  expect(await db.transaction((tx) => bookCall(tx, twice))).not.toBeNull();
  expect(await db.transaction((tx) => bookCall(tx, twice))).toBeNull();
  expect(await statementOf(db, "3" as RunId)).toMatchObject({ cost: 25n, calls: 1 });
});

test("the database refuses to change, delete or truncate what was booked", async () => {
  await db.transaction((tx) => bookCall(tx, booking("4", "e")));
  for (const sql of [
    "update factotum.entries set amount_micro_usd = 0 where call_id = 'e'",
    "delete from factotum.entries where call_id = 'e'",
    "truncate factotum.entries cascade",
  ]) {
    await expect(db.query(sql)).rejects.toThrow(/append-only/);
  }
  await expect(
    db.transaction((tx) => bookCall(tx, booking("4", "f", { amount: microUsd(-1) }))),
  ).rejects.toThrow(/entries_sign_check/);
});

test("a loss is reversed once, and the sums return to what they were", async () => {
  await db.transaction((tx) =>
    bookCall(tx, booking("5", "g", { try: 0, kind: "loss", amount: microUsd(900) })),
  );
  expect(await db.transaction((tx) => reverseLoss(tx, "g" as CallId, "found"))).toBe(1);
  expect(await db.transaction((tx) => reverseLoss(tx, "g" as CallId, "found again"))).toBe(0);
  expect(await statementOf(db, "5" as RunId)).toMatchObject({ loss: 0n, usage: { input: 0n, output: 0n } });
  expect(await entriesOf(db, "5" as RunId)).toHaveLength(2);
});

test("totals can be asked by tenant, agent, attempt and business time", async () => {
  await setClock(db, { at: new Date("2030-01-01T00:00:00Z"), rate: 0 });
  const acme = "acme" as TenantId;
  await db.transaction(async (tx) => {
    await bookCall(tx, booking("6", "h", { tenant: acme, agent: "desk", amount: microUsd(3) }));
    await bookCall(tx, booking("6", "i", { tenant: acme, agent: "desk", attempt: 2, amount: microUsd(5) }));
    await bookValue(tx, {
      runId: "6" as RunId,
      tenant: acme,
      agent: "desk",
      value: microUsd(-2),
      because: "reopened",
    });
  });
  expect(await totals(db, { tenant: acme, agent: "desk" })).toMatchObject({ cost: 8n, value: -2n });
  expect(await totals(db, { tenant: acme, attempt: 2 })).toMatchObject({ cost: 5n });
  expect(await totals(db, { from: new Date("2030-01-01T00:00:00Z") })).toMatchObject({ cost: 8n });
  expect(await totals(db, { tenant: acme, to: new Date("2030-01-01T00:00:00Z") })).toMatchObject({
    cost: 0n,
  });
});
