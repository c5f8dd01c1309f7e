/** The ledger's answers: margins that sum to the books, what routing saved, and budgets from outside. */
import { marginKeys, margins, routingSaved } from "factotum/agents";
import { microUsd } from "factotum/kernel";
import { ratesOf, totals, transfer } from "factotum/ledger";
import { type Factotum, type HttpServer, openFactotum, serveHttp } from "factotum/server";
import { reply, scriptedProvider, throwawayDatabase } from "factotum/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clerk, openTables } from "../agents/shop.ts";

const db = await throwawayDatabase();
const [cheap, strong] = [await scriptedProvider(), await scriptedProvider()];
const NOON = new Date("2030-01-15T12:00:00Z");
const model = (name: string, baseUrl: string, usd: string) => ({
  ...{ id: `${name}/tiny`, provider: "openai-compatible" as const, model: "tiny", baseUrl },
  ...{ outputTokensMax: 1_000, price: { inputUsdPerMtok: usd, outputUsdPerMtok: usd } },
});
const config = {
  ...{ name: "shop", agents: [clerk()], concurrency: 1 },
  models: [model("small", cheap.url, "1"), model("big", strong.url, "10")],
  clock: { at: NOON, rate: 0 },
  budgets: { company: { capUsd: "2.00", period: "day" } },
} as const;
const open = (): Promise<Factotum> =>
  openFactotum(config, { env: { DATABASE_URL: db.url }, directory: ".", say: () => {} });
let factotum: Factotum;
let http: HttpServer;

const order = reply([{ name: "place_order", arguments: { product: "lamp", quantity: 1 } }], {
  ...{ input: 1_000, output: 100 },
});
const finish = reply([{ name: "finish", arguments: { unsure: [] } }], { input: 2_000, output: 100 });
const shrug = reply("I do not know.", { input: 500, output: 10 });

beforeAll(async () => {
  await openTables(db);
  const first = await open();
  await first.prepare();
  cheap.script(order, finish, shrug);
  strong.script(order, finish);
  const worker = first.work();
  for (const product of ["lamp", "a light", "la lampe"]) {
    await first.start({ agent: "clerk", key: product, input: { product, quantity: 1 } });
    await worker.drained();
  }
  await worker.stop();
  // Closing folds in all that the turns have settled.
  await first.close();
  factotum = await open();
  http = await serveHttp(factotum, { host: "127.0.0.1", port: 0 });
});
afterAll(async () => {
  await http.close();
  await Promise.all([factotum.close(), cheap.close(), strong.close()]);
});
const get = async <T>(path: string): Promise<T> => (await (await fetch(`${http.url}${path}`)).json()) as T;

test("the lines of every key sum to the books, to the last micro-dollar", async () => {
  const whole = await totals(db);
  expect([whole.cost, whole.value]).toEqual([3_200n + 510n + 32_000n, 6_000_000n]);
  for (const by of marginKeys) {
    const lines = await margins(db, by);
    const sum = (part: "cost" | "loss" | "value" | "margin"): bigint =>
      lines.reduce((total, line) => total + line[part], 0n);
    expect([by, sum("cost"), sum("loss"), sum("value")]).toEqual([by, whole.cost, whole.loss, whole.value]);
    expect(sum("margin")).toBe(whole.value - whole.cost - whole.loss);
  }
  const summary = await factotum.summary();
  expect([summary.cost, summary.loss, summary.value]).toEqual([whole.cost, whole.loss, whole.value]);
});

test("a rung is told with what it cost for what it resolved, its failures included", async () => {
  const lines = await margins(db, "rung");
  const told = lines.map((one) => [one.key, one.resolved, one.cost, one.costPerResolved]);
  expect(new Map(told.map(([key, ...rest]) => [key, rest]))).toEqual(
    new Map([
      ["exact", [1, 0n, 0n]],
      ["cheap", [1, 3_710n, 3_710n]],
      ["strong", [1, 32_000n, 32_000n]],
    ]),
  );
});

test("what routing saved is the last attempts at the strongest's prices, less what was paid", async () => {
  const price = { kind: "stated", ...model("big", "", "10").price } as const;
  const found = ratesOf({ provider: "openai-compatible", model: "tiny", price }, new Date());
  if (found.kind === "missing") throw new Error(found.because);
  const before = await totals(db);
  const saved = await routingSaved(db, { id: "big/tiny", rates: found.rates });
  // Two runs of 3,200 tokens at $10 a million; the third was code's.
  expect(saved).toMatchObject({ strongestCost: 64_000n, paid: 35_710n, saved: 28_290n, runs: 2 });
  expect(saved.estimated).toBe(true);
  expect(await totals(db)).toEqual(before);
});

