import { z } from "zod";
import type { Tool } from "../tool.ts";
import { behind, cursorOf, type Ordering, orderSql, totalOrder } from "./cursor.ts";
import { FILTER_WORDS, filterSql, whereSchema } from "./filter.ts";
import { follow, INCLUDED_EACH_MAX, INCLUDES_MAX, linking, treeOf } from "./include.ts";
import { generated } from "./make-tool.ts";
import type { ColumnPlan, Plans, TablePlan } from "./plan.ts";
import { type Row, readable, rowOf } from "./rows.ts";
import { field, Parameters, relation } from "./sql.ts";

/** The most rows of one page. */
const PAGE_ROWS_MAX = 200;
const PAGE_ROWS_DEFAULT = 20;
const ORDERS_MAX = 4;
const CURSOR_CHARS_MAX = 8_000;
const NAME_CHARS_MAX = 200;

/** Finds rows: filtered, ordered, page by page, with rows of other tables along foreign keys. */
export function findTool(plans: Plans, plan: TablePlan): Tool {
  const input = z.strictObject({
    where: whereSchema(plan).default({}),
    ...orderShape(plan),
    limit: z.number().int().min(1).max(PAGE_ROWS_MAX).default(PAGE_ROWS_DEFAULT),
    cursor: z.string().max(CURSOR_CHARS_MAX).optional().describe("The cursor of the page before."),
    ...includeShape(plan),
  });
  return generated(plan, {
    verb: "find",
    effect: "read",
    says:
      "Finds rows by conditions on their columns, in the order of the key unless told otherwise. " +
      `At most ${PAGE_ROWS_MAX} rows a page; where there is more, cursor leads to the next. ` +
      FILTER_WORDS +
      includes(plan),
    input,
    run: async (tx, { where, limit, cursor, ...more }) => {
      const { order: wanted = [], include = [] } = more as {
        readonly order?: readonly { readonly column: string; readonly descending: boolean }[];
        readonly include?: readonly string[];
      };
      const tree = treeOf(plans, plan, include);
      const order = totalOrder(plan, orderings(plan, wanted));
      const parameters = new Parameters();
      const conditions = [filterSql(plan, where, parameters)];
      if (cursor !== undefined) conditions.push(behind(order, cursor, parameters));
      const places = order.map(({ column }, at) => `, ${field(column)}::text as p${at}`).join("");
      const { rows } = await tx.query<Row>(
        `select ${readable(plan.columns)}${places}${linking(plan, tree)} from ${relation(plan.table)} t
         where ${conditions.join(" and ")} order by ${orderSql(order)} limit ${limit + 1}`,
        parameters.values,
      );
      const page = rows.slice(0, limit).map((selected) => ({ selected, row: rowOf(plan.columns, selected) }));
      const cut = await follow(tx, plans, plan, tree, page);
      const last = page.at(-1)?.selected;
      const next =
        rows.length > limit && last !== undefined
          ? {
              cursor: cursorOf(
                order,
                order.map((_, at) => last[`p${at}`] as string | null),
              ),
            }
          : {};
      const left = cut.length === 0 ? {} : { cut };
      return { rows: page.map(({ row }) => row), more: rows.length > limit, ...next, ...left };
    },
  });
}

function orderShape(plan: TablePlan) {
  const keys = orderable(plan).map((one) => one.key);
  if (keys.length === 0) return {};
  const one = z.strictObject({ column: z.enum(keys), descending: z.boolean().default(false) });
  return { order: z.array(one).max(ORDERS_MAX).default([]) };
}

function includeShape(plan: TablePlan) {
  if (plan.relations.length === 0) return {};
  const path = z.string().max(NAME_CHARS_MAX);
  return { include: z.array(path).max(INCLUDES_MAX).default([]) };
}

function orderings(
  plan: TablePlan,
  wanted: readonly { readonly column: string; readonly descending: boolean }[],
): readonly Ordering[] {
  const seen = new Set<string>();
  return wanted.flatMap(({ column: key, descending }) => {
    const column = orderable(plan).find((one) => one.key === key);
    if (column === undefined || seen.has(key)) return [];
    seen.add(key);
    return [{ column, descending }];
  });
}

const UNORDERED = new Set(["array", "jsonb", "opaque"]);
const orderable = (plan: TablePlan): readonly ColumnPlan[] =>
  plan.columns.filter((one) => !UNORDERED.has(one.kind));

function includes(plan: TablePlan): string {
  if (plan.relations.length === 0) return "";
  const each = plan.relations.map((one) => `${one.name} (${one.many ? "rows" : "row"} of ${one.target})`);
  const limits = `At most ${INCLUDED_EACH_MAX} rows of each; cut names what is left out.`;
  return ` include: ${each.join(", ")}; a.b goes on from there. ${limits}`;
}
