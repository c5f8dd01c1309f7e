import { type Json, jsonbText, type RunId, storableText, type TenantId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";

/** The most lessons of one agent that a recall returns: the newest win. */
const RECALL_MAX = 2_000;

/**
 * Something learned from resolved work. `topic` names what it is about (a carrier, a customer),
 * `shape` the kind of input it holds for; a later lesson for the same pair replaces the earlier one.
 */
export type Lesson = { readonly topic: string; readonly shape: string; readonly content: Json };

/** Whose lessons: they never cross agents or tenants. */
export type LessonOwner = { readonly tenant: TenantId; readonly agent: string };

/** Keeps lessons, in the transaction that committed the work they come from. */
export async function remember(
  tx: Transaction,
  owner: LessonOwner,
  lessons: readonly Lesson[],
  from?: RunId,
): Promise<void> {
  for (const lesson of lessons) {
    await tx.query(
      `insert into factotum.lessons (tenant, agent, topic, shape, content, run_id)
       values ($1, $2, $3, $4, $5, $6)
       on conflict on constraint lessons_one_per_shape do update
       set content = excluded.content, run_id = excluded.run_id, learned_at = factotum.now()`,
      [
        owner.tenant,
        owner.agent,
        storableText(lesson.topic),
        storableText(lesson.shape),
        jsonbText(lesson.content),
        from ?? null,
      ],
    );
  }
}

/** The lessons of an agent, oldest first. */
export async function recall(tx: Pick<Transaction, "query">, owner: LessonOwner): Promise<readonly Lesson[]> {
  const { rows } = await tx.query<Lesson>(
    `select topic, shape, content from (
       select * from factotum.lessons where tenant = $1 and agent = $2 order by id desc limit $3
     ) newest order by id`,
    [owner.tenant, owner.agent, RECALL_MAX],
  );
  return rows;
}

/** Drops what was learned from a run whose work was undone. */
export async function forget(tx: Transaction, from: RunId): Promise<void> {
  await tx.query("delete from factotum.lessons where run_id = $1", [from]);
}