test("every figure over HTTP drills down to entries that sum to it", async () => {
  type Summary = { costMicroUsd: string; valueMicroUsd: string; routing: { savedMicroUsd: string } };
  type Page = { entries: { id: string; kind: string; amountMicroUsd: string }[] };
  const summary = await get<Summary>("/ledger?agent=clerk");
  const entries: Page["entries"] = [];
  for (let after = ""; ; after = `&after=${entries.at(-1)?.id}`) {
    const page = await get<Page>(`/ledger/entries?agent=clerk&limit=3${after}`);
    entries.push(...page.entries);
    if (page.entries.length < 3) break;
  }
  const sum = (kind: string): string =>
    String(
      entries.filter((one) => one.kind === kind).reduce((all, one) => all + BigInt(one.amountMicroUsd), 0n),
    );
  expect([sum("cost"), sum("value")]).toEqual([summary.costMicroUsd, summary.valueMicroUsd]);
  expect(summary.routing.savedMicroUsd).toBe("28290");
  expect((await get<{ margins: unknown[] }>("/ledger/margins?by=run")).margins).toHaveLength(3);
  expect(await get("/ledger/margins?by=weather")).toMatchObject({ error: { code: "request-invalid" } });
});

test("every balance drills down to the bookings it is the sum of, and all of them even out", async () => {
  type Account = { account: string; unit: string; balance: string };
  type Side = { of: string; id: string; unit: string; amount: string; against: string };
  await db.transaction(async (tx) => {
    const power = { unit: "joules", debit: "used/site-1", credit: "grid", amount: 3_600_000n };
    await transfer(tx, { ...power, ref: "meter 10:00", because: "read off the meter" });
  });
  const { accounts } = await get<{ accounts: Account[] }>("/ledger/accounts");
  expect(accounts.map(({ account, unit }) => `${account} ${unit}`)).toContain("used/site-1 joules");
  const micro = (amount: string): bigint => BigInt(Math.round(Number(amount) * 1e6));
  let seen = 0;
  for (const { account, unit, balance } of accounts) {
    const sides: Side[] = [];
    for (let after = ""; ; after = `&after=${sides.at(-1)?.of}%20${sides.at(-1)?.id}`) {
      const path = `/ledger/postings?account=${account}&unit=${unit}&limit=2${after}`;
      const { postings } = await get<{ postings: Side[] }>(path);
      sides.push(...postings);
      if (postings.length < 2) break;
    }
    expect([account, sides.reduce((sum, one) => sum + micro(one.amount), 0n)]).toEqual([
      account,
      micro(balance),
    ]);
    seen += sides.length;
  }
  expect(seen).toBeGreaterThan(20);
  await db.query("select factotum.close_balances()");
  type Trial = { units: (Account & { debits: string })[]; balancesOff: object[]; budgetsOff: object[] };
  const { units, balancesOff, budgetsOff } = await get<Trial>("/ledger/trial-balance");
  expect([balancesOff, budgetsOff]).toEqual([[], []]);
  expect(units.map(({ unit }) => unit)).toEqual(expect.arrayContaining(["USD", "joules", "tokens.input"]));
  expect(units.every(({ balance }) => balance === "0")).toBe(true);
  // Whoever forges an hour that was closed, evenly, is told of.
  await db.query(
    `insert into factotum.balances select max(id), '2029-01-01', x.account, 'USD', x.debits, x.credits
     from factotum.closings, (values ('one', 1, 0), ('two', 0, 1)) x (account, debits, credits)
     group by 3, 5, 6`,
  );
  expect((await get<Trial>("/ledger/trial-balance")).balancesOff).toMatchObject([
    { account: "one", hour: "2029-01-01T00:00:00.000Z", closed: "1 / 0", sum: null },
    { account: "two" },
  ]);
  expect(await get("/ledger/postings?after=x")).toMatchObject({ error: { code: "request-invalid" } });
});

