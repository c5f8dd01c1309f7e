import { expect, test } from "vitest";
import { microUsd, must } from "../kernel/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import {
  applyDeclared,
  auditBudgets,
  type BudgetId,
  type HoldId,
  type HoldRequest,
  listBudgets,
  openTeller,
  putBudget,
  settleLater,
} from "./index.ts";

const db = await throwawayDatabase();
const teller = await openTeller(db, { name: "test" });

let names = 0;
async function budget(below: string, cap: number | null): Promise<BudgetId> {
  names += 1;
  return db.transaction((tx) =>
    putBudget(tx, `${below}/${names}`, { cap: cap === null ? null : microUsd(cap) }),
  );
}
async function root(cap: number): Promise<string> {
  names += 1;
  const name = `root${names}`;
  await db.transaction((tx) => putBudget(tx, name, { cap: microUsd(cap) }));
  return name;
}
let holds = 0;
function request(leaf: BudgetId, amount: number, more: Partial<HoldRequest> = {}): HoldRequest {
  holds += 1;
  return {
    id: `hold${holds}` as HoldId,
    budget: leaf,
    amount: microUsd(amount),
    ifOrphaned: "keep",
    ...more,
  };
}
async function standing(name: string): Promise<readonly [bigint, bigint]> {
  const found = must((await listBudgets(db, name))[0], name);
  return [found.held, found.spent];
}

test("a hold counts on every level, and settling gives back what was not spent", async () => {
  const top = await root(100);
  const leaf = await budget(`${top}/tenant`, null);
  const asked = request(leaf, 60);
  expect(await teller.hold(asked)).toEqual({ kind: "held" });
  expect(await standing(top)).toEqual([60n, 0n]);
  expect(await teller.hold(request(leaf, 41))).toMatchObject({ kind: "full" });
  await teller.settle(asked.id, microUsd(10));
  expect(await standing(top)).toEqual([0n, 10n]);
  expect(await teller.hold(request(leaf, 90))).toEqual({ kind: "held" });
});

test("racing spenders never get more than there is", async () => {
  const top = await root(1_000);
  const leaves = await Promise.all([1, 2, 3, 4].map(() => budget(top, null)));
  const asked = Array.from({ length: 200 }, (_, at) => request(must(leaves[at % 4], "leaf"), 7));
  const answers = await Promise.all(asked.map((one) => teller.hold(one)));
  expect(answers.filter((one) => one.kind === "held")).toHaveLength(142);
  expect(await standing(top)).toEqual([994n, 0n]);
});

test("a call that cost more than its hold spends the hold, and the rest is our loss", async () => {
  const top = await root(100);
  const asked = request(await budget(top, null), 100);
  await teller.hold(asked);
  await teller.settle(asked.id, microUsd(130));
  expect(await standing(top)).toEqual([0n, 100n]);
  const { rows } = await db.query(
    "select excess_micro_usd as excess from factotum.spendings where hold = $1",
    [asked.id],
  );
  expect(rows).toEqual([{ excess: "30" }]);
});

test("what a turn settles is folded in by a sweep, once, and holds all of it until then", async () => {
  const top = await root(100);
  const asked = request(await budget(top, null), 100);
  await teller.hold(asked);
  await db.transaction(async (tx) => {
    await settleLater(tx, asked.id, microUsd(40));
    await settleLater(tx, asked.id, microUsd(40));
  });
  expect(await standing(top)).toEqual([100n, 0n]);
  await teller.sweep();
  await teller.settle(asked.id, microUsd(40));
  expect(await standing(top)).toEqual([0n, 40n]);
});

test("asking twice holds once, and a hold that has ended is not given again", async () => {
  const top = await root(100);
  const asked = request(await budget(top, null), 30);
  await Promise.all([teller.hold(asked), teller.hold(asked)]);
  await teller.hold(asked);
  expect(await standing(top)).toEqual([30n, 0n]);
  await teller.settle(asked.id, microUsd(0));
  await expect(teller.hold(asked)).rejects.toMatchObject({ code: "hold-ended" });
  await expect(teller.hold(request("999999" as BudgetId, 1))).rejects.toMatchObject({
    code: "budget-unknown",
  });
});

