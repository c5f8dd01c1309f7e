/** From a line of an invoice to the facts it comes from, and from those to whoever counted them. */
import type { TenantId } from "factotum/kernel";
import { recordUsage, type UsageEvent } from "factotum/ledger";
import { openFactotum, serveHttp } from "factotum/server";
import { closeInvoice, consumeUsage, type PlanInput, recordAgreement, recordEvents } from "factotum/terms";
import { recordPlan, recordSold } from "factotum/terms";
import { throwawayDatabase } from "factotum/testing";
import { afterAll, beforeAll, expect, test } from "vitest";

const db = await throwawayDatabase();
const config = { name: "traced", agents: [], clock: { at: new Date("2026-03-02T00:00:00Z"), rate: 0 } };
const factotum = await openFactotum(config, {
  ...{ env: { DATABASE_URL: db.url }, directory: ".", say: () => {} },
});
const http = await serveHttp(factotum, { host: "127.0.0.1", port: 0 });
afterAll(async () => {
  await http.close();
  await factotum.close();
});
const get = async <T>(path: string): Promise<T> => (await (await fetch(`${http.url}${path}`)).json()) as T;

const plan: PlanInput = {
  ...{ zone: "UTC", period: "month", currency: "USD" },
  items: [
    { kind: "seat", id: "seat", of: "person", price: "30" },
    { kind: "consumption", id: "search", meter: "searches", price: "0.01", included: "100" },
    { kind: "outcome", id: "resolved", outcome: "ticket", price: "0.99" },
  ],
};
const of = { subscription: "acme-1" };
const counted = (source: string, id: string, quantity: bigint, day: number): UsageEvent => ({
  ...{ source, id, at: new Date(Date.UTC(2026, 1, day)), tenant: "default" as TenantId },
  ...{ subject: "acme", meter: "searches", quantity },
});
const usage = [
  counted("meter:1", "2", 90n, 3),
  counted("meter", "1:2", 40n, 4),
  counted("meter", "x".repeat(400), 7n, 5),
  { ...counted("meter", "other", 9n, 6), subject: "beta" },
  { ...counted("meter", "late", 5n, 6), at: new Date("2026-03-01T00:00:00Z") },
];
const toBill = { ...of, subject: "acme", meter: "searches", to: new Date("2026-03-01T00:00:00Z") };

beforeAll(async () => {
  await db.transaction(async (tx) => {
    await recordPlan(tx, { plan: "team", version: 1, terms: plan });
    const begun = { at: "2026-02-01T00:00:00Z", customer: "acme", plan: "team", version: 1 };
    await recordSold(tx, [
      { kind: "subscribed", id: "begin", ...of, ...begun },
      { kind: "seat-added", id: "ada", ...of, item: "seat", seat: "ada", at: "2026-02-01T00:00:00Z" },
      { kind: "resolved", id: "t1", ...of, outcome: "ticket", at: "2026-02-07T00:00:00Z" },
      { kind: "consumed", id: "by hand", ...of, meter: "searches", units: "3", at: "2026-02-08T00:00:00Z" },
    ]);
    await recordUsage(tx, usage);
  });
});

test("what was counted is billed once, and every line leads back to who counted it", async () => {
  const bill = () => db.transaction((tx) => consumeUsage(tx, toBill));
  expect(await bill()).toBe(3);
  expect(await bill()).toBe(0);
  type Invoice = { invoice: { total: string; lines: { kind: string; amount: string; events: string[] }[] } };
  const { invoice } = await get<Invoice>("/terms/invoices/acme-1/2026-02");
  expect(invoice.lines.map(({ kind, amount }) => [kind, amount])).toEqual([
    ["seat", "30.00"],
    ["consumption", "0.40"],
    ["outcome", "0.99"],
  ]);
  let facts = 0;
  for (const [at, line] of invoice.lines.entries()) {
    type Traced = { facts: { event: { id: string }; usage: object | null }[] };
    const traced = await get<Traced>(`/terms/invoices/acme-1/2026-02/lines/${at + 1}`);
    expect(traced.facts.map(({ event }) => event.id)).toEqual(line.events);
    facts += traced.facts.length;
  }
  expect(facts).toBe(6);
  const consumption = await get("/terms/invoices/acme-1/2026-02/lines/2");
  expect(consumption).toMatchObject({
    line: { quantity: "40" },
    facts: [
      { metered: { included: "90", billed: "0" }, usage: { source: "meter:1", id: "2", quantity: "90" } },
      { metered: { included: "10", billed: "30" }, usage: { source: "meter", id: "1:2", quantity: "40" } },
      { metered: { billed: "7" }, usage: { id: "x".repeat(400), disputed: false } },
      { event: { id: "by hand" }, metered: { billed: "3" }, usage: null },
    ],
  });
});

