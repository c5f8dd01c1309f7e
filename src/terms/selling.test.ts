import { expect, test } from "vitest";
import { type Database, setClock } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import {
  allowanceLeft,
  closeInvoice,
  invoiceOf,
  invoiceText,
  type PlanInput,
  recordPlan,
  recordSold,
  type SoldEventInput,
} from "./index.ts";

const team: PlanInput = {
  ...{ zone: "UTC", period: "month", currency: "USD" },
  items: [
    {
      kind: "consumption",
      id: "tokens",
      meter: "tokens",
      price: "0.002",
      included: "1000",
      creditPrice: "0.001",
    },
    { kind: "outcome", id: "resolved", outcome: "ticket", price: "0.99" },
  ],
};
const of = { subscription: "s1" };

async function at(db: Database, instant: string): Promise<void> {
  await setClock(db, { at: new Date(instant), rate: 0 });
}

async function sold(events: readonly SoldEventInput[] = []): Promise<Database> {
  const db = await throwawayDatabase();
  await at(db, "2026-01-02T00:00:00Z");
  await db.transaction((tx) => recordPlan(tx, { plan: "team", version: 1, terms: team }));
  const begun: SoldEventInput = {
    ...{
      kind: "subscribed",
      id: "begin",
      ...of,
      at: "2026-01-01T00:00:00Z",
      customer: "acme",
      plan: "team",
      version: 1,
    },
  };
  await db.transaction((tx) => recordSold(tx, [begun, ...events]));
  return db;
}

const resolved = (id: string, day: string): SoldEventInput => ({
  ...{ kind: "resolved", id, ...of, outcome: "ticket", at: `${day}T12:00:00Z` },
});

test("an invoice is closed once, and an outcome reopened since is credited in the next", async () => {
  const db = await sold([resolved("done", "2026-01-20")]);
  const close = (period: string) => db.transaction((tx) => closeInvoice(tx, { ...of, period }));
  await expect(close("2026-01")).rejects.toThrow(/runs until 2026-02-01/);
  await at(db, "2026-03-02T00:00:00Z");
  await expect(close("2026-02")).rejects.toThrow(/open since 2026-01/);
  const january = await close("2026-01");
  expect(january.invoice.total).toBe("0.99");
  await db.transaction((tx) =>
    recordSold(tx, [{ kind: "reopened", id: "again", ...of, of: "done", at: "2026-02-03T00:00:00Z" }]),
  );
  expect(await close("2026-01")).toEqual(january);
  const february = await close("2026-02");
  expect(february.invoice).toMatchObject({
    total: "-0.99",
    lines: [{ kind: "reopened", events: ["again"] }],
  });
  const before = await db.transaction((tx) =>
    invoiceOf(tx, { ...of, period: "2026-02", knownAt: january.knownAt }),
  );
  expect(before.invoice.total).toBe("0.00");
  for (const table of ["plans", "subscription_events", "invoices"]) {
    await expect(db.query(`update factotum.${table} set known_at = now()`)).rejects.toThrow(/append-only/);
    await expect(db.query(`delete from factotum.${table}`)).rejects.toThrow(/append-only/);
  }
});

test("what is left of an allowance and of credits is known, and a month has its allowance anew", async () => {
  const db = await sold([
    { kind: "topped-up", id: "buy", ...of, item: "tokens", units: "500", at: "2026-01-05T00:00:00Z" },
    { kind: "consumed", id: "a", ...of, meter: "tokens", units: "900", at: "2026-01-06T00:00:00Z" },
    { kind: "consumed", id: "b", ...of, meter: "tokens", units: "300", at: "2026-01-07T00:00:00Z" },
  ]);
  const left = async (instant: string) =>
    await db.transaction((tx) => allowanceLeft(tx, { ...of, item: "tokens", at: instant }));
  expect(await left("2026-01-04T00:00:00Z")).toMatchObject({ included: "1000", credits: "0" });
  expect(await left("2026-01-06T12:00:00Z")).toMatchObject({ included: "100", credits: "500" });
  expect(await left("2026-01-08T00:00:00Z")).toMatchObject({ included: "0", credits: "300" });
  expect(await left("2026-02-01T00:00:00Z")).toMatchObject({ included: "1000", credits: "300" });
});

test("a fact told again changes nothing, told differently is refused; a price is a new version", async () => {
  const db = await sold([resolved("done", "2026-01-20")]);
  const tell = (events: readonly SoldEventInput[]) => db.transaction((tx) => recordSold(tx, events));
  expect(await tell([resolved("done", "2026-01-20"), resolved("new", "2026-01-21")])).toBe(1);
  await expect(tell([resolved("other", "2026-01-20"), resolved("done", "2026-01-22")])).rejects.toMatchObject(
    {
      code: "event-conflict",
    },
  );
  const begun = { kind: "subscribed", ...of, customer: "acme", plan: "team", version: 1 } as const;
  const twice = tell([{ ...begun, id: "twice", at: "2026-01-09T00:00:00Z" }]);
  await expect(twice).rejects.toThrow(/begins what has begun/);
  const plan = (version: number, terms: PlanInput) =>
    db.transaction((tx) => recordPlan(tx, { plan: "team", version, terms }));
  expect(await plan(1, team)).toBe(false);
  await expect(plan(1, { ...team, trialDays: 3 })).rejects.toMatchObject({ code: "plan-conflict" });
  await expect(plan(3, team)).rejects.toThrow(/next version of plan team is 2/);
  await expect(plan(2, { ...team, currency: "dollars" })).rejects.toThrow(
    /currency: a currency's three letters/,
  );
  expect(await plan(2, { ...team, trialDays: 3 })).toBe(true);
  const now = await db.transaction((tx) => invoiceOf(tx, { ...of, period: "2026-01" }));
  const again = await db.transaction((tx) =>
    invoiceOf(tx, { ...of, period: "2026-01", knownAt: now.knownAt }),
  );
  expect(invoiceText(again.invoice)).toBe(invoiceText(now.invoice));
  expect(now.invoice.lines).toMatchObject([{ plan: "team@1", quantity: "2", events: ["done", "new"] }]);
});
