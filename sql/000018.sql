-- Room agents: what an attempt has staged, row by row, so that a turn writes what it changed and no more.

create table factotum.attempt_rows (
  run_id bigint not null,
  number integer not null,
  -- A key has no length limit that a B-tree entry would keep.
  id uuid not null generated always as (md5(md5(relation) || key)::uuid) stored,
  relation text not null,
  key text not null,
  before text,
  after text,
  fingerprint text not null,
  constraint attempt_rows_pkey primary key (run_id, number, id),
  constraint attempt_rows_attempt_fkey foreign key (run_id, number)
    references factotum.attempts (run_id, number) on delete cascade,
  constraint attempt_rows_changes_something check (before is distinct from after)
);
comment on table factotum.attempt_rows is
  'The rows that an attempt would change, as factotum.change_rows has them of committed ones.';

create table factotum.attempt_items (
  run_id bigint not null,
  number integer not null,
  kind text not null,
  position integer not null,
  item jsonb not null,
  constraint attempt_items_pkey primary key (run_id, number, kind, position),
  constraint attempt_items_attempt_fkey foreign key (run_id, number)
    references factotum.attempts (run_id, number) on delete cascade,
  constraint attempt_items_kind_known check (kind in ('call', 'rely'))
);
comment on table factotum.attempt_items is
  'In order: the tool calls that staged an attempt, and the reads that it relies on.';

insert into factotum.attempt_rows (run_id, number, relation, key, before, after, fingerprint)
select a.run_id, a.number, r."table", r.key, r.before, r.after, r.fingerprint
from factotum.attempts a,
  jsonb_to_recordset(a.change_set -> 'rows')
    r("table" text, key text, before text, after text, fingerprint text);
insert into factotum.attempt_items (run_id, number, kind, position, item)
select a.run_id, a.number, 'call', c.position - 1, c.item
from factotum.attempts a, jsonb_array_elements(a.calls) with ordinality c(item, position);
insert into factotum.attempt_items (run_id, number, kind, position, item)
select a.run_id, a.number, 'rely', c.position - 1, c.item
from factotum.attempts a,
  jsonb_array_elements(coalesce(a.change_set -> 'relies', '[]')) with ordinality c(item, position);
alter table factotum.attempts drop column calls, drop column change_set;
