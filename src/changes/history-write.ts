import type { ChangeSetId } from "../kernel/index.ts";
import type { About } from "./about.ts";
import type { ChangeSet } from "./change-set.ts";
import { shapeOf } from "./diff.ts";
import type { Statement } from "./pipeline.ts";
import type { Relation } from "./relation.ts";

/** One statement that writes a change set down; answers its `id`. */
export function recordStatement(
  set: ChangeSet,
  relations: readonly Relation[],
  about: About,
  undoes: ChangeSetId | null,
): Statement {
  const shapes = relations.map((relation) => ({
    fingerprint: relation.fingerprint,
    relation: relation.name,
    ...shapeOf(relation),
  }));
  const rows = set.rows;
  return {
    text: `with shapes as (
        insert into factotum.row_shapes (fingerprint, relation, root, columns, key_columns)
        select s.fingerprint, s.relation, s.root, s.columns, s.key
        from json_to_recordset($1::json)
          s(fingerprint text, relation text, root text, columns text[], key text[])
        on conflict on constraint row_shapes_pkey do nothing
      ), made as (
        insert into factotum.change_sets (run_id, attempt, agent, because, model, cost_micro_usd, undoes)
        values ($2, $3, $4, $5, $6, $7, $8) returning id
      ), rows as (
        insert into factotum.change_rows (change_set, position, relation, key, before, after, fingerprint)
        select made.id, r.position, r.relation, r.key, r.before, r.after, r.fingerprint
        from made, unnest($9::text[], $10::text[], $11::text[], $12::text[], $13::text[]) with ordinality
          r(relation, key, before, after, fingerprint, position)
      )
      select id::text from made`,
    values: [
      JSON.stringify(shapes),
      ...[about.runId, about.attempt, about.agent, about.because, about.model ?? null],
      ...[about.costMicroUsd === undefined ? null : String(about.costMicroUsd), undoes],
      ...[rows.map((row) => row.table), rows.map((row) => row.key), rows.map((row) => row.before)],
      ...[rows.map((row) => row.after), rows.map((row) => row.fingerprint)],
    ],
  };
}
