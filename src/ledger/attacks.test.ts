/** Attacks on budgets and holds: by SQL of the tables' own owner, by nonsense amounts, by the clock. */
import { expect, test } from "vitest";
import { microUsd, must } from "../kernel/index.ts";
import { resetClock, setClock } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import {
  auditBudgets,
  type BudgetId,
  type BudgetTerms,
  type HoldId,
  listBudgets,
  openTeller,
  putBudget,
  settleLater,
} from "./index.ts";

const db = await throwawayDatabase();
const teller = await openTeller(db, { name: "test" });

const put = (name: string, terms: BudgetTerms = {}): Promise<BudgetId> =>
  db.transaction((tx) => putBudget(tx, name, terms));
const hold = (id: string, budget: BudgetId, amount: bigint | number) =>
  teller.hold({ id: id as HoldId, budget, amount: microUsd(amount), ifOrphaned: "keep" });
const settle = (id: string, actual: bigint | number) => teller.settle(id as HoldId, microUsd(actual));
async function standing(name: string): Promise<readonly [held: bigint, spent: bigint]> {
  const { held, spent } = must((await listBudgets(db, name))[0], name);
  return [held, spent];
}

test("no SQL of the owner's moves a balance, a hold, a settlement or a promise past the teller", async () => {
  const leaf = await put("guarded/leaf", { cap: microUsd(100) });
  await hold("guarded", leaf, 60);
  await hold("ended", leaf, 10);
  await settle("ended", 10);
  await db.transaction((tx) => settleLater(tx, "later" as HoldId, microUsd(1)));
  const attacks = [
    "update factotum.budgets set spent_micro_usd = 0, held_micro_usd = 0",
    "update factotum.budgets set period_start = factotum.now()",
    "update factotum.budgets set path = '{1}', parent = null",
    "delete from factotum.budgets where name = 'guarded/leaf'",
    "truncate factotum.budgets cascade",
    `insert into factotum.budgets (id, name, path, spent_micro_usd) overriding system value
       values (-1, 'forged', '{-1}', 5)`,
    "update factotum.holds set amount_micro_usd = 1",
    "update factotum.holds set state = 'unknown'",
    "delete from factotum.holds",
    "truncate factotum.holds",
    `insert into factotum.holds (id, budget, amount_micro_usd, keeper, if_orphaned, at)
       values ('forged', 1, 1, 1, 'keep', now())`,
    "update factotum.settlements set actual_micro_usd = 0",
    "delete from factotum.settlements",
    "truncate factotum.settlements",
    "update factotum.spendings set spent_micro_usd = 0",
    "delete from factotum.spendings",
    "truncate factotum.spendings",
    `insert into factotum.spendings (hold, budget, held_micro_usd, spent_micro_usd, excess_micro_usd, how, at)
       values ('forged', 1, 1, 1, 0, 'settled', now())`,
    "update factotum.calls set hold_micro_usd = 0",
    "delete from factotum.calls",
  ];
  // A delete of no row passes a row's trigger: each table has a row, or a statement's trigger.
  await db.query(`insert into factotum.calls (id, run_id, attempt, tenant, model, digest, input_tokens_max,
    output_tokens_max, hold_per_try_micro_usd, hold_micro_usd, rates)
    values ('promised', 1, 1, 'default', 'm', 'd', 1, 1, 1, 1, '{}')`);
  for (const sql of attacks) {
    await expect(db.query(sql), sql).rejects.toMatchObject({ fault: { sqlState: "23001" } });
  }
  expect(await standing("guarded")).toEqual([60n, 10n]);
  expect(await auditBudgets(db)).toEqual([]);
});

test("nonsense in one request refuses that one, and nobody who asked beside it", async () => {
  const leaf = await put("nonsense/leaf", { cap: microUsd(1_000) });
  const good = hold("beside", leaf, 1);
  const bad = [
    hold("negative", leaf, -1),
    hold("huge", leaf, 2n ** 63n - 1n),
    hold("", leaf, 1),
    hold("null\0", leaf, 1),
    settle("beside-not", -5),
    settle("beside-huge", 2n ** 64n),
    db.transaction((tx) => settleLater(tx, "beside" as HoldId, microUsd(-1))),
  ];
  for (const one of bad) await expect(one).rejects.toMatchObject({ code: "hold-invalid" });
  for (const name of ["x", "-1", "1e3", "99999999999999999999"]) {
    await expect(hold(`of ${name}`, name as BudgetId, 1)).rejects.toMatchObject({ code: "budget-unknown" });
  }
  expect(await good).toEqual({ kind: "held" });
  expect(await standing("nonsense")).toEqual([1n, 0n]);
});

