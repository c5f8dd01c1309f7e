-- Room terms: what parties agreed, what happened, and what was settled. Facts only: nothing is changed, nothing goes.

create function factotum.clock_time() returns timestamptz
  language sql volatile parallel safe
  begin atomic
    select coalesce(
      (select c.anchor_at + (pg_catalog.clock_timestamp() - c.anchor_real) * c.rate from factotum.clock c),
      pg_catalog.clock_timestamp()
    );
  end;
comment on function factotum.clock_time() is
  'The business clock at this very moment; factotum.now() is what it showed when the transaction began.';

create table factotum.agreement_versions (
  tenant text not null,
  agreement text not null,
  version integer not null,
  previous integer generated always as (nullif(version - 1, 0)) stored,
  effective_from text not null,
  terms json not null,
  known_at timestamptz not null,
  constraint agreement_versions_pkey primary key (tenant, agreement, version),
  constraint agreement_versions_version_positive check (version > 0),
  constraint agreement_versions_no_gap foreign key (tenant, agreement, previous)
    references factotum.agreement_versions (tenant, agreement, version)
);
comment on table factotum.agreement_versions is
  'Append-only. An agreement in its wordings, each whole: the highest version whose time has come is the one that holds.';
comment on column factotum.agreement_versions.effective_from is
  'A date in the agreement''s zone, or an instant, as it was written.';
comment on column factotum.agreement_versions.known_at is
  'When it was recorded, by the business clock; no two facts of a tenant have the same.';
create index agreement_versions_known on factotum.agreement_versions (tenant, known_at);

create table factotum.term_events (
  tenant text not null,
  id text not null,
  kind text not null,
  body json not null,
  known_at timestamptz not null,
  constraint term_events_pkey primary key (tenant, id),
  constraint term_events_kind_check check (kind in ('revenue', 'restatement', 'refund', 'use', 'result',
    'investment', 'rate', 'declaration', 'attestation')),
  constraint term_events_body_check check (body ->> 'id' = id and body ->> 'kind' = kind)
);
comment on table factotum.term_events is
  'Append-only. What happened, each fact once by its id: revenue, refunds, declarations, what experts say of them.';
create index term_events_known on factotum.term_events (tenant, known_at);
create index term_events_kind on factotum.term_events (tenant, kind);

create table factotum.closed_periods (
  tenant text not null,
  agreement text not null,
  ordinal integer not null,
  first_version integer generated always as (1) stored,
  previous integer generated always as (nullif(ordinal - 1, 0)) stored,
  period text not null,
  from_at timestamptz not null,
  to_at timestamptz not null,
  settlement json not null,
  known_at timestamptz not null,
  constraint closed_periods_pkey primary key (tenant, agreement, ordinal),
  constraint closed_periods_once unique (tenant, agreement, period),
  constraint closed_periods_seam unique (tenant, agreement, ordinal, to_at),
  constraint closed_periods_ordinal_positive check (ordinal > 0),
  constraint closed_periods_span_check check (from_at < to_at),
  constraint closed_periods_ended_check check (known_at >= to_at),
  constraint closed_periods_body_check check (settlement ->> 'period' = period and settlement ->> 'agreement' = agreement),
  constraint closed_periods_agreement_fkey foreign key (tenant, agreement, first_version)
    references factotum.agreement_versions (tenant, agreement, version),
  -- Each begins where the one before it ended, so that no period is left out or settled twice.
  constraint closed_periods_no_gap foreign key (tenant, agreement, previous, from_at)
    references factotum.closed_periods (tenant, agreement, ordinal, to_at)
);
comment on table factotum.closed_periods is
  'Append-only. Closed periods, as they were settled: what is learned later is corrected in the open period.';

create function factotum.stamp_term() returns trigger language plpgsql as $$
begin
  -- One writer at a time for each tenant, so that what is known later is also seen later.
  perform pg_advisory_xact_lock(hashtextextended('factotum.terms ' || new.tenant, 0));
  new.known_at := greatest(
    factotum.clock_time(),
    (select max(last.at) + interval '1 microsecond' from (
      select max(known_at) as at from factotum.agreement_versions where tenant = new.tenant
      union all select max(known_at) from factotum.term_events where tenant = new.tenant
      union all select max(known_at) from factotum.closed_periods where tenant = new.tenant
    ) last));
  return new;
end
$$;
comment on function factotum.stamp_term() is
  'Sets known_at, later than that of every fact of the tenant: the past, as it was known, never gains a fact.';

create trigger agreement_versions_stamp before insert on factotum.agreement_versions
  for each row execute function factotum.stamp_term();
create trigger term_events_stamp before insert on factotum.term_events
  for each row execute function factotum.stamp_term();
create trigger closed_periods_stamp before insert on factotum.closed_periods
  for each row execute function factotum.stamp_term();
create trigger agreement_versions_append_only before update or delete on factotum.agreement_versions
  for each row execute function factotum.refuse_change();
create trigger agreement_versions_no_truncate before truncate on factotum.agreement_versions
  for each statement execute function factotum.refuse_change();
create trigger term_events_append_only before update or delete on factotum.term_events
  for each row execute function factotum.refuse_change();
create trigger term_events_no_truncate before truncate on factotum.term_events
  for each statement execute function factotum.refuse_change();
create trigger closed_periods_append_only before update or delete on factotum.closed_periods
  for each row execute function factotum.refuse_change();
create trigger closed_periods_no_truncate before truncate on factotum.closed_periods
  for each statement execute function factotum.refuse_change();
