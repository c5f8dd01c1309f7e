-- Room `ledger`: usage events, each counted once, whatever comes late, twice or out of order.

create table factotum.usage_events (
  source text collate "C" not null,
  id text collate "C" not null,
  at timestamptz not null,
  tenant text not null,
  subject text not null,
  meter text not null,
  quantity bigint not null,
  constraint usage_events_pkey primary key (source, id),
  constraint usage_events_quantity_check check (quantity between -1000000000000000 and 1000000000000000)
);
comment on table factotum.usage_events is
  'Append-only, once by source and id. Nothing here depends on when or in which order events came.';
comment on column factotum.usage_events.source is 'Who counted it: a gateway, an engine, a customer''s own system.';
comment on column factotum.usage_events.at is 'When it was used, as its source says.';
comment on column factotum.usage_events.meter is 'What was used, in the smallest unit: tokens.input, joules, requests.';
comment on column factotum.usage_events.quantity is 'Negative where a source takes back what it counted before.';
create index usage_events_at on factotum.usage_events using brin (at);

-- A second event under a key that says something else. Which of the two came first must decide nothing, so
-- neither is counted, and both are shown.
create table factotum.usage_disputes (
  source text collate "C" not null,
  id text collate "C" not null,
  at timestamptz not null,
  tenant text not null,
  subject text not null,
  meter text not null,
  quantity bigint not null,
  constraint usage_disputes_once unique (source, id, at, tenant, subject, meter, quantity),
  constraint usage_disputes_event_fkey foreign key (source, id) references factotum.usage_events (source, id)
);
comment on table factotum.usage_disputes is
  'Append-only. Events that contradict one of the same key in usage_events; none of that key is counted.';

create view factotum.usage_counted as
  select e.* from factotum.usage_events e
  where not exists (select from factotum.usage_disputes d where d.source = e.source and d.id = e.id);
comment on view factotum.usage_counted is 'What usage is the sum of.';

create view factotum.usage_disputed as
  select e.* from factotum.usage_events e
  where exists (select from factotum.usage_disputes d where d.source = e.source and d.id = e.id)
  union all
  select d.* from factotum.usage_disputes d;
comment on view factotum.usage_disputed is 'All that is said under a key of which more than one thing is said.';

create trigger usage_events_append_only before update or delete on factotum.usage_events
  for each row execute function factotum.refuse_change();
create trigger usage_events_no_truncate before truncate on factotum.usage_events
  for each statement execute function factotum.refuse_change();
create trigger usage_disputes_append_only before update or delete on factotum.usage_disputes
  for each row execute function factotum.refuse_change();
create trigger usage_disputes_no_truncate before truncate on factotum.usage_disputes
  for each statement execute function factotum.refuse_change();
