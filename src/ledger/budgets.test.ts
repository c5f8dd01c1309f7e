import fc from "fast-check";
import { expect, test } from "vitest";
import { microUsd, must } from "../kernel/index.ts";
import { resetClock, setClock } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import { auditBudgets, type BudgetId, type HoldId, listBudgets, openTeller, putBudget } from "./index.ts";

const db = await throwawayDatabase();
const teller = await openTeller(db, { name: "test" });

type Node = { readonly name: string; readonly parent: number | null; readonly cap: number | null };
type Move =
  | {
      readonly kind: "hold";
      readonly node: number;
      /** A budget of the other tree that it counts on as well. */
      readonly side: number | null;
      readonly amount: number;
    }
  | { readonly kind: "settle"; readonly hold: number; readonly actual: number };

const NODES = 8;
/** Of a second tree, as of models. */
const SIDES = 3;
const caps = fc.array(fc.option(fc.integer({ min: 0, max: 200 })), {
  minLength: NODES + SIDES,
  maxLength: NODES + SIDES,
});
const moves = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant("hold" as const),
      node: fc.nat(NODES - 1),
      side: fc.option(fc.integer({ min: NODES, max: NODES + SIDES - 1 })),
      amount: fc.integer({ min: 0, max: 60 }),
    }),
    fc.record({
      kind: fc.constant("settle" as const),
      hold: fc.nat(40),
      actual: fc.integer({ min: 0, max: 90 }),
    }),
  ),
  { maxLength: 40 },
);

/** Two binary trees of budgets. */
function trees(prefix: string, given: readonly (number | null)[]): readonly Node[] {
  const nodes: Node[] = [];
  for (const [at, cap] of given.entries()) {
    const root = at < NODES ? 0 : NODES;
    const parent = at === root ? null : root + ((at - root - 1) >> 1);
    const above = parent === null ? "" : `${must(nodes[parent], "parent").name}/`;
    nodes.push({ name: `${above}${prefix}${at}`, parent, cap });
  }
  return nodes;
}

/** The book kept by hand, without a database. */
function naive(nodes: readonly Node[]) {
  const gone = nodes.map(() => ({ held: 0, spent: 0 }));
  const open = new Map<number, { readonly path: readonly number[]; readonly amount: number }>();
  const pathOf = (node: number): number[] => {
    const { parent } = must(nodes[node], "node");
    return parent === null ? [node] : [...pathOf(parent), node];
  };
  return {
    gone,
    /** The name of the budget that has no room, or `held`. */
    hold(id: number, node: number, side: number | null, amount: number): string {
      const path = [...pathOf(node), ...(side === null ? [] : pathOf(side))];
      const full = path.find((at) => {
        const { held, spent } = must(gone[at], "balance");
        return held + spent + amount > (nodes[at]?.cap ?? Infinity);
      });
      if (full !== undefined) return must(nodes[full], "node").name;
      open.set(id, { path, amount });
      for (const at of path) must(gone[at], "balance").held += amount;
      return "held";
    },
    settle(id: number, actual: number): void {
      const hold = open.get(id);
      if (hold === undefined) return;
      open.delete(id);
      for (const at of hold.path) {
        const balance = must(gone[at], "balance");
        balance.held -= hold.amount;
        balance.spent += Math.min(actual, hold.amount);
      }
    },
  };
}

/** Groups of moves that are asked for at the same moment: all holds, or one settlement. */
function together(all: readonly Move[]): readonly (readonly (readonly [number, Move])[])[] {
  const groups: (readonly [number, Move])[][] = [];
  for (const [at, one] of all.entries()) {
    const last = groups.at(-1);
    if (one.kind === "hold" && last?.[0]?.[1].kind === "hold") last.push([at, one]);
    else groups.push([[at, one]]);
  }
  return groups;
}

let trials = 0;

