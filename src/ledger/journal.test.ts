import fc from "fast-check";
import { expect, test } from "vitest";
import { type CallId, microUsd, type ModelId, must, type RunId, tokens } from "../kernel/index.ts";
import { resetClock, setClock } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import {
  auditBalances,
  balancesNow,
  bookCall,
  closeBalances,
  convert,
  openTeller,
  putFxRate,
  putUnit,
  ratesOf,
  reverseTransfer,
  transfer,
  type Transfer,
} from "./index.ts";

const db = await throwawayDatabase();
const found = ratesOf({ provider: "openai", model: "gpt-4o-mini" }, new Date("2026-11-20T10:00:00Z"));
const rates = must(found.kind === "known" ? found.rates : null, "rates");
const book = (one: Transfer) => db.transaction((tx) => transfer(tx, one));
const close = () => db.transaction(closeBalances);

let refs = 0;
const of = (more: Partial<Transfer> = {}): Transfer => ({
  ...{ ref: `t${(refs += 1)}`, unit: "USD", debit: "a", credit: "b", amount: 5n, because: "test" },
  ...more,
});
async function netOf(account: string, unit: string): Promise<bigint> {
  const [line] = await balancesNow(db, { account, unit });
  return line === undefined ? 0n : line.debits - line.credits;
}

test("money, energy and attention are booked in units of their own, once by their reference", async () => {
  const joules = of({ unit: "joules", debit: "used/site-1", credit: "grid", amount: 3_600_000n });
  const id = await book(joules);
  expect(await book(joules)).toBe(id);
  await book(of({ unit: "attention.seconds", debit: "spent/anna", credit: "people", amount: 90_000n }));
  expect(await netOf("used/site-1", "joules")).toBe(3_600_000n);
  expect(await netOf("people", "attention.seconds")).toBe(-90_000n);
  await expect(book({ ...joules, amount: 1n })).rejects.toMatchObject({ code: "transfer-differs" });
  await expect(book(of({ unit: "furlongs" }))).rejects.toMatchObject({ code: "unit-unknown" });
  await db.transaction((tx) => putUnit(tx, { unit: "furlongs", kind: "count", decimals: 2 }));
  await book(of({ unit: "furlongs" }));
  const other = db.transaction((tx) => putUnit(tx, { unit: "furlongs", kind: "count", decimals: 3 }));
  await expect(other).rejects.toMatchObject({ code: "unit-differs" });
});

test("a correction is the whole transfer the other way round, once", async () => {
  const id = await book(of({ debit: "wrong", amount: 7n }));
  const undone = await db.transaction((tx) => reverseTransfer(tx, id, "mistaken"));
  expect(await db.transaction((tx) => reverseTransfer(tx, id, "again"))).toBe(undone);
  expect(await netOf("wrong", "USD")).toBe(0n);
  const none = db.transaction((tx) => reverseTransfer(tx, "0" as typeof id, "nothing"));
  await expect(none).rejects.toMatchObject({ code: "transfer-unknown" });
});

test("calls are balanced in dollars and in tokens by kind beside what was transferred", async () => {
  const usage = { input: tokens(70), cachedInput: tokens(30), cacheWrite: tokens(0), output: tokens(15) };
  await db.transaction((tx) =>
    bookCall(tx, {
      ...{ runId: "1" as RunId, callId: "c1" as CallId, try: 1, attempt: 1, kind: "cost", rates },
      ...{ model: "openai/m" as ModelId, usage: { ...usage, reasoning: tokens(5) } },
      ...{ amount: microUsd(25), because: "answered" },
    }),
  );
  expect(await netOf("expense/models", "USD")).toBe(25n);
  expect(await netOf("used/openai/m", "tokens.cached-input")).toBe(30n);
  expect(await netOf("supplied/openai/m", "tokens.output")).toBe(-15n);
});

const bookings = fc.array(
  fc.record({
    accounts: fc.constantFrom(["x", "y"], ["y", "z"], ["z", "x"]),
    unit: fc.constantFrom("USD", "EUR", "joules"),
    amount: fc.bigInt({ min: 1n, max: 10n ** 15n }),
    hour: fc.nat(3),
    after: fc.constantFrom("nothing", "close", "reverse"),
  }),
  { minLength: 1, maxLength: 15 },
);

test("however it is booked and closed, balances are the sums, and each unit adds up to 0", async () => {
  const net = new Map<string, bigint>();
  const add = (account: string, unit: string, amount: bigint): void => {
    const key = `${account} ${unit}`;
    net.set(key, (net.get(key) ?? 0n) + amount);
  };
  await fc.assert(
    fc.asyncProperty(bookings, async (all) => {
      for (const { accounts, unit, amount, hour, after } of all) {
        const [debit = "", credit = ""] = accounts;
        const id = await book(of({ unit, debit, credit, amount, at: new Date(Date.UTC(2030, 0, 1, hour)) }));
        const isUndone = after === "reverse";
        if (isUndone) await db.transaction((tx) => reverseTransfer(tx, id, "test"));
        add(debit, unit, isUndone ? 0n : amount);
        add(credit, unit, isUndone ? 0n : -amount);
        if (after === "close") await close();
      }
      for (const [key, expected] of net) {
        const [account = "", unit = ""] = key.split(" ");
        expect([key, await netOf(account, unit)]).toEqual([key, expected]);
      }
    }),
    { numRuns: 15 },
  );
  await close();
  expect(await close()).toBeNull();
  expect(await auditBalances(db)).toEqual([]);
  const sums = await db.query(
    "select from factotum.balances group by unit having sum(debits) <> sum(credits)",
  );
  expect(sums.rowCount).toBe(0);
  expect((await db.query("select from factotum.balances")).rowCount).toBeGreaterThan(20);
});

