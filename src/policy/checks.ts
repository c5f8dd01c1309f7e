import { OUTBOX, rely, type RelyParameter } from "../changes/index.ts";
import type { Json } from "../kernel/index.ts";
import { BECAUSE_CHARS_MAX, type Check, type CheckContext, type Finding, FINDINGS_MAX } from "./check.ts";

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

/**
 * Nothing leaves by another channel than these, nor in a form that its channel does not take, and an effect
 * committed before is not touched.
 *
 * @param problemsOf what a channel finds wrong with a body
 */
export function onlyEffects<Input>(
  channels: readonly string[],
  problemsOf: (channel: string, body: Json) => readonly string[] = () => [],
): Check<Input> {
  const check = invariant<Input>("only declared effects leave", ({ diff }) =>
    diff
      .filter((row) => row.table === OUTBOX)
      .flatMap(({ kind, key, after }) => {
        if (kind !== "insert") return [`effect ${key["id"]} was committed before and is changed (${kind})`];
        const channel = after?.["channel"] ?? "?";
        if (!channels.includes(channel)) return [`${channel} is not among the agent's effects`];
        return [after?.["body"], after?.["if_undone"]]
          .filter((body) => typeof body === "string")
          .flatMap((body) => problemsOf(channel, JSON.parse(body) as Json))
          .map((because) => `to ${channel}: ${because}`);
      }),
  );
  return { ...check, by: "tables" };
}

/** How a `sqlAssertion` is asked. */
export type SqlAssertionOptions<Input> = {
  /** What a returned row means: by default (`fail`) the change is wrong. */
  readonly kind?: Finding["kind"];
  /** The values of `$1`, `$2` and so on. */
  readonly params?: (context: CheckContext<Input>) => readonly RelyParameter[];
  /**
   * Asks again at the commit: where the query then gives anything else, the attempt is made again. For a rule
   * over rows that the change itself does not touch, such as the seats that others have sold.
   */
  readonly rely?: boolean;
};

/**
 * A query over the staged state that must return no row; each row's `because` column is a finding, and
 * without one, the row. However much the query finds, only the first findings leave the database.
 */
export function sqlAssertion<Input>(
  name: string,
  sql: string,
  { kind = "fail", params = () => [], rely: relied = false }: SqlAssertionOptions<Input> = {},
): Check<Input> {
  const bounded = `select left(coalesce(to_jsonb(broken)->>'because', to_jsonb(broken)::text),
      ${BECAUSE_CHARS_MAX + 1}) as because
    from (${sql.trim().replace(/;+$/, "")}\n) as broken limit ${FINDINGS_MAX + 1}`;
  return {
    ...{ name, by: "sql" },
    run: async (context) => {
      const values = params(context);
      const rows = relied
        ? await rely<{ because: string }>(context.view, bounded, values)
        : (await context.view.query<{ because: string }>(bounded, values)).rows;
      return rows.map(({ because }) => ({ kind, because }));
    },
  };
}

/**
 * What the policy leaves to a person: each sentence is a reason to ask.
 *
 * @param asks when to ask and why; without it, about every change
 */
export function person<Input>(
  name: string,
  asks: (context: CheckContext<Input>) => readonly string[] | Promise<readonly string[]> = () => [
    "a person looks at every change",
  ],
): Check<Input> {
  return {
    ...{ name, by: "person" },
    run: async (context) => (await asks(context)).map((because) => ({ kind: "ask", because })),
  };
}
