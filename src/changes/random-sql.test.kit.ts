/** Random SQL over random schemas, and what it left. */
import * as fc from "fast-check";
import type { Transaction } from "../postgres/index.ts";
import {
  type Column,
  literal,
  type RandomSchema,
  SCHEMAS,
  type Table,
  type Type,
} from "./random-schema.test.kit.ts";

/** A collation is none of a cast's business. */
const castOf = (type: Type): string => type.sql.replace(/ collate .*/, "");

/** One statement with its parameters, all of them text. */
export type Sql = { readonly sql: string; readonly values: readonly (string | null)[] };

const valueOf = ({ type }: Column): fc.Arbitrary<string | null> =>
  fc.option(fc.constantFrom(...type.values), { freq: 6 });
const keyValueOf = ({ type }: Column): fc.Arbitrary<string> => fc.constantFrom(...type.values);
const parameter = ({ type }: Column, at: number): string => `$${at}::${castOf(type)}`;

/** A random statement that puts rows into a table of the schema. */
export function anyInsert(schema: RandomSchema): fc.Arbitrary<Sql> {
  return fc.constantFrom(...schema.tables.filter((table) => table.key.length > 0)).chain(insertInto);
}

/** A random statement that writes a table of the schema. */
export function anyStatement(schema: RandomSchema): fc.Arbitrary<Sql> {
  const tables = schema.tables.filter((table) => table.key.length > 0);
  return fc
    .constantFrom(...tables)
    .chain((table) =>
      fc.oneof(
        { weight: 4, arbitrary: insertInto(table) },
        { weight: 3, arbitrary: updateOf(table) },
        { weight: 2, arbitrary: deleteFrom(table) },
        { weight: 1, arbitrary: mergeInto(table) },
      ),
    );
}

function insertInto(table: Table): fc.Arbitrary<Sql> {
  const isKey = (one: Column): boolean => table.key.includes(one);
  const row = fc.tuple(...table.columns.map((one) => (isKey(one) ? keyValueOf(one) : valueOf(one))));
  const rows = fc.array(row, { minLength: 1, maxLength: 2 });
  const then = table.key.length > 0 && table.columns.some(isKey) ? fc.nat(2) : fc.constant(2);
  return fc.tuple(rows, then).map(([list, way]) => {
    const width = table.columns.length;
    const tuples = list.map(
      (_, n) => `(${table.columns.map((one, at) => given(one, n * width + at + 1)).join(", ")})`,
    );
    const keys = table.key.map((one) => one.sql).join(", ");
    const conflict = [
      `on conflict (${keys}) do update set n = coalesce(excluded.n, 0) + 7`,
      `on conflict (${keys}) do nothing`,
      "",
    ];
    const names = table.columns.map((one) => one.sql).join(", ");
    return {
      sql: `insert into ${table.sql} (${names}) values ${tuples.join(", ")} ${
        table.indexes === "late unique" || table.indexes === "exclusion" ? "" : conflict[way]
      }`,
      values: list.flat(),
    };
  });
}

const given = (one: Column, at: number): string =>
  one.sql === "s" ? `coalesce(${parameter(one, at)}, 0)` : parameter(one, at);

/** Rows by one column of the key, or by the number. */
function where(table: Table, at: number): fc.Arbitrary<Sql> {
  const number = table.columns.filter((one) => one.sql === "n");
  return fc
    .constantFrom(...table.key, ...number)
    .chain((one) =>
      keyValueOf(one).map((value) => ({ sql: `${one.sql} = ${parameter(one, at)}`, values: [value] })),
    );
}

function updateOf(table: Table): fc.Arbitrary<Sql> {
  return fc.constantFrom(...table.columns).chain((one) =>
    fc
      .tuple(table.key.includes(one) ? keyValueOf(one) : valueOf(one), where(table, 2))
      .map(([value, which]) => ({
        sql: `update ${table.sql} set ${one.sql} = ${given(one, 1)} where ${which.sql}`,
        values: [value, ...which.values],
      })),
  );
}

function deleteFrom(table: Table): fc.Arbitrary<Sql> {
  return where(table, 1).map(({ sql, values }) => ({ sql: `delete from ${table.sql} where ${sql}`, values }));
}

function mergeInto(table: Table): fc.Arbitrary<Sql> {
  const [one] = table.key;
  if (one === undefined) throw new Error(`table ${table.name} has no key`);
  return keyValueOf(one).map((value) => ({
    sql: `merge into ${table.sql} t using (values (${parameter(one, 1)})) x(v) on t.${one.sql} = x.v
      when matched and coalesce(t.n, 0) % 2 = 0 then delete
      when matched then update set n = coalesce(t.n, 0) + 3`,
    values: [value],
  }));
}

/** Runs a statement as a tool that goes on after one that a constraint refused. */
export async function perform(tx: Transaction, { sql, values }: Sql): Promise<boolean> {
  await tx.query("savepoint statement");
  try {
    await tx.query(sql, values);
    await tx.query("release statement");
    return true;
  } catch {
    await tx.query("rollback to statement");
    return false;
  }
}

/**
 * All rows of a schema as text, in an order of their own.
 *
 * @param all whether columns count whose values no two runs agree on
 */
export async function dumpOf(
  tx: Pick<Transaction, "query">,
  schema: RandomSchema,
  all: boolean,
): Promise<readonly string[]> {
  const tables = schema.tables.map((table) => {
    const row = all || table.volatile.length === 0 ? "t::text" : withoutVolatile(table);
    const name = `${literal(table.name)} || ' ' || t.tableoid::regclass`;
    return `select ${name} || ${row} as row from ${table.sql} t`;
  });
  const { rows } = await tx.query<{ row: string }>(`${tables.join(" union all ")} order by 1`);
  return rows.map(({ row }) => row);
}

function withoutVolatile(table: Table): string {
  const names = [...new Set([...table.key, ...table.columns].map((one) => one.sql))];
  return `row(${names.map((name) => `t.${name}`).join(", ")})::text`;
}

/** Where the sequences of a schema stand. */
export async function positionsOf(tx: Pick<Transaction, "query">): Promise<readonly string[]> {
  const { rows } = await tx.query<{ row: string }>(
    `select concat_ws(' ', schemaname, sequencename, last_value) as row from pg_sequences
     where schemaname = any($1) order by 1`,
    [SCHEMAS],
  );
  return rows.map(({ row }) => row);
}
