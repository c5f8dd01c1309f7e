import type { ApplyMode, TableChange } from "./apply.ts";
import { type ForeignKey, losesParents } from "./foreign-keys.ts";
import type { Answer } from "./pipeline.ts";
import type { Relation } from "./relation.ts";

type Foreseen = {
  readonly changes: readonly TableChange[];
  readonly keys: readonly ForeignKey[];
  readonly isolation: string;
};

/**
 * Whether the statements that apply a change set can do nothing but what they say: each is refused unless
 * every row was as in its `before`, and writes the values of its `after`. What could add to that, triggers,
 * rules, cascades and columns that Postgres computes, is looked for in the definition of the tables; where
 * there is any, rows are captured while they are applied and compared with what was staged.
 */
export function isForeseeable({ changes, keys, isolation }: Foreseen, mode: ApplyMode): boolean {
  // A snapshot of before the locks were held would not show a definition that changed meanwhile.
  if (isolation !== "read committed") return false;
  const plain = changes.every(
    ({ relation }) =>
      relation.alwaysTriggers.length === 0 &&
      relation.rules.length === 0 &&
      relation.columns.every((column) => column.generated !== "stored"),
  );
  if (!plain || mode === "replica") return plain;
  const quiet = changes.every(({ relation }) => relation.userTriggers.length === 0);
  return quiet && !losesParents(changes, keys);
}

/** A table that is no longer defined as it was when it was read, given the answer to `versionsOf`. */
export function redefinedTable(relations: readonly Relation[], answer: Answer): string | undefined {
  const now = new Map(answer.rows.map((row) => [row["oid"], row["version"]]));
  return relations.find(({ oid, version }) => now.get(oid) !== version)?.name;
}
