/** The ledger as other tools read it: FOCUS 1.4 by its rules, CSV, Parquet. */
import { parse } from "csv-parse/sync";
import {
  type CallId,
  microUsd,
  type ModelId,
  must,
  type RunId,
  type TenantId,
  tokens,
} from "factotum/kernel";
import {
  bookCall,
  type CallBooking,
  costOf,
  otherService,
  ratesFromJson,
  reverseLoss,
  totals,
} from "factotum/ledger";
import { migrate, setClock } from "factotum/postgres";
import {
  checkFocus,
  csvOf,
  exportedColumns,
  focusColumns,
  type FocusRow,
  focusRows,
  ledgerConditions,
  parquetOf,
  usd,
} from "factotum/reports";
import { throwawayDatabase } from "factotum/testing";
import { parquetReadObjects } from "hyparquet";
import { beforeAll, expect, test } from "vitest";

const db = await throwawayDatabase();
const rates = ratesFromJson({
  ...{ input: ["75000", ["1000", "150000"]], cachedInput: ["7500"], cacheWrite: ["93750"] },
  ...{ output: ["300000"], reasoning: ["300000"], perRequest: "10000000", source: "test" },
});
const halved = ratesFromJson({
  ...{ input: ["37500"], cachedInput: ["3750"], cacheWrite: ["46875"], output: ["150000"] },
  ...{ reasoning: ["150000"], perRequest: "0", source: "test" },
});
let calls = 0;
async function book(
  at: string,
  more: Partial<CallBooking>,
  [input, cached, output]: readonly number[],
): Promise<CallId> {
  calls += 1;
  const callId = `call-${calls}` as CallId;
  const usage = {
    ...{ input: tokens(input ?? 0), cachedInput: tokens(cached ?? 0), cacheWrite: tokens(0) },
    ...{ output: tokens(output ?? 0), reasoning: tokens(0) },
  };
  await setClock(db, { at: new Date(at), rate: 0 });
  await db.transaction((tx) =>
    bookCall(tx, {
      ...{ callId, try: 1, attempt: 1, runId: "1" as RunId, agent: "desk", model: "lab/small" as ModelId },
      ...{
        kind: "cost",
        usage,
        rates,
        amount: costOf(usage, more.rates ?? rates),
        because: "answered",
        ...more,
      },
    }),
  );
  return callId;
}

let rows: readonly FocusRow[];
beforeAll(async () => {
  await migrate(db);
  await book("2028-02-29T00:00:00Z", {}, [999, 1, 7]);
  await book("2028-02-29T23:59:59.999Z", {}, [999, 3, 5]);
  await book("2028-02-29T12:00:00Z", { agent: null, tenant: '=1+1, "acme"\n' as TenantId }, [1, 0, 1]);
  const broken = await book("2028-02-29T12:00:00Z", { kind: "loss", amount: microUsd(77) }, []);
  await book("2028-03-26T01:30:00+01:00", { model: "lab/größer" as ModelId }, [5_000_000_000_000, 0, 1]);
  await setClock(db, { at: new Date("2028-03-01T00:00:00Z"), rate: 0 });
  await db.transaction((tx) => reverseLoss(tx, broken, "its outcome arrived after all"));
  // Four and a half millijoules a token of input, in batches, at half the price.
  const energy = { input: 4_500_000_000n, output: 1n };
  const engine = { ...must(otherService({ ...rates, other: halved }), "batch prices"), energy };
  await book("2028-03-02T12:00:00Z", { rates: engine, agent: "own" }, [1_000, 0, 1]);
  rows = await focusRows(db, { account: "acme" });
});

test("batches and joules of own engines have rows, prices and sums of their own", async () => {
  const own = rows.filter((row) => row["Tags"] === '{"agent":"own"}');
  expect(own.map((row) => [row["SkuPriceId"], row["ContractedUnitPrice"], row["x_Joules"]])).toEqual([
    ["lab/small/input/batch", "0.0375", "4.5"],
    ["lab/small/output/batch", "0.15", "0.000000000001"],
    ["lab/small/requests", "0.00001", null],
    // Rounded up once for the call, as its dollars are.
    [undefined, null, "0.000999999999"],
  ]);
  expect(own[0]?.["ChargeDescription"]).toBe("lab/small, input tokens, in batches");
  const sum = rows.reduce((all, row) => all.plus(row["x_Joules"] ?? "0"), usd(0));
  expect(sum.times(1_000).toFixed()).toBe(String((await totals(db)).millijoules));
});

test("the export keeps every rule of FOCUS 1.4, and comes to what is booked, to the last digit", async () => {
  expect(checkFocus(exportedColumns, rows, ledgerConditions)).toEqual([]);
  const booked = await totals(db);
  const sum = rows.reduce((all, row) => all.plus(row["BilledCost"] ?? "0"), usd(0));
  expect(sum.times(1_000_000).toFixed()).toBe(String(booked.cost + booked.loss));
  const day = rows.filter(
    (row) => row["ChargePeriodStart"] === "2028-02-29T00:00:00Z" && row["Tags"] !== null,
  );
  expect(
    day.map((row) => [row["SkuPriceId"], row["ConsumedQuantity"], row["BilledCost"], row["x_EntryCount"]]),
  ).toEqual([
    // The first call has 1,000 tokens of input, the second 1,002: another tier, another price.
    ["lab/small/input", "999", "0.000074925", "1"],
    ["lab/small/cachedInput", "4", "0.00000003", "2"],
    ["lab/small/output", "12", "0.0000036", "2"],
    ["lab/small/requests", "2", "0.00002", "2"],
    [undefined, null, "0.000001595", "2"],
    ["lab/small/input/above-1000", "999", "0.00014985", "1"],
    [undefined, null, "0.000077", "1"],
  ]);
});