test("a key that turns out to say two things is told on its line, also of a sent invoice", async () => {
  const sent = await db.transaction((tx) => closeInvoice(tx, { ...of, period: "2026-02" }));
  await db.transaction((tx) => recordUsage(tx, [counted("meter", "1:2", 41n, 4)]));
  expect(await get("/terms/invoices/acme-1/2026-02/lines/2")).toMatchObject({
    line: { quantity: "40" },
    facts: [{}, { usage: { id: "1:2", quantity: "40", disputed: true } }, {}, {}],
  });
  expect(await get("/terms/invoices/acme-1/2026-02")).toMatchObject({ invoice: sent.invoice });
});

test("what is not there is refused by name", async () => {
  const code = async (path: string): Promise<unknown> =>
    (await get<{ error?: { code: string } }>(`/terms/${path}`)).error?.code;
  expect(await code("invoices/acme-1/2026-02/lines/9")).toBe("line-unknown");
  expect(await code("invoices/acme-1/2026-02/lines/0")).toBe("request-invalid");
  expect(await code("invoices/nobody/2026-02")).toBe("subscription-unknown");
  expect(await code("events/none")).toBe("event-unknown");
  await db.transaction((tx) => recordUsage(tx, [counted("meter", "back", -1n, 9)]));
  await expect(db.transaction((tx) => consumeUsage(tx, toBill))).rejects.toMatchObject({
    ...{
      code: "usage-negative",
      message: "usage event meter/back takes 1 searches back; tell that as a refund",
    },
  });
});

test("agreements answer over HTTP as well, with the facts that each line names", async () => {
  const terms = {
    ...{ parties: ["lab", "cloud"], from: "2026-01-01", zone: "UTC", period: "month", currency: "USD" },
    clauses: [
      { kind: "share", id: "share", payer: "lab", payee: "cloud", streams: ["*"], rate: "0.15" },
      {
        ...{ kind: "licence", id: "only", licensor: "lab", licensee: "cloud", models: ["house-*"] },
        ...{ apis: ["stateless-api"], clouds: ["azure"], exclusive: true },
      },
    ],
  } as const;
  const revenue = { kind: "revenue", stream: "apps", currency: "USD", amount: "1000" } as const;
  await db.transaction(async (tx) => {
    await recordAgreement(tx, { agreement: "deal", version: 1, terms: terms as never });
    await recordEvents(tx, [{ ...revenue, id: "r/1", earned: { at: "2026-02-03T00:00:00Z" } }]);
  });
  type Owed = { settlement: { owed: object[]; lines: { derivation: { event: string }[] }[] } };
  const { settlement } = await get<Owed>("/terms/agreements/deal/owed/2026-02");
  expect(settlement.owed).toEqual([{ from: "lab", to: "cloud", amount: "150.00" }]);
  const event = settlement.lines[0]?.derivation[0]?.event ?? "";
  expect(await get(`/terms/events/${encodeURIComponent(event)}`)).toMatchObject({
    event: { amount: "1000" },
  });
  expect(await get("/terms/agreements/deal")).toMatchObject({ version: 1 });
  const asked = "/terms/may-serve?model=house-5&api=stateless-api&region=eu&cloud=";
  expect(await get(`${asked}aws`)).toMatchObject({ kind: "refused", refusals: [{ clause: "only" }] });
  expect(await get(`${asked}azure`)).toEqual({ kind: "allowed" });
});
