import { InputError } from "../../kernel/index.ts";
import type { Transaction } from "../../postgres/index.ts";
import { must } from "../../kernel/index.ts";
import type { Plans, Relation, TablePlan } from "./plan.ts";
import { type Row, readable, rowOf } from "./rows.ts";
import { Parameters, quote, relation } from "./sql.ts";

/** How many foreign keys one path may follow. */
const PATH_LENGTH_MAX = 2;
/** The most relations one call may follow. */
export const INCLUDES_MAX = 6;
/** The most rows of one relation for one row, and of all its rows together. */
export const INCLUDED_EACH_MAX = 20;
const INCLUDED_ALL_MAX = 1_000;

/** A row on its way out, with what its relations are followed by. */
export type Followed = { readonly row: Row; readonly selected: Row };

/** What is to be followed from a table: relations, and what is to be followed from theirs. */
export type Tree = ReadonlyMap<Relation, Tree>;

/** Reads paths such as `items` or `items.product`. @throws {InputError} `relation-unknown` */
export function treeOf(plans: Plans, plan: TablePlan, paths: readonly string[]): Tree {
  const tree = new Map<Relation, Tree>();
  const split = paths.map((path) => path.split("."));
  const tooLong = split.find((path) => path.length > PATH_LENGTH_MAX);
  if (tooLong !== undefined) throw unknownRelation(plan, tooLong.join("."));
  for (const [name = ""] of split) {
    const found = plan.relations.find((one) => one.name === name);
    if (found === undefined) throw unknownRelation(plan, name);
    const others = split
      .filter((path) => path[0] === name && path.length > 1)
      .map((path) => path.slice(1).join("."));
    const target = must(plans.get(found.target), `the plan of ${found.target}`);
    if (!tree.has(found)) tree.set(found, treeOf(plans, target, others));
  }
  return tree;
}

/** What must be selected of a table besides its columns, so that its relations can be followed. */
export function linking(plan: TablePlan, tree: Tree): string {
  return [...tree.keys()]
    .flatMap((one, at) => one.from.map((name, index) => `, ${linkText(plan, name)} as l${at}_${index}`))
    .join("");
}

/**
 * Follows relations of rows, all rows of one relation in one statement, and puts what is found into the rows.
 *
 * @returns the relations of which not everything was read
 */
export async function follow(
  tx: Transaction,
  plans: Plans,
  plan: TablePlan,
  tree: Tree,
  followed: readonly Followed[],
): Promise<readonly string[]> {
  const cut: string[] = [];
  for (const [at, [link, deeper]] of [...tree].entries()) {
    const target = must(plans.get(link.target), `the plan of ${link.target}`);
    const linkOf = ({ selected }: Followed): string | undefined =>
      keyText(link.from.map((_, i) => selected[`l${at}_${i}`]));
    const found = await related(tx, target, link, deeper, followed.map(linkOf));
    if (found.cut) cut.push(link.name);
    for (const one of followed) {
      const key = linkOf(one);
      const rows = (key === undefined ? undefined : found.byKey.get(key)) ?? [];
      const shown = rows.slice(0, INCLUDED_EACH_MAX).map(({ row }) => row);
      if (rows.length > shown.length) cut.push(link.name);
      one.row[link.name] = link.many ? shown : (shown[0] ?? null);
    }
    const all = [...found.byKey.values()].flatMap((rows) => rows.slice(0, INCLUDED_EACH_MAX));
    cut.push(...(await follow(tx, plans, target, deeper, all)).map((name) => `${link.name}.${name}`));
  }
  return [...new Set(cut)];
}

type Related = { readonly byKey: ReadonlyMap<string, readonly Followed[]>; readonly cut: boolean };

async function related(
  tx: Transaction,
  target: TablePlan,
  link: Relation,
  deeper: Tree,
  keys: readonly (string | undefined)[],
): Promise<Related> {
  const wanted = [...new Set(keys.flatMap((key) => (key === undefined ? [] : [key])))];
  if (wanted.length === 0) return { byKey: new Map(), cut: false };
  const parameters = new Parameters();
  const columns = link.to.map((name) => `t.${quote(name)}`);
  const links = link.to.map((name) => linkText(target, name));
  const order = target.primaryKey.map(({ column }) => `t.${quote(column.name)}`).join(", ");
  const { rows } = await tx.query<Row>(
    `select * from (
       select ${readable(target.columns)}${linking(target, deeper)},
         ${links.map((sql, at) => `${sql} as k${at}`).join(", ")},
         row_number() over (partition by ${columns.join(", ")} order by ${order})::integer as place
       from ${relation(target.table)} t where ${oneOf(columns, wanted, parameters)}) found
     where place <= ${INCLUDED_EACH_MAX + 1} order by place limit ${INCLUDED_ALL_MAX + 1}`,
    parameters.values,
  );
  const kept = rows
    .slice(0, INCLUDED_ALL_MAX)
    .map((selected) => ({ selected, row: rowOf(target.columns, selected) }));
  const byKey = Map.groupBy(
    kept,
    ({ selected }) => keyText(link.to.map((_, at) => selected[`k${at}`])) ?? "",
  );
  return { byKey, cut: rows.length > INCLUDED_ALL_MAX };
}

/** Rows whose columns hold one of the wanted combinations. */
function oneOf(columns: readonly string[], wanted: readonly string[], parameters: Parameters): string {
  const values = wanted.map((key) => JSON.parse(key) as readonly string[]);
  const [only, ...more] = columns;
  if (more.length === 0) return `${only} = any (${parameters.add(values.map(([value]) => value))})`;
  const each = values.map(
    (value) => `(${columns.map((column, at) => `${column} = ${parameters.add(value[at])}`).join(" and ")})`,
  );
  return `(${each.join(" or ")})`;
}

/** Equal values have equal text here, also of two columns of different scale. */
function linkText(plan: TablePlan, name: string): string {
  const column = `t.${quote(name)}`;
  const kind = plan.columns.find((one) => one.column.name === name)?.kind;
  return kind === "numeric" ? `trim_scale(${column})::text` : `${column}::text`;
}

function keyText(values: readonly unknown[]): string | undefined {
  return values.some((value) => value === null || value === undefined) ? undefined : JSON.stringify(values);
}

function unknownRelation(plan: TablePlan, path: string): InputError {
  const known = plan.relations.map((one) => one.name).join(", ") || "nothing";
  return new InputError({
    code: "relation-unknown",
    message:
      `${plan.table.name} cannot include ${path}; it can include ${known}, ` +
      `and what those can, ${PATH_LENGTH_MAX} deep at most, such as a.b`,
  });
}
