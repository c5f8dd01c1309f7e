import { OUTBOX } from "../changes/index.ts";
import type { Check, CheckContext, Finding } from "./check.ts";

/**
 * A rule that must hold of every change: the function returns the sentences of what breaks it.
 *
 * @param name the rule as a fact, such as `a window starts before it ends`
 */
export function invariant<Input>(
  name: string,
  broken: (context: CheckContext<Input>) => readonly string[] | Promise<readonly string[]>,
): Check<Input> {
  return {
    ...{ name, by: "invariant" },
    run: async (context) => (await broken(context)).map((because) => ({ kind: "fail", because })),
  };
}

/** Nothing outside these tables (`schema.table`) may change, whatever a tool did. */
export function onlyTables<Input>(tables: readonly string[]): Check<Input> {
  const check = invariant<Input>("only declared tables change", ({ diff }) => {
    const strangers = new Set(diff.map((row) => row.table).filter((table) => !tables.includes(table)));
    return [...strangers].map((table) => `${table} is not among the agent's tables`);
  });
  return { ...check, by: "tables" };
}

/** Nothing leaves by another channel than these, and an effect committed before is not touched. */
export function onlyEffects<Input>(channels: readonly string[]): Check<Input> {
  return invariant("only declared effects leave", ({ diff }) =>
    diff
      .filter((row) => row.table === OUTBOX)
      .flatMap(({ kind, key, after }) => {
        if (kind !== "insert") return [`effect ${key["id"]} was committed before and is changed (${kind})`];
        const channel = after?.["channel"] ?? "?";
        return channels.includes(channel) ? [] : [`${channel} is not among the agent's effects`];
      }),
  );
}

/**
 * A query over the staged state that must return no row; each row's `because` column is a finding.
 *
 * @param kind what a returned row means: by default the change is wrong
 */
export function sqlAssertion<Input>(name: string, sql: string, kind: Finding["kind"] = "fail"): Check<Input> {
  return {
    ...{ name, by: "sql" },
    run: async ({ view }) => {
      const { rows } = await view.query<{ because?: string }>(sql);
      return rows.map((row) => ({ kind, because: row.because ?? JSON.stringify(row) }));
    },
  };
}
