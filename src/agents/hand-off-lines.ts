import type { RowChange } from "../changes/index.ts";
import type { Staged } from "./workshop.ts";

/** A call that staged something, with its answer, word for word. */
export function callLine({ tool, input, output }: Staged["calls"][number]): string {
  return `${tool} ${JSON.stringify(input)} answered ${JSON.stringify(output ?? null)}`;
}

/** What a row is to the database, in a word. */
export function rowKind({ before, after }: Pick<RowChange, "before" | "after">): string {
  if (before === null) return "new";
  return after === null ? "deleted" : "changed";
}