test("whatever is held and settled, budgets stand as a book kept by hand, and none is overrun", async () => {
  let answered = 0;
  await fc.assert(
    fc.asyncProperty(caps, moves, async (given, all) => {
      trials += 1;
      const nodes = trees(`n${trials}-`, given);
      const ids = await db.transaction(async (tx) => {
        const made: BudgetId[] = [];
        for (const { name, cap } of nodes) {
          made.push(await putBudget(tx, name, { cap: cap === null ? null : microUsd(cap) }));
        }
        return made;
      });
      const book = naive(nodes);
      const idOf = (at: number): HoldId => `t${trials}-${at}` as HoldId;
      for (const group of together(all)) {
        const done = group.map(async ([at, one]): Promise<void> => {
          answered += 1;
          if (one.kind === "settle") {
            if (one.hold >= at || all[one.hold]?.kind !== "hold") return;
            book.settle(one.hold, one.actual);
            await teller.settle(idOf(one.hold), microUsd(one.actual));
            return;
          }
          const expected = book.hold(at, one.node, one.side, one.amount);
          const request = {
            id: idOf(at),
            budget: must(ids[one.node], "budget"),
            also: one.side === null ? [] : [must(ids[one.side], "side")],
            amount: microUsd(one.amount),
          };
          const answer = await teller.hold({ ...request, ifOrphaned: "keep" });
          const name = answer.kind === "held" ? "held" : nodes[ids.indexOf(answer.budget)]?.name;
          expect(name).toBe(expected);
        });
        await Promise.all(done);
      }
      const standing = [
        ...(await listBudgets(db, nodes[0]?.name)),
        ...(await listBudgets(db, nodes[NODES]?.name)),
      ];
      const byName = new Map(standing.map((one) => [one.name, one]));
      for (const [at, { name }] of nodes.entries()) {
        const { held, spent } = must(byName.get(name), name);
        expect({ held: Number(held), spent: Number(spent) }).toEqual(book.gone[at]);
      }
    }),
    { numRuns: 60 },
  );
  expect(answered).toBeGreaterThan(100);
  expect(await auditBudgets(db)).toEqual([]);
});

test("a budget of a period is whole again in the next, and what is still held counts there", async () => {
  await setClock(db, { at: new Date("2026-03-31T23:59:00+02:00"), rate: 0 });
  const leaf = await db.transaction((tx) =>
    putBudget(tx, "monthly/run", { cap: microUsd(100), period: "month", timeZone: "Europe/Berlin" }),
  );
  const hold = (id: string, amount: number) =>
    teller.hold({ id: id as HoldId, budget: leaf, amount: microUsd(amount), ifOrphaned: "keep" });
  await hold("march", 70);
  await teller.settle("march" as HoldId, microUsd(70));
  expect(await hold("over the end", 30)).toEqual({ kind: "held" });
  expect(await hold("too much", 1)).toMatchObject({ kind: "full" });
  await setClock(db, { at: new Date("2026-04-01T00:00:00+02:00"), rate: 0 });
  expect(await listBudgets(db, "monthly/run")).toMatchObject([{ held: 30n, spent: 0n }]);
  expect(await hold("april", 71)).toMatchObject({ kind: "full" });
  expect(await hold("april", 70)).toEqual({ kind: "held" });
  await teller.settle("over the end" as HoldId, microUsd(30));
  expect(await listBudgets(db, "monthly/run")).toMatchObject([{ held: 70n, spent: 30n }]);
  expect(await auditBudgets(db)).toEqual([]);
  await resetClock(db);
});

test("names of budgets are places in a tree", async () => {
  const put = (name: string) => db.transaction((tx) => putBudget(tx, name));
  for (const name of ["", "/", "a//b", "a/", "1/2/3/4/5/6/7/8/9"]) {
    await expect(put(name)).rejects.toMatchObject({ code: "budget-name" });
  }
  expect(await put("x/y")).toBe(await put("x/y"));
});
