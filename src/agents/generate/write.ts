import { z } from "zod";
import { InputError, must } from "../../kernel/index.ts";
import type { Transaction } from "../../postgres/index.ts";
import type { Tool } from "../tool.ts";
import { unknownColumn } from "./filter.ts";
import { generated } from "./make-tool.ts";
import type { ColumnPlan, TablePlan } from "./plan.ts";
import { type Row, readable, rowOf } from "./rows.ts";
import { field, Parameters, quote, relation, stored } from "./sql.ts";
import { comparedSchema, writtenSchema } from "./values.ts";

/** The most rows of one insert. */
const INSERT_ROWS_MAX = 100;

/** The tools that stage changes to a table. */
export function writeTools(plan: TablePlan, deletes: boolean): readonly Tool[] {
  const updates = settable(plan).length > 0;
  const keyGiven = plan.primaryKey.every((one) => isWritable(one) && !isOptional(one));
  return [
    insertTool(plan),
    ...(keyGiven && updates ? [upsertTool(plan)] : []),
    ...(updates ? [updateTool(plan)] : []),
    ...(deletes ? [deleteTool(plan)] : []),
  ];
}

function insertTool(plan: TablePlan): Tool {
  const row = rowSchema(plan);
  const input = z
    .strictObject({ row: row.optional(), rows: z.array(row).min(1).max(INSERT_ROWS_MAX).optional() })
    .refine(({ row: one, rows }) => (one === undefined) !== (rows === undefined), "give either row or rows");
  return generated(plan, {
    verb: "insert",
    effect: "write",
    says: `Stages one new row, or up to ${INSERT_ROWS_MAX} as rows; returns them with keys and defaults.`,
    input,
    run: async (tx, { row: one, rows = [] }) => {
      const made = await insert(tx, plan, one === undefined ? rows : [one]);
      return one === undefined ? { rows: made } : must(made[0], "the inserted row");
    },
  });
}

async function insert(
  tx: Transaction,
  plan: TablePlan,
  rows: readonly Row[],
  then = "",
): Promise<readonly Row[]> {
  const into = plan.columns.filter((one) => rows.some((row) => row[one.key] !== undefined));
  const parameters = new Parameters();
  const values = rows.map((row) => {
    const each = into.map((one) =>
      row[one.key] === undefined ? "default" : parameters.add(stored(one, row[one.key])),
    );
    return `(${each.join(", ")})`;
  });
  const names = into.map(({ column }) => quote(column.name)).join(", ");
  // Rows of nothing but defaults have no form for several at once.
  if (into.length === 0) {
    const made: Row[] = [];
    const sql = `insert into ${relation(plan.table)} as t default values`;
    while (made.length < rows.length) made.push(...(await returned(tx, plan, sql, [])));
    return made;
  }
  const sql = `insert into ${relation(plan.table)} as t (${names}) values ${values.join(", ")} ${then}`;
  return returned(tx, plan, sql, parameters.values);
}

function upsertTool(plan: TablePlan): Tool {
  return generated(plan, {
    verb: "upsert",
    effect: "write",
    says: "Stages a row with this key: a new one, or, where there is one, new values for the columns given.",
    input: z.strictObject({ row: rowSchema(plan) }),
    run: async (tx, { row }) => {
      const given = settable(plan).filter((one) => row[one.key] !== undefined);
      if (given.length === 0) throw nothingToSet(plan, "upsert");
      const key = plan.primaryKey.map(({ column }) => quote(column.name)).join(", ");
      const sets = given.map(({ column }) => `${quote(column.name)} = excluded.${quote(column.name)}`);
      const made = await insert(tx, plan, [row], `on conflict (${key}) do update set ${sets.join(", ")}`);
      return must(made[0], "the upserted row");
    },
  });
}

function updateTool(plan: TablePlan): Tool {
  const shape = settable(plan).map((one) => [one.key, writtenSchema(one, plan.table).optional()] as const);
  const set = strict(plan, Object.fromEntries(shape));
  return generated(plan, {
    verb: "update",
    effect: "write",
    says: `Stages new values for the row with this key; other columns stay. ${EXPECT_WORDS}`,
    input: z.strictObject({ key: keySchema(plan), set, expect: expectSchema(plan).default({}) }),
    run: async (tx, { key, set: wanted, expect }) => {
      const given = settable(plan).filter((one) => wanted[one.key] !== undefined);
      if (given.length === 0) throw nothingToSet(plan, "update");
      const parameters = new Parameters();
      const sets = given.map(
        (one) => `${quote(one.column.name)} = ${parameters.add(stored(one, wanted[one.key]))}`,
      );
      const where = keyed(plan, key, expect, parameters);
      const sql = `update ${relation(plan.table)} as t set ${sets.join(", ")} where ${where}`;
      const [row] = await returned(tx, plan, sql, parameters.values);
      return row ?? (await missed(tx, plan, key, expect));
    },
  });
}

