import { z } from "zod";
import { InputError } from "../../kernel/index.ts";
import type { ColumnPlan, Kind, TablePlan } from "./plan.ts";
import { field, type Parameters, stored } from "./sql.ts";
import { comparedSchema, elementSchema } from "./values.ts";

/** The most values of an `in` list. */
const VALUES_MAX = 200;
/** The most conditions joined by one `and` or `or`. */
const JOINED_MAX = 20;
/** How deep `and`, `or` and `not` may be nested. */
const DEPTH_MAX = 3;
const TEXT_CHARS_MAX = 1_000;

/** Conditions as a caller gives them: by column, and joined. */
export type Where = { readonly [key: string]: unknown };

const ORDER = ["eq", "ne", "in", "not_in", "lt", "lte", "gt", "gte", "is_null"] as const;
const EQUALITY = ["eq", "ne", "in", "not_in", "is_null"] as const;
const OPERATORS: { readonly [kind in Kind]: readonly string[] } = {
  ...{ integer: ORDER, bigint: ORDER, numeric: ORDER, float: ORDER, enum: ORDER, ordered: ORDER },
  ...{ boolean: ["eq", "ne", "is_null"], equal: EQUALITY },
  text: [...ORDER, "starts_with", "contains", "like", "ilike"],
  ...{ array: ["has", "is_null"], jsonb: ["has", "is_null"], opaque: ["is_null"] },
};

/** How conditions are meant, for a tool's description. */
export const FILTER_WORDS =
  "A condition is a value, or operators that must all hold: eq, ne, in, not_in, lt, lte, gt, gte, is_null; " +
  "of text also starts_with and contains (taken literally; contains ignores case), like and ilike (% and _ " +
  "are wildcards); has of arrays and JSON. No comparison holds of a missing value, but ne and not_in do. " +
  `and, or, not join conditions, ${DEPTH_MAX} deep at most.`;

/** The schema of conditions on a table's columns. What and, or and not hold is read when it is used. */
export function whereSchema(plan: TablePlan): z.ZodType<Where> {
  const words = joiners(plan);
  const joined = z.looseObject({}).describe("Conditions of the same form.");
  const shape = {
    ...Object.fromEntries(plan.columns.map((one) => [one.key, conditionSchema(one).optional()])),
    [words.and]: z.array(joined).min(1).max(JOINED_MAX).optional(),
    [words.or]: z.array(joined).min(1).max(JOINED_MAX).optional(),
    [words.not]: joined.optional(),
  };
  return z.strictObject(shape, { error: (issue) => unknownColumn(plan, issue) });
}

/** Says which columns there are, where one was named that is not. */
export function unknownColumn(
  plan: TablePlan,
  issue: { readonly code?: string | undefined; readonly keys?: unknown },
): string | undefined {
  if (issue.code !== "unrecognized_keys") return undefined;
  const keys = Array.isArray(issue.keys) ? issue.keys.map(String).join(", ") : "";
  const known = plan.columns.map((one) => one.key).join(", ");
  return `${plan.table.name} has no column ${keys}; it has ${known}`;
}

/** Reads conditions that no schema has looked at yet. @throws {InputError} `tool-input` */
export function readWhere(plan: TablePlan, given: unknown): Where {
  const parsed = whereSchema(plan).safeParse(given);
  if (parsed.success) return parsed.data;
  throw new InputError({
    code: "tool-input",
    message: `a condition does not fit: ${z.prettifyError(parsed.error).replaceAll(/\s+/g, " ")}`,
  });
}

/** Conditions as SQL over the row `t`, always true or false, never null. */
export function filterSql(plan: TablePlan, where: Where, parameters: Parameters, depth = 0): string {
  const words = joiners(plan);
  const inner = (given: unknown): string => {
    if (depth + 1 > DEPTH_MAX) throw tooDeep(plan);
    return filterSql(plan, readWhere(plan, given), parameters, depth + 1);
  };
  const own = plan.columns.flatMap((one) => conditionSql(one, where[one.key], parameters));
  const and = ((where[words.and] ?? []) as readonly unknown[]).map(inner);
  const or = ((where[words.or] ?? []) as readonly unknown[]).map(inner);
  const not = where[words.not] === undefined ? [] : [`not ${inner(where[words.not])}`];
  const all = [...own, ...and, ...(or.length === 0 ? [] : [`(${or.join(" or ")})`]), ...not];
  return all.length === 0 ? "true" : `(${all.join(" and ")})`;
}

