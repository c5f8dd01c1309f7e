import { z } from "zod";
import type { Tool } from "../tool.ts";
import { filterSql, readWhere } from "./filter.ts";
import { generated } from "./make-tool.ts";
import type { ColumnPlan, Kind, TablePlan } from "./plan.ts";
import { type Row, readable, readExpression, rowOf, valueOf } from "./rows.ts";
import { field, Parameters, relation } from "./sql.ts";

/** The most columns to group by, and the most groups of one answer. */
const GROUP_COLUMNS_MAX = 4;
const GROUPS_MAX = 200;
const GROUPS_DEFAULT = 50;
/** The most columns of one kind of figure. */
const FIGURES_MAX = 10;

const SUMMED = new Set<Kind>(["integer", "bigint", "numeric", "float"]);
const RANKED = new Set<Kind>(["integer", "bigint", "numeric", "float", "text", "enum", "ordered"]);
const GROUPED = new Set<Kind>([...RANKED, "boolean", "equal"]);

type Figure = "sum" | "avg" | "min" | "max" | "count_distinct";
const FIGURES: { readonly [figure in Figure]: ReadonlySet<Kind> } = {
  ...{ sum: SUMMED, avg: SUMMED, min: RANKED, max: RANKED, count_distinct: GROUPED },
};

/** Counts and adds up rows, in groups. */
export function aggregateTool(plan: TablePlan): Tool {
  const figures = Object.keys(FIGURES) as readonly Figure[];
  const keys = (kinds: ReadonlySet<Kind>): readonly string[] =>
    plan.columns.filter((one) => kinds.has(one.kind)).map((one) => one.key);
  const listOf = (names: readonly string[], max: number): z.ZodType<readonly string[]> =>
    z
      .array(z.enum([...names]))
      .max(max)
      .default([]);
  const shape = Object.fromEntries(
    figures.flatMap((figure) => {
      const names = keys(FIGURES[figure]);
      return names.length === 0 ? [] : [[figure, listOf(names, FIGURES_MAX)] as const];
    }),
  );
  const input = z.strictObject({
    where: z.looseObject({}).default({}).describe(`As find_${plan.name} takes it.`),
    group_by:
      keys(GROUPED).length === 0 ? z.array(z.never()).default([]) : listOf(keys(GROUPED), GROUP_COLUMNS_MAX),
    ...shape,
    largest_first: z
      .boolean()
      .default(false)
      .describe("Groups with most rows first, else in their own order."),
    limit: z.number().int().min(1).max(GROUPS_MAX).default(GROUPS_DEFAULT),
  });
  return generated(plan, {
    verb: "aggregate",
    effect: "read",
    says:
      "Counts rows and gives figures of columns, in groups or for all of them. Sums and averages are " +
      `exact, and therefore text. Missing values count in no figure. At most ${GROUPS_MAX} groups.`,
    input,
    run: async (tx, given) => {
      const { group_by: groupBy, largest_first: largestFirst, limit, where } = given;
      const grouped = named(plan, groupBy);
      const asked = figures.flatMap((figure) =>
        named(plan, (given as { readonly [name: string]: unknown })[figure]).map((column) => ({
          figure,
          column,
        })),
      );
      const parameters = new Parameters();
      const checked = filterSql(plan, readWhere(plan, where), parameters);
      const columns = grouped.map(field);
      const own = columns.map((column) => `${column} asc nulls last`);
      const order = [...(largestFirst ? ["count(*) desc"] : []), ...own];
      const { rows } = await tx.query<Row>(
        `select count(*)::text as n${grouped.length > 0 ? `, ${readable(grouped)}` : ""}
           ${asked.map(({ figure, column }, at) => `, ${figureSql(figure, column)} as f${at}`).join("")}
         from ${relation(plan.table)} t where ${checked}
         ${columns.length > 0 ? `group by ${columns.join(", ")} order by ${order.join(", ")}` : ""}
         limit ${limit + 1}`,
        parameters.values,
      );
      const groups = rows.slice(0, limit).map((row) => ({
        ...(grouped.length > 0 && { group: rowOf(grouped, row) }),
        count: Number(row["n"]),
        ...figuresOf(asked, row),
      }));
      return { groups, more: rows.length > limit };
    },
  });
}

type Asked = { readonly figure: Figure; readonly column: ColumnPlan };

function figureSql(figure: Figure, plan: ColumnPlan): string {
  const column = field(plan);
  switch (figure) {
    case "count_distinct":
      return `count(distinct ${column})::text`;
    case "sum":
    case "avg":
      return `${figure}(${column})::text`;
    case "min":
    case "max":
      return readExpression(plan, `${figure}(${column})`);
  }
}

function figuresOf(asked: readonly Asked[], row: Row): Row {
  const figures: Record<string, Row> = {};
  for (const [at, { figure, column }] of asked.entries()) {
    const value = row[`f${at}`] ?? null;
    const shown =
      figure === "count_distinct"
        ? Number(value)
        : figure === "min" || figure === "max"
          ? valueOf(column, value)
          : value;
    figures[figure] = { ...figures[figure], [column.key]: shown };
  }
  return figures;
}

function named(plan: TablePlan, keys: unknown): readonly ColumnPlan[] {
  const wanted = new Set(Array.isArray(keys) ? keys : []);
  return plan.columns.filter((one) => wanted.has(one.key));
}
