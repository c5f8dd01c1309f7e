import { type FocusColumn, type FocusCondition, focusColumns } from "./focus-columns.ts";
import { usd } from "./money.ts";

/** A row of a FOCUS dataset; null where there is no value. */
export type FocusRow = Readonly<Record<string, string | null>>;

/** A rule that a dataset breaks: in which row, counted from 1, or 0 for the dataset as a whole. */
export type FocusViolation = { readonly row: number; readonly column: string; readonly rule: string };

/** What more is to be held among the columns of one row. `says` is told where `holds` does not. */
type RowRule = {
  readonly column: string;
  readonly says: string;
  readonly holds: (row: (column: string) => string | null) => boolean;
};

type Get = (column: string) => string | null;
const isUsual = (get: Get): boolean =>
  ["Usage", "Purchase"].includes(get("ChargeCategory") ?? "") && get("ChargeClass") !== "Correction";
const filledWhen = (column: string, when: string, holds: (get: Get) => boolean): RowRule => ({
  ...{ column, says: `must not be null ${when}`, holds: (get) => !holds(get) || get(column) !== null },
});
const emptyWhen = (column: string, when: string, holds: (get: Get) => boolean): RowRule => ({
  ...{ column, says: `must be null ${when}`, holds: (get) => !holds(get) || get(column) === null },
});
const product = (column: string, price: string): RowRule => ({
  column,
  says: `must be ${price} × PricingQuantity`,
  holds: (get) => {
    const [cost, each, quantity] = [get(column), get(price), get("PricingQuantity")];
    return cost === null || each === null || quantity === null || usd(each).times(quantity).eq(cost);
  },
});
const USUAL = "for a usage or purchase that is no correction";
const NO_PRICE = "when SkuPriceId is null";
const noPrice = (get: Get): boolean => get("SkuPriceId") === null;

const ROW_RULES: readonly RowRule[] = [
  ...["PricingQuantity", "PricingUnit", "SkuId", "SkuPriceId", "ListUnitPrice"].map((column) =>
    filledWhen(column, USUAL, isUsual),
  ),
  ...["ConsumedQuantity", "ConsumedUnit"].flatMap((column) => [
    filledWhen(
      column,
      "for usage that is no correction",
      (get) => isUsual(get) && get("ChargeCategory") === "Usage",
    ),
    emptyWhen(column, "when ChargeCategory is not Usage", (get) => get("ChargeCategory") !== "Usage"),
  ]),
  ...["PricingQuantity", "ConsumedQuantity", "ListUnitPrice", "SkuPriceDetails"].map((column) =>
    emptyWhen(column, NO_PRICE, noPrice),
  ),
  emptyWhen("PricingUnit", "when PricingQuantity is null", (get) => get("PricingQuantity") === null),
  emptyWhen("SkuMeter", "when SkuId is null", (get) => get("SkuId") === null),
  emptyWhen("SubAccountName", "when SubAccountId is null", (get) => get("SubAccountId") === null),
  product("ListCost", "ListUnitPrice"),
  product("ContractedCost", "ContractedUnitPrice"),
  {
    ...{ column: "ListUnitPrice", says: "must not be negative" },
    holds: (get) => !(get("ListUnitPrice") ?? "").startsWith("-"),
  },
  {
    ...{ column: "ContractedCost", says: "must equal BilledCost for a credit" },
    holds: (get) =>
      get("ChargeCategory") !== "Credit" || usd(get("ContractedCost") ?? "0").eq(get("BilledCost") ?? "0"),
  },
  {
    ...{ column: "BillingCurrency", says: "must be a currency's three letters" },
    holds: (get) => /^[A-Z]{3}$/.test(get("BillingCurrency") ?? ""),
  },
  {
    ...{ column: "ChargePeriodEnd", says: "must be after ChargePeriodStart" },
    holds: (get) => (get("ChargePeriodStart") ?? "") < (get("ChargePeriodEnd") ?? ""),
  },
  {
    ...{ column: "BillingPeriodEnd", says: "must be after BillingPeriodStart" },
    holds: (get) => (get("BillingPeriodStart") ?? "") < (get("BillingPeriodEnd") ?? ""),
  },
  {
    ...{ column: "ServiceSubcategory", says: "must be a subcategory of its ServiceCategory" },
    holds: (get) =>
      get("ServiceSubcategory") === null || get("ServiceCategory") === "AI and Machine Learning",
  },
];