/** The words that join conditions; a column of such a name keeps it, and the word gets a line behind it. */
function joiners(plan: TablePlan): { readonly and: string; readonly or: string; readonly not: string } {
  const free = (word: string): string =>
    plan.columns.some((one) => one.key === word) ? free(`${word}_`) : word;
  return { and: free("and"), or: free("or"), not: free("not") };
}

function conditionSchema(plan: ColumnPlan): z.ZodType {
  const value = plan.kind === "array" ? elementSchema(plan) : comparedSchema(plan);
  const operand: { readonly [operator: string]: z.ZodType } = {
    ...{ in: z.array(value).min(1).max(VALUES_MAX), not_in: z.array(value).min(1).max(VALUES_MAX) },
    ...{ eq: value.nullable(), ne: value.nullable(), is_null: z.boolean() },
    ...{ starts_with: text(), contains: text(), like: text(), ilike: text() },
  };
  const operators = z.strictObject(
    Object.fromEntries(OPERATORS[plan.kind].map((name) => [name, (operand[name] ?? value).optional()])),
  );
  const plain = OPERATORS[plan.kind].includes("eq") ? [value] : [];
  const schema = z.union([...plain, z.null(), operators]);
  return plan.column.comment === undefined ? schema : schema.describe(plan.column.comment);
}

const text = (): z.ZodType => z.string().max(TEXT_CHARS_MAX);

function conditionSql(plan: ColumnPlan, condition: unknown, parameters: Parameters): readonly string[] {
  if (condition === undefined) return [];
  const isOperators = typeof condition === "object" && condition !== null && !Array.isArray(condition);
  const operators = isOperators ? condition : { eq: condition };
  return Object.entries(operators).flatMap(([name, operand]) =>
    operand === undefined ? [] : [operatorSql(plan, name, operand, parameters)],
  );
}

function operatorSql(plan: ColumnPlan, name: string, operand: unknown, parameters: Parameters): string {
  const column = field(plan);
  const add = (value: unknown): string => parameters.add(value);
  const holds = (sql: string): string => `coalesce(${sql}, false)`;
  switch (name) {
    case "is_null":
      return operand === true ? `${column} is null` : `${column} is not null`;
    case "eq":
      return operand === null ? `${column} is null` : holds(`${column} = ${add(operand)}`);
    case "ne":
      return operand === null ? `${column} is not null` : `not ${holds(`${column} = ${add(operand)}`)}`;
    case "in":
      return holds(`${column} = any (${add(operand)})`);
    case "not_in":
      return `not ${holds(`${column} = any (${add(operand)})`)}`;
    case "starts_with":
      return holds(`${column} like ${add(`${literal(operand)}%`)}`);
    case "contains":
      return holds(`${column} ilike ${add(`%${literal(operand)}%`)}`);
    case "like":
    case "ilike":
      return holds(`${column} ${name} ${add(operand)}`);
    case "has":
      if (plan.kind === "array") return holds(`${add(operand)} = any (${column})`);
      return holds(`${column} @> ${add(stored(plan, operand))}`);
    default:
      return holds(`${column} ${COMPARISONS[name]} ${add(operand)}`);
  }
}

const COMPARISONS: { readonly [name: string]: string } = { lt: "<", lte: "<=", gt: ">", gte: ">=" };

/** Text that LIKE takes as it stands. */
function literal(value: unknown): string {
  return String(value).replaceAll(/[\\%_]/g, String.raw`\$&`);
}

function tooDeep(plan: TablePlan): InputError {
  return new InputError({
    code: "tool-input",
    message: `conditions on ${plan.table.name} may be nested ${DEPTH_MAX} deep; say it more simply`,
  });
}
