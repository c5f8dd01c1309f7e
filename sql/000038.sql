-- Room `inbox`: people are told of a question one by one, each when their own quiet hours are over.

alter table factotum.questions add column told text[] not null default '{}';
comment on column factotum.questions.told is 'Who was sent a message of it.';
update factotum.questions q set told = array(
    select distinct who from json_array_elements(q.chain) with ordinality as l (step, place),
      json_array_elements_text(step -> 'who') who
    where place <= q.told_level + 1)
  where told_level >= 0 and chain is not null and status = 'open';
comment on column factotum.questions.told_level is
  'No longer used; kept for processes of an earlier version that still run.';
