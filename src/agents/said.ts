import type { RunId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";

/** Something said to a run, as whoever takes the next step is told it. */
export type Heeded = { readonly by: string; readonly text: string };

/** Everything that was said to a run so far, oldest first. */
export async function heededSoFar(tx: Pick<Transaction, "query">, runId: RunId): Promise<readonly Heeded[]> {
  const { rows } = await tx.query<Heeded>(
    `select data ->> 'by' as by, data ->> 'text' as text from factotum.steps
     where run_id = $1 and kind = 'nudged' and data ->> 'text' <> '' order by seq`,
    [runId],
  );
  return rows;
}
