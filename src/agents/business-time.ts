import type { Transaction } from "../postgres/index.ts";

/** The business's present instant. */
export async function businessTime(workshop: { readonly db: Pick<Transaction, "query"> }): Promise<Date> {
  const { rows } = await workshop.db.query<{ at: Date }>("select factotum.now() as at");
  return rows[0]?.at as Date;
}
