import { z } from "zod";
import type { Column, Table } from "../../postgres/index.ts";
import { rulesOf, type ValueRules } from "./check-rules.ts";
import type { ColumnPlan } from "./plan.ts";

/** How values of types without a JSON form are written. */
const FORMS: { readonly [base: string]: { readonly say: string; readonly format?: string } } = {
  "timestamp with time zone": {
    ...{ say: "ISO 8601 with offset, such as 2026-03-01T22:00:00Z.", format: "date-time" },
  },
  "timestamp without time zone": { say: "ISO 8601 without offset." },
  date: { say: "ISO 8601 date.", format: "date" },
  uuid: { say: "UUID.", format: "uuid" },
  bytea: { say: String.raw`Bytes as \x and hex digits.` },
  interval: { say: "An interval, such as 2 days 03:00:00." },
};
const INTEGER_MAX: { readonly [base: string]: number } = { smallint: 32_767, integer: 2_147_483_647 };
const BIGINT = /^-?\d{1,19}$/;
const DECIMAL = /^-?\d+(\.\d+)?$/;

/** The schema of a value to be written to a column, with what its checks say of it. */
export function writtenSchema(plan: ColumnPlan, table: Table): z.ZodType {
  const { column } = plan;
  const base = valueSchema(plan, rulesOf(column, table));
  const schema = column.nullable ? base.nullable() : base;
  const said = [column.comment ?? column.type.domain?.comment, hint(column)].filter(Boolean).join(" ");
  return said === "" ? schema : schema.describe(said);
}

/** The schema of a value to compare a column with: any value of its type. */
export function comparedSchema(plan: ColumnPlan): z.ZodType {
  return valueSchema(plan, {});
}

/** The schema of one element of an array column. */
export function elementSchema({ column, ...plan }: ColumnPlan): z.ZodType {
  const { type } = column;
  return scalarSchema({ ...plan, column: { ...column, type: { ...type, array: false } } }, {});
}

function valueSchema(plan: ColumnPlan, rules: ValueRules): z.ZodType {
  return plan.column.type.array ? z.array(elementSchema(plan)) : scalarSchema(plan, rules);
}

function scalarSchema({ column }: ColumnPlan, rules: ValueRules): z.ZodType {
  const { base, enumValues } = column.type;
  if (enumValues !== undefined) return z.enum([...enumValues]);
  switch (base) {
    case "smallint":
    case "integer":
      return within(z.number().int(), rules, INTEGER_MAX[base]);
    case "real":
    case "double precision":
      return within(z.number(), rules);
    case "bigint":
      return z.union([within(z.number().int(), rules), z.string().regex(BIGINT)]);
    case "numeric":
      return z.union([within(z.number(), rules), z.string().regex(DECIMAL)]);
    case "boolean":
      return z.boolean();
    case "json":
    case "jsonb":
      return z.json();
    default:
      return textSchema(base, rules);
  }
}

function within(schema: z.ZodNumber, rules: ValueRules, typeMax = Infinity): z.ZodNumber {
  let one = schema;
  if (Number.isFinite(typeMax)) one = one.min(-typeMax - 1).max(typeMax);
  if (rules.min !== undefined) one = one.min(rules.min);
  if (rules.minExclusive !== undefined) one = one.gt(rules.minExclusive);
  if (rules.max !== undefined) one = one.max(rules.max);
  if (rules.maxExclusive !== undefined) one = one.lt(rules.maxExclusive);
  return one;
}

function textSchema(base: string, rules: ValueRules): z.ZodType {
  if (rules.values !== undefined && rules.values.length > 0) return z.enum([...rules.values]);
  const form = FORMS[base];
  if (form !== undefined) {
    // Words such as "now" would be read by the machine's clock, which is not the business's.
    const text = z.string().regex(/\d|infinity/i, `must be written out: ${form.say}`);
    return form.format === undefined ? text : text.meta({ format: form.format, pattern: undefined });
  }
  // A length is counted in characters by Postgres and in UTF-16 units here: only the bound above is sure.
  const { minLength, maxLength, pattern } = rules;
  const lengths = {
    ...(minLength !== undefined && { minLength }),
    ...(maxLength !== undefined && { maxLength }),
  };
  return z.string().meta({ ...lengths, ...(pattern !== undefined && { pattern }) });
}

function hint({ type }: Column): string | undefined {
  const digits = /^numeric\((\d+),(\d+)\)/.exec(type.name);
  const exact =
    digits === null
      ? undefined
      : `At most ${Number(digits[1]) - Number(digits[2])} digits before the point, ${digits[2]} after.`;
  return (
    [FORMS[type.base]?.say, exact, type.domain?.checks.join(", ")].filter(Boolean).join(" ") || undefined
  );
}