test("no SQL makes a transfer lopsided, mixes units, edits or empties the books", async () => {
  await book(of());
  await close();
  const insert =
    "insert into factotum.transfers (ref, unit, debit, credit, amount, because, reverses) values";
  const refused: readonly (readonly [sql: string, by: RegExp])[] = [
    [`${insert} ('n', 'USD', 'a', 'b', -1, 'x', null)`, /transfers_amount_check/],
    [`${insert} ('s', 'USD', 'a', 'a', 1, 'x', null)`, /transfers_accounts_check/],
    [`${insert} ('u', 'JPY', 'a', 'b', 1, 'x', null)`, /transfers_debit_fkey/],
    [`${insert} ('r', 'USD', 'b', 'a', 1, 'x', (select max(id) from factotum.transfers))`, /reverses_fkey/],
    [
      `insert into factotum.balances
       select max(id), '2030-01-01', 'forged', 'USD', 1, 0 from factotum.closings`,
      /debits and credits of USD are not the same/,
    ],
    ...["units", "accounts", "transfers", "fx_rates", "closings", "balances"].map(
      (table) => [`truncate factotum.${table} cascade`, /append-only/] as const,
    ),
    ...["units set decimals = 1", "accounts set unit = 'EUR'", "transfers set amount = 1"].map(
      (what) => [`update factotum.${what}`, /append-only/] as const,
    ),
    ...["closings", "balances", "transfers"].map(
      (what) => [`delete from factotum.${what}`, /append-only/] as const,
    ),
  ];
  for (const [sql, by] of refused) await expect(db.query(sql), sql).rejects.toThrow(by);
});

test("a balance that was forged evenly is found by the audit", async () => {
  await db.query(
    `insert into factotum.balances
     select max(id), '2031-01-01'::timestamptz, x.account, 'USD', x.debits, x.credits
     from factotum.closings, (values ('one', 1, 0), ('two', 0, 1)) x (account, debits, credits)
     group by x.account, x.debits, x.credits`,
  );
  expect(await auditBalances(db)).toMatchObject([
    { account: "one", closed: "1 / 0", sum: null },
    { account: "two", closed: "0 / 1", sum: null },
  ]);
});

test("a teller closes the books, and one who books for long is not waited for", async () => {
  const closings = async () => (await db.query("select from factotum.closings")).rowCount;
  const sweepOnce = async (): Promise<void> => {
    const teller = await openTeller(db, { name: "closer" });
    await teller.sweep();
    await teller.close();
  };
  await setClock(db, { at: new Date(Date.now() + 2 * 3_600_000), rate: 0 });
  const before = await closings();
  await db.transaction(async (tx) => {
    await transfer(tx, of({ debit: "slow" }));
    await sweepOnce();
  });
  expect(await closings()).toBe(before);
  await sweepOnce();
  expect(await closings()).toBe(before + 1);
  await sweepOnce();
  expect(await closings()).toBe(before + 1);
  expect(await netOf("slow", "USD")).toBe(5n);
  await resetClock(db);
});

test("an amount is converted at the rate of its day, half to even, until that is corrected", async () => {
  const note = (holdsFrom: string, rate: string) =>
    db.transaction((tx) => putFxRate(tx, { from: "EUR", to: "USD", holdsFrom, rate, source: "test" }));
  const dollars = async (amount: bigint, day: string) =>
    (await convert(db, { amount, from: "EUR", to: "USD", at: new Date(day) })).amount;
  await note("2026-01-01", "1.5");
  await note("2026-02-01", "0.000000075");
  expect(await dollars(1n, "2026-01-31T23:59:59Z")).toBe(2n);
  expect(await dollars(3n, "2026-01-31T23:59:59Z")).toBe(4n);
  expect(await dollars(-1n, "2026-01-31T23:59:59Z")).toBe(-2n);
  expect(await dollars(10n ** 12n, "2026-02-01T00:00:00Z")).toBe(75_000n);
  await note("2026-01-01", "2");
  expect(await dollars(1n, "2026-01-15T00:00:00Z")).toBe(2n);
  expect(await dollars(3n, "2026-01-15T00:00:00Z")).toBe(6n);
  await expect(dollars(1n, "2025-12-31T23:59:59Z")).rejects.toMatchObject({ code: "fx-missing" });
  for (const [day, rate] of [
    ["2026-02-30", "1"],
    ["2026-01-01", "0.0"],
    ["2026-01-01", "-1"],
    ["soon", "1"],
  ] as const) {
    await expect(note(day, rate)).rejects.toMatchObject({ code: "fx-invalid" });
  }
});