test("a hold of nothing is a hold, and what it costs is our loss alone", async () => {
  const leaf = await put("nothing/leaf", { cap: microUsd(0) });
  expect(await hold("nothing", leaf, 0)).toEqual({ kind: "held" });
  expect(await hold("something", leaf, 1)).toMatchObject({ kind: "full" });
  await settle("nothing", 7);
  expect(await standing("nothing")).toEqual([0n, 0n]);
});

test("holds up to the largest amount never overflow a budget without a cap", async () => {
  const leaf = await put("vast/leaf");
  const most = 10n ** 15n;
  const answers = await Promise.all(Array.from({ length: 9_300 }, (_, at) => hold(`vast-${at}`, leaf, most)));
  const held = answers.filter(({ kind }) => kind === "held").length;
  expect(held).toBe(Number((2n ** 63n - 1n) / most));
  // Two visits to the tree are under way at once, so it need not be the last who asked.
  expect(answers.filter(({ kind }) => kind === "full")).toHaveLength(answers.length - held);
  expect(await standing("vast")).toEqual([BigInt(held) * most, 0n]);
});

test("two processes that settle the same hold settle it once", async () => {
  const other = await openTeller(db, { name: "other" });
  const leaf = await put("twice/leaf", { cap: microUsd(100) });
  await Promise.all(Array.from({ length: 10 }, (_, at) => hold(`twice-${at}`, leaf, 10)));
  await Promise.all(
    Array.from({ length: 10 }, (_, at) => [
      settle(`twice-${at}`, 4),
      other.settle(`twice-${at}` as HoldId, microUsd(9)),
      db.transaction((tx) => settleLater(tx, `twice-${at}` as HoldId, microUsd(6))),
    ]).flat(),
  );
  await other.sweep();
  await other.close();
  const { rows } = await db.query<{ rows: string; spent: string }>(
    `select count(*) as rows, sum(spent_micro_usd) as spent from factotum.spendings
     where starts_with(hold, 'twice-')`,
  );
  const [all] = rows;
  expect(all?.rows).toBe("10");
  expect(await standing("twice")).toEqual([0n, BigInt(all?.spent ?? 0)]);
});

test("a day is as long as its time zone says, 23 or 25 hours where the clocks change", async () => {
  const terms = { cap: microUsd(10), period: "day", timeZone: "Europe/Berlin" } as const;
  const leaf = await put("berlin/leaf", terms);
  const days: readonly (readonly [begins: string, hours: number])[] = [
    ["2030-03-30T23:00:00Z", 23],
    ["2030-10-26T22:00:00Z", 25],
  ];
  for (const [begins, hours] of days) {
    const at = (ms: number) => setClock(db, { at: new Date(Date.parse(begins) + ms), rate: 0 });
    const end = hours * 3_600_000;
    await at(0);
    expect(await hold(`${begins} first`, leaf, 10)).toEqual({ kind: "held" });
    await settle(`${begins} first`, 10);
    await at(end - 1);
    expect(await hold(`${begins} last`, leaf, 1)).toMatchObject({ kind: "full" });
    await at(end);
    expect(await hold(`${begins} next`, leaf, 10)).toEqual({ kind: "held" });
    await settle(`${begins} next`, 0);
  }
  // A clock that goes back opens no period that is over.
  await setClock(db, { at: new Date("2030-10-26T12:00:00Z"), rate: 0 });
  expect(await hold("again", leaf, 10)).toEqual({ kind: "held" });
  await settle("again", 10);
  await setClock(db, { at: new Date("2030-10-26T21:00:00Z"), rate: 0 });
  expect(await hold("once more", leaf, 1)).toMatchObject({ kind: "full" });
  expect(await auditBudgets(db)).toEqual([]);
  await resetClock(db);
});

test("a budget that changes its period counts what was spent since the new one began", async () => {
  await setClock(db, { at: new Date("2030-05-01T12:00:00Z"), rate: 0 });
  const leaf = await put("changing/leaf");
  await hold("yesterday", leaf, 30);
  await settle("yesterday", 30);
  await setClock(db, { at: new Date("2030-05-02T12:00:00Z"), rate: 0 });
  await hold("today", leaf, 5);
  await settle("today", 5);
  await put("changing/leaf", { period: "day", cap: microUsd(10) });
  expect(await standing("changing/leaf")).toEqual([0n, 5n]);
  await expect(put("changing/leaf", { period: "month" })).rejects.toMatchObject({
    code: "budget-below-spent",
  });
  await put("changing/leaf", { period: "month", cap: null });
  expect(await standing("changing/leaf")).toEqual([0n, 35n]);
  expect(await auditBudgets(db)).toEqual([]);
  await resetClock(db);
});

test("terms that no budget can have are refused by name", async () => {
  for (const terms of [{ cap: microUsd(-1) }, { soft: microUsd(-1) }, { timeZone: "Mars/Olympus" }]) {
    await expect(put("odd", terms)).rejects.toMatchObject({ code: "budget-invalid" });
  }
});