test("history at other prices is told beside what is booked, by model, and nothing is booked", async () => {
  type Repriced = {
    models: { model: string; bookedMicroUsd: string; repricedMicroUsd: string; isRepriced: boolean }[];
    differenceMicroUsd: string;
  };
  const repriced = async (prices: object): Promise<Repriced> => {
    const body = JSON.stringify({ prices, agent: "clerk" });
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${http.url}/ledger/reprice`, { method: "POST", headers, body });
    return (await answer.json()) as Repriced;
  };
  const before = await totals(db);
  const stated = (usd: string) => ({ inputUsdPerMtok: usd, outputUsdPerMtok: usd });
  const same = await repriced({ "small/tiny": stated("1"), "big/tiny": stated("10") });
  expect([same.differenceMicroUsd, same.models.map((one) => one.isRepriced)]).toEqual(["0", [true, true]]);
  // Of the small one's calls those of 2,000 tokens and more are dearer, and the big one is let be.
  const tiers = [{ aboveInputTokens: 1_500, inputUsdPerMtok: "2" }];
  const dearer = await repriced({ "small/tiny": { ...stated("1"), tiers } });
  expect(dearer.models).toMatchObject([
    { model: "big/tiny", bookedMicroUsd: "32000", repricedMicroUsd: "32000", isRepriced: false },
    { model: "small/tiny", bookedMicroUsd: "3710", repricedMicroUsd: "5710", isRepriced: true },
  ]);
  expect(dearer.differenceMicroUsd).toBe("2000");
  expect(await repriced({ "small/tiny": stated("-1") })).toMatchObject({ error: { code: "prices-invalid" } });
  expect(await totals(db)).toEqual(before);
});

test("outcomes per person-hour count the answers of people, by the time they say one takes", async () => {
  const path = "/ledger/leverage?minutesPerAnswer=2&outcomesPerHourBefore=6";
  expect(await get(path)).toMatchObject({
    outcomes: 3,
    alone: 3,
    answers: 0,
    outcomesPerHour: null,
    times: null,
  });
  await db.query(
    `insert into factotum.questions (run_id, tenant, agent, card, status, answer, answered_by, answered_at)
     select min(run_id), 'default', 'clerk', '{}', 'answered', '{}', 'ada', factotum.now()
     from factotum.entries`,
  );
  // Three outcomes in two minutes are ninety in an hour, fifteen times the six from before.
  expect(await get(path)).toMatchObject({
    outcomes: 3,
    alone: 2,
    answers: 1,
    outcomesPerHour: "90",
    times: "15",
  });
  expect(await get(`${path}&agent=nobody`)).toMatchObject({ outcomes: 0, outcomesPerHour: null });
  expect(await get("/ledger/leverage?minutesPerAnswer=-1&outcomesPerHourBefore=6")).toMatchObject({
    error: { code: "number-invalid" },
  });
});

test("cohorts sum to the books, and what-ifs take the price and the usage of own months", async () => {
  const whole = await totals(db);
  type Cohorts = { cohorts: { cohort: string; age: number; size: number; marginMicroUsd: string }[] };
  const { cohorts } = await get<Cohorts>("/ledger/cohorts?by=agent");
  expect(cohorts).toMatchObject([{ cohort: "2030-01", month: "2030-01", age: 0, active: 1, size: 1 }]);
  expect(cohorts[0]?.marginMicroUsd).toBe(String(whole.value - whole.cost - whole.loss));
  const found = await fetch(`${http.url}/ledger/what-if`, {
    ...{ method: "POST", headers: { "content-type": "application/json" } },
    body: JSON.stringify({
      ...{ prices: ["2"], costs: { fixed: "1000000000", perUnit: "0.0002" } },
      against: { fixed: "0", perUnit: "0.01" },
    }),
  });
  const index = { noDearer: { fromUnits: "102040816327" }, costs: ["3/100"] };
  expect(await found.json()).toMatchObject({
    against: index,
    demand: { kind: "piecewise", points: [{ price: "2", usage: "3" }] },
    outcomes: [{ demanded: "3", revenue: "6", cost: "5000000000003/5000" }],
  });
});

test("a configured budget that a person raised stays raised when the project is opened again", async () => {
  const put = (body: unknown) =>
    fetch(`${http.url}/ledger/budgets`, {
      ...{ method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify(body) },
    });
  const raised = await put({ name: "company", capUsd: "3.5" });
  expect(await raised.json()).toMatchObject({
    capMicroUsd: "3500000",
    period: "day",
    spentMicroUsd: "35710",
  });
  expect((await put({ name: "elsewhere", capUsd: "1" })).status).toBe(422);
  expect((await put({ name: "company", capUsd: "1e3" })).status).toBe(422);
  expect((await put({ name: "company", capUsd: "0.01" })).status).toBe(422);
  const again = await open();
  const caps = (await again.ledger.budgets()).map((one) => [one.name, one.cap]);
  expect(caps).toEqual([
    ["company", microUsd(3_500_000)],
    ["company/default", null],
    ["company/default/clerk", null],
  ]);
  await again.close();
});

test("a forecast goes on at the rate of the period so far, and tells of no time after its end", async () => {
  const forecast = async () => (await factotum.ledger.budgets("company"))[0]?.forecast;
  expect(await forecast()).toMatchObject({
    ...{ since: new Date("2030-01-15T00:00:00Z"), spentInWindow: 35_710n, capReachedAt: null },
  });
  // Half a day spent 35,710: what is left to 60,000 lasts 24,290 / 35,710 of half a day.
  await factotum.ledger.setBudget("company", { cap: microUsd(60_000), soft: microUsd(1) });
  const reached = await forecast();
  const late = (24_290 / 35_710) * 12 * 3_600_000;
  expect(reached?.capReachedAt?.getTime()).toBeCloseTo(NOON.getTime() + late, -1);
  expect(reached?.softReachedAt).toEqual(NOON);
});