const NAME = /^[A-Z][A-Za-z0-9]{0,49}$/;
const OWN_NAME = /^x_[A-Z][A-Za-z0-9]{0,47}$/;
const VALUES: Readonly<Record<FocusColumn["type"], (value: string) => boolean>> = {
  // Names of customers stand as they are, odd or not; what is empty is null.
  string: (value) => value !== "",
  decimal: (value) => /^-?\d+(\.\d+)?$/.test(value),
  "date-time": (value) =>
    /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/.test(value) && !Number.isNaN(Date.parse(value)),
  json: isObject,
};

function isObject(value: string): boolean {
  try {
    const parsed: unknown = JSON.parse(value);
    return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed);
  } catch {
    return false;
  }
}

/**
 * Checks a dataset against the rules of FOCUS 1.4 that a program can check: which columns are there and in
 * which order, types, nulls, allowed values, and what holds among the columns of a row.
 *
 * @param columns in the order of the dataset
 * @param conditions what the provider's operating model includes
 */
export function checkFocus(
  columns: readonly string[],
  rows: readonly FocusRow[],
  conditions: ReadonlySet<FocusCondition>,
): readonly FocusViolation[] {
  const known = focusColumns.filter(({ name }) => columns.includes(name));
  return [
    ...columnViolations(columns, conditions),
    ...rows.flatMap((row, at) => rowViolations(known, row, at + 1)),
  ];
}

function columnViolations(
  columns: readonly string[],
  conditions: ReadonlySet<FocusCondition>,
): FocusViolation[] {
  const whole = (column: string, rule: string): FocusViolation => ({ row: 0, column, rule });
  const names = new Set(focusColumns.map(({ name }) => name));
  const required = focusColumns.filter(
    ({ level }) => level === "mandatory" || (level !== "recommended" && conditions.has(level)),
  );
  const lastFocus = columns.findLastIndex((column) => names.has(column));
  return [
    ...required.filter(({ name }) => !columns.includes(name)).map(({ name }) => whole(name, "must be there")),
    ...columns
      .filter((column, at) => columns.indexOf(column) !== at)
      .map((name) => whole(name, "is there twice")),
    ...columns.flatMap((column, at) => {
      if (names.has(column)) return [];
      if (!OWN_NAME.test(column)) return [whole(column, "is no column of FOCUS, so it must begin with x_")];
      return at < lastFocus ? [whole(column, "must come after the columns of FOCUS")] : [];
    }),
    ...columns
      .filter((column) => names.has(column) && !NAME.test(column))
      .map((name) => whole(name, "is no name")),
  ];
}

function rowViolations(columns: readonly FocusColumn[], row: FocusRow, at: number): FocusViolation[] {
  const found: FocusViolation[] = [];
  for (const { name, type, nulls, allowed } of columns) {
    const value = row[name] ?? null;
    if (value === null) {
      if (!nulls) found.push({ row: at, column: name, rule: "must not be null" });
    } else if (!VALUES[type](value)) {
      found.push({ row: at, column: name, rule: `${JSON.stringify(value)} is no ${type}` });
    } else if (allowed !== undefined && !allowed.includes(value)) {
      found.push({
        row: at,
        column: name,
        rule: `${JSON.stringify(value)} is not one of ${allowed.join(", ")}`,
      });
    }
  }
  // What is said of columns that are not well formed, or not there, would only be said twice.
  if (found.length > 0) return found;
  const there = new Set(columns.map(({ name }) => name));
  return ROW_RULES.filter((rule) => there.has(rule.column) && !rule.holds((name) => row[name] ?? null)).map(
    ({ column, says }) => ({ row: at, column, rule: says }),
  );
}