test("holds of a teller that is gone are released, or kept until they are settled after all", async () => {
  const top = await root(100);
  const leaf = await budget(top, null);
  const other = await openTeller(db, { name: "short-lived" });
  const freed = request(leaf, 30, { ifOrphaned: "release" });
  const kept = request(leaf, 50);
  await Promise.all([other.hold(freed), other.hold(kept)]);
  await other.close();
  // The teller's own sweep may be at it at the same moment.
  const swept = async () => {
    await teller.sweep();
    return standing(top);
  };
  await expect.poll(swept, { timeout: 20_000 }).toEqual([50n, 0n]);
  await teller.settle(kept.id, microUsd(20));
  await teller.settle(freed.id, microUsd(5));
  expect(await standing(top)).toEqual([0n, 20n]);
  const { rows } = await db.query(
    "select how, excess_micro_usd as excess from factotum.spendings where hold = $1",
    [freed.id],
  );
  expect(rows).toEqual([
    { how: "released", excess: "0" },
    { how: "late", excess: "5" },
  ]);
});

test("a cap cannot be set below what is gone, and Postgres itself refuses an overrun", async () => {
  const top = await root(100);
  await teller.hold(request(await budget(top, null), 60));
  const lower = db.transaction((tx) => putBudget(tx, top, { cap: microUsd(59) }));
  await expect(lower).rejects.toMatchObject({ code: "budget-below-spent" });
  const forged = db.transaction(async (tx) => {
    await tx.query("select set_config('factotum.teller', 'on', true)");
    await tx.query("update factotum.budgets set held_micro_usd = 101 where name = $1", [top]);
  });
  await expect(forged).rejects.toMatchObject({ fault: { constraint: "budgets_never_overrun" } });
  await db.transaction((tx) => putBudget(tx, top, { cap: microUsd(60) }));
});

test("a hold that counts in two trees needs room in both, and gives back in both", async () => {
  const [team, model] = [await root(100), await root(50)];
  const also = [await budget(model, null)];
  const leaf = await budget(team, null);
  const asked = request(leaf, 40, { also });
  expect(await teller.hold(asked)).toEqual({ kind: "held" });
  const full = await teller.hold(request(leaf, 20, { also }));
  expect(full).toEqual({ kind: "full", budget: must((await listBudgets(db, model))[0], model).id });
  expect([await standing(team), await standing(model)]).toEqual([
    [40n, 0n],
    [40n, 0n],
  ]);
  expect(await teller.hold(request(leaf, 20))).toEqual({ kind: "held" });
  await db.transaction((tx) => settleLater(tx, asked.id, microUsd(15)));
  await teller.sweep();
  expect([await standing(team), await standing(model)]).toEqual([
    [20n, 15n],
    [0n, 15n],
  ]);
  await expect(teller.hold(request(leaf, 1, { also: [await budget(team, null)] }))).rejects.toMatchObject({
    code: "budgets-overlap",
  });
  await expect(teller.hold(request(leaf, 1, { also: ["999999" as BudgetId] }))).rejects.toMatchObject({
    code: "budget-unknown",
  });
});

test("spenders of many processes over many trees never wait in a ring, and overrun none", async () => {
  const tops = [await root(3_000), await root(2_500), await root(2_000)];
  const leaves = await Promise.all(tops.map((top) => budget(top, null)));
  const others = await Promise.all([1, 2, 3].map((at) => openTeller(db, { name: `other ${at}` })));
  const spend = async (by: number, at: number): Promise<string> => {
    // Each of the three is the first of somebody.
    const [leaf, ...also] = [0, 1, 2].map((turn) => must(leaves[(at + turn) % 3], "leaf"));
    const asked = request(must(leaf, "leaf"), 5 + (at % 7), { also: also.slice(at % 3) });
    const one = must(others[by], "teller");
    const answer = await one.hold(asked);
    if (answer.kind === "held") await one.settle(asked.id, microUsd(at % 12));
    return answer.kind;
  };
  const changing = [0, 1, 2, 3].map(async (at) => {
    const name = must(tops[at % 3], "top");
    await db.transaction((tx) => applyDeclared(tx, { [name]: { capUsd: "0.003" }, [`${name}/new`]: {} }));
  });
  const spending = Array.from({ length: 600 }, (_, at) => spend(at % 3, at));
  const answers = await Promise.all(spending);
  await Promise.all(changing);
  expect(answers.filter((kind) => kind === "held").length).toBeGreaterThan(100);
  expect(await auditBudgets(db)).toEqual([]);
  await Promise.all(others.map((one) => one.close()));
});

test("every balance is the sum of its rows", async () => {
  expect((await listBudgets(db)).length).toBeGreaterThan(10);
  expect(await auditBudgets(db)).toEqual([]);
});
