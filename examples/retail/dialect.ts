/** How the same business spoke in three places: two published benchmarks, and as we would build it. */
import { InputError } from "factotum/kernel";

/**
 * - `1`: tau-bench. Refusals begin in lower case, fields without a value are absent, an airline address
 *   has a `province`;
 * - `2`: tau2-bench. Refusals begin with a capital, fields without a value are null;
 * - `own`: speaks like 2, without the slips that both keep for the sake of their recordings.
 *
 * Each slip is named where it is made.
 */
export type Dialect = 1 | 2 | "own";

/**
 * The business says no: an expected outcome that the model is told, and nothing is staged.
 *
 * @param sentence begins with a capital; dialect 1 lowers it
 */
export function refusal(dialect: Dialect, sentence: string): InputError {
  const said = dialect === 1 ? `${sentence.charAt(0).toLowerCase()}${sentence.slice(1)}` : sentence;
  return new InputError({ code: "business-refusal", message: said });
}

/** What a tool answers with: in dialect 1, top-level fields without a value are left out. */
export function spoken<T extends object>(dialect: Dialect, value: T): T {
  if (dialect !== 1) return value;
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null)) as T;
}