test("a loss taken back in a later month is a correction of a month that is over", () => {
  const back = rows.filter((row) => row["ChargeClass"] === "Correction");
  expect(back).toMatchObject([
    { ChargeCategory: "Adjustment", BilledCost: "-0.000077", ChargePeriodStart: "2028-03-01T00:00:00Z" },
  ]);
  const leap = rows.filter((row) => row["BillingPeriodEnd"] === "2028-03-01T00:00:00Z");
  expect(leap.every((row) => row["ChargePeriodEnd"] === "2028-03-01T00:00:00Z")).toBe(true);
  expect(leap).toHaveLength(11);
});

test("each rule is broken by some row, and then told", () => {
  const [first] = rows;
  const told = (change: FocusRow, columns = exportedColumns): readonly string[] =>
    checkFocus(columns, [{ ...first, ...change }], ledgerConditions).map(
      ({ column, rule }) => `${column} ${rule}`,
    );
  expect(told({})).toEqual([]);
  const mandatory = focusColumns.filter(({ level }) => level === "mandatory");
  expect(mandatory).toHaveLength(21);
  for (const { name, nulls } of mandatory) {
    expect(
      told(
        {},
        exportedColumns.filter((column) => column !== name),
      ),
    ).toContain(`${name} must be there`);
    expect(told({ [name]: null }).length > 0).toBe(!nulls || name.startsWith("Pricing"));
  }
  expect(told({ BilledCost: "1e-5" })).toEqual(['BilledCost "1e-5" is no decimal']);
  expect(told({ BilledCost: "1,5" })).toHaveLength(1);
  expect(told({ ChargePeriodStart: "2028-02-29" })).toHaveLength(1);
  expect(told({ ChargePeriodStart: "2027-02-29T00:00:00+01:00" })).toHaveLength(1);
  expect(told({ ChargeCategory: "usage" })).toHaveLength(1);
  expect(told({ Tags: "agent=desk" })).toEqual(['Tags "agent=desk" is no json']);
  expect(told({ SubAccountId: "" })).toHaveLength(1);
  expect(told({ BillingCurrency: "dollars" })).toEqual([
    "BillingCurrency must be a currency's three letters",
  ]);
  expect(told({ ListCost: "1" })).toEqual(["ListCost must be ListUnitPrice × PricingQuantity"]);
  expect(told({ ListUnitPrice: null })).toHaveLength(1);
  expect(told({ ChargeCategory: "Adjustment" })).toEqual([
    "ConsumedQuantity must be null when ChargeCategory is not Usage",
    "ConsumedUnit must be null when ChargeCategory is not Usage",
  ]);
  expect(told({ ServiceCategory: "Compute" })).toHaveLength(1);
  expect(told({}, ["x_Mine", ...exportedColumns])).toEqual(["x_Mine must come after the columns of FOCUS"]);
  expect(told({}, [...exportedColumns, "Mine"])).toEqual([
    "Mine is no column of FOCUS, so it must begin with x_",
  ]);
});

test("CSV and Parquet say the same, with every digit and every odd name", async () => {
  const types = new Map(focusColumns.map(({ name, type }) => [name, type]));
  const columns = exportedColumns.map((name) => ({ name, type: types.get(name) ?? ("string" as const) }));
  const csv: Record<string, string>[] = parse(await csvOf(columns, rows), { columns: true });
  expect(csv).toHaveLength(rows.length);
  const read = await parquetReadObjects({ file: fileOf(await parquetOf(columns, rows)) });
  const asRead = { decimal: Number, "date-time": (text: string) => new Date(text), string: String };
  for (const [at, row] of rows.entries()) {
    const text = columns.map(({ name }) => row[name] ?? null);
    expect(columns.map(({ name }) => csv[at]?.[name])).toEqual(text.map((value) => value ?? ""));
    const values = columns.map(({ type }, index) => {
      const value = text[index] ?? null;
      return value === null ? null : type === "json" ? value : asRead[type](value);
    });
    // The reader makes numbers of decimals, with a float's last digit.
    const plain = (value: unknown): unknown =>
      typeof value === "number" ? Number(value.toFixed(12)) : (value ?? null);
    expect(columns.map(({ name }) => plain(read[at]?.[name]))).toEqual(values.map(plain));
  }
  expect(await csvOf(columns, [])).toBe(`${exportedColumns.join()}\n`);
  expect(await parquetReadObjects({ file: fileOf(await parquetOf(columns, [])) })).toEqual([]);
});

function fileOf(bytes: Uint8Array) {
  return {
    byteLength: bytes.length,
    slice: (from: number, to?: number) => bytes.slice(from, to).buffer,
  };
}