function deleteTool(plan: TablePlan): Tool {
  return generated(plan, {
    verb: "delete",
    effect: "write",
    says: `Stages the removal of the row with this key, and returns it. ${EXPECT_WORDS}`,
    input: z.strictObject({ key: keySchema(plan), expect: expectSchema(plan).default({}) }),
    run: async (tx, { key, expect }) => {
      const parameters = new Parameters();
      const sql = `delete from ${relation(plan.table)} as t where ${keyed(plan, key, expect, parameters)}`;
      const [row] = await returned(tx, plan, sql, parameters.values);
      return row ?? (await missed(tx, plan, key, expect));
    },
  });
}

const EXPECT_WORDS = "With expect it is refused unless the row still has those values.";

async function returned(
  tx: Transaction,
  plan: TablePlan,
  sql: string,
  values: readonly unknown[],
): Promise<readonly Row[]> {
  const { rows } = await tx.query<Row>(`${sql} returning ${readable(plan.columns)}`, values);
  return rows.map((row) => rowOf(plan.columns, row));
}

function keyed(plan: TablePlan, key: Row, expect: Row, parameters: Parameters): string {
  const same = plan.primaryKey.map((one) => `${field(one)} = ${parameters.add(stored(one, key[one.key]))}`);
  const still = expected(plan, expect).map((one) =>
    expect[one.key] === null
      ? `${field(one)} is null`
      : `${field(one)} is not distinct from ${parameters.add(stored(one, expect[one.key]))}`,
  );
  return [...same, ...still].join(" and ");
}

/** Says why no row was found to change. @throws {InputError} `row-unknown`, `row-changed` */
async function missed(tx: Transaction, plan: TablePlan, key: Row, expect: Row): Promise<never> {
  const parameters = new Parameters();
  const { rows } = await tx.query<Row>(
    `select ${readable(plan.columns)} from ${relation(plan.table)} t
     where ${keyed(plan, key, {}, parameters)}`,
    parameters.values,
  );
  if (rows[0] === undefined) {
    throw new InputError({
      code: "row-unknown",
      message: `${plan.table.name} has no row with that key; use find_${plan.name} to look for it`,
    });
  }
  const found = rowOf(plan.columns, rows[0]);
  const now = expected(plan, expect).map((one) => `${one.key} is ${JSON.stringify(found[one.key])}`);
  throw new InputError({
    code: "row-changed",
    message: `the row of ${plan.table.name} is not as expected: ${now.join(", ")}; nothing was changed`,
  });
}

function rowSchema(plan: TablePlan): z.ZodType<Row> {
  const shape = plan.columns.filter(isWritable).map((one) => {
    const schema = writtenSchema(one, plan.table);
    return [one.key, isOptional(one) ? schema.optional() : schema] as const;
  });
  return strict(plan, Object.fromEntries(shape));
}

function keySchema(plan: TablePlan): z.ZodType<Row> {
  return strict(plan, Object.fromEntries(plan.primaryKey.map((one) => [one.key, comparedSchema(one)])));
}

/** Values as they were read, to be compared; what has no equality cannot be expected. */
function expectSchema(plan: TablePlan): z.ZodType<Row> {
  const shape = plan.columns
    .filter(isComparable)
    .map((one) => [one.key, comparedSchema(one).nullable().optional()] as const);
  return strict(plan, Object.fromEntries(shape)).describe("Values that the row must still have.");
}

function strict(plan: TablePlan, shape: z.ZodRawShape): z.ZodType<Row> {
  return z.strictObject(shape, { error: (issue) => unknownColumn(plan, issue) });
}

function expected(plan: TablePlan, expect: Row): readonly ColumnPlan[] {
  return plan.columns.filter((one) => isComparable(one) && expect[one.key] !== undefined);
}

const isComparable = ({ kind }: ColumnPlan): boolean => kind !== "opaque" && kind !== "array";
const isWritable = ({ column }: ColumnPlan): boolean =>
  column.generated === undefined && column.identity !== "always";
const isOptional = ({ column }: ColumnPlan): boolean =>
  column.nullable || column.default !== undefined || column.identity !== undefined;

/** Columns that may get a new value: keys stay, since a row with another key is another row. */
function settable(plan: TablePlan): readonly ColumnPlan[] {
  const keys = new Set(plan.primaryKey.map((one) => one.key));
  return plan.columns.filter(
    (one) => isWritable(one) && one.column.identity === undefined && !keys.has(one.key),
  );
}

function nothingToSet(plan: TablePlan, verb: string): InputError {
  return new InputError({
    code: "nothing-to-set",
    message: `${verb}_${plan.name} was given no column to set; it can set ${settable(plan)
      .map((one) => one.key)
      .join(", ")}`,
  });
}
