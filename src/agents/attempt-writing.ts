import type { ChangeSet, RowChange } from "../changes/index.ts";
import { jsonbText, type RunId } from "../kernel/index.ts";
import type { ToolCall } from "../policy/index.ts";

/** What of an attempt grows with its length, and is written row by row. */
export type Written = { readonly changeSet: ChangeSet; readonly calls: readonly ToolCall[] };

type Named = Written & { readonly runId: RunId; readonly number: number };

/**
 * One statement that writes an attempt: its own row, and of its staged rows and lists what differs from
 * `since`; without it they are sent whole, and those that are there and no longer belong are taken away.
 *
 * @param header rung, model, status, diff, verdicts, refusals and reason
 */
export function writingStatement(
  attempt: Named,
  since: Written | undefined,
  header: readonly unknown[],
): { readonly text: string; readonly values: readonly unknown[] } {
  const { changeSet, calls } = attempt;
  const { put, gone } = rowsSince(changeSet.rows, since?.changeSet.rows ?? []);
  const relies = changeSet.relies ?? [];
  const lists = [
    { kind: "call", items: itemsSince(calls, since?.calls ?? []) },
    { kind: "rely", items: itemsSince(relies, since?.changeSet.relies ?? []) },
  ].flatMap(({ kind, items }) => items.map((one) => ({ kind, ...one })));
  return {
    text: since === undefined ? WHOLE : DIFFERENCE,
    values: [
      ...[attempt.runId, attempt.number, ...header],
      ...[put.map((row) => row.table), put.map((row) => row.key), put.map((row) => row.before)],
      ...[put.map((row) => row.after), put.map((row) => row.fingerprint)],
      ...[lists.map((one) => one.kind), lists.map((one) => one.position), lists.map((one) => one.item)],
      ...[calls.length, relies.length],
      ...(since === undefined ? [] : [gone.map((row) => row.table), gone.map((row) => row.key)]),
    ],
  };
}

/** Rows that are new or other than they were, and those that are no longer there. */
function rowsSince(
  now: readonly RowChange[],
  before: readonly RowChange[],
): { readonly put: readonly RowChange[]; readonly gone: readonly RowChange[] } {
  if (now === before) return { put: [], gone: [] };
  // Names and keys hold no NUL, as Postgres text does not.
  const id = ({ table, key }: RowChange): string => `${table}\0${key}`;
  const known = new Map(before.map((row) => [id(row), row]));
  const put = now.filter((row) => {
    const was = known.get(id(row));
    known.delete(id(row));
    return was === undefined || !isSame(was, row);
  });
  return { put, gone: [...known.values()] };
}

function isSame(one: RowChange, other: RowChange): boolean {
  return one.before === other.before && one.after === other.after && one.fingerprint === other.fingerprint;
}

/** The items of a list that came after those known; a list that did not only grow is sent whole. */
function itemsSince(
  now: readonly unknown[],
  before: readonly unknown[],
): readonly { readonly position: number; readonly item: string }[] {
  const grown = before.every((item, at) => item === now[at]);
  const from = grown ? before.length : 0;
  return now.slice(from).map((item, at) => ({ position: from + at, item: jsonbText(item) }));
}

const writing = (isGone: string): string => `
with attempt as (
  insert into factotum.attempts
    (run_id, number, rung, model, status, diff, verdicts, refusals, because, ended_at)
  values ($1::bigint, $2::integer, $3, $4, $5, $6, $7, $8, $9,
    case when $5 = 'working' then null else factotum.now() end)
  on conflict on constraint attempts_pkey do update set
    status = excluded.status, diff = excluded.diff, verdicts = excluded.verdicts,
    refusals = excluded.refusals, because = excluded.because, ended_at = excluded.ended_at),
put as (
  select * from unnest($10::text[], $11::text[], $12::text[], $13::text[], $14::text[])
    p(relation, key, before, after, fingerprint)),
rows_put as (
  insert into factotum.attempt_rows as a (run_id, number, relation, key, before, after, fingerprint)
  select $1::bigint, $2::integer, p.* from put p
  on conflict on constraint attempt_rows_pkey do update set
    before = excluded.before, after = excluded.after, fingerprint = excluded.fingerprint
  where (a.before, a.after, a.fingerprint)
    is distinct from (excluded.before, excluded.after, excluded.fingerprint)),
rows_gone as (
  delete from factotum.attempt_rows a
  where a.run_id = $1::bigint and a.number = $2::integer and ${isGone}),
items_put as (
  insert into factotum.attempt_items as a (run_id, number, kind, position, item)
  select $1::bigint, $2::integer, i.kind, i.position, i.item::jsonb
  from unnest($15::text[], $16::integer[], $17::text[]) i(kind, position, item)
  on conflict on constraint attempt_items_pkey do update set item = excluded.item
  where a.item is distinct from excluded.item)
delete from factotum.attempt_items a
where a.run_id = $1::bigint and a.number = $2::integer
  and ((a.kind = 'call' and a.position >= $18::integer)
    or (a.kind = 'rely' and a.position >= $19::integer))`;

const WHOLE = writing("not exists (select from put p where p.relation = a.relation and p.key = a.key)");
const DIFFERENCE = writing(`a.id in (select md5(md5(g.relation) || g.key)::uuid
    from unnest($20::text[], $21::text[]) g(relation, key))`);
