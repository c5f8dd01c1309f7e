-- Room terms: plans, what happened to subscriptions, and the invoices that were sent.

create table factotum.plans (
  tenant text not null,
  plan text not null,
  version integer not null,
  previous integer generated always as (nullif(version - 1, 0)) stored,
  terms json not null,
  known_at timestamptz not null,
  constraint plans_pkey primary key (tenant, plan, version),
  constraint plans_version_positive check (version > 0),
  constraint plans_no_gap foreign key (tenant, plan, previous) references factotum.plans (tenant, plan, version)
);
comment on table factotum.plans is
  'Append-only. A subscription keeps the version that it has; a new price is a new version.';
create index plans_known on factotum.plans (tenant, known_at);

create table factotum.subscription_events (
  tenant text not null,
  id text not null,
  subscription text not null,
  kind text not null,
  body json not null,
  known_at timestamptz not null,
  constraint subscription_events_pkey primary key (tenant, id),
  constraint subscription_events_kind_check check (kind in ('subscribed', 'moved', 'ended', 'seat-added',
    'seat-removed', 'consumed', 'topped-up', 'resolved', 'reopened', 'sold', 'sale-refunded', 'refunded')),
  constraint subscription_events_body_check check (
    body ->> 'id' = id and body ->> 'kind' = kind and body ->> 'subscription' = subscription)
);
comment on table factotum.subscription_events is
  'Append-only. What happened to a subscription, each fact once by its id; lines of invoices name them.';
create index subscription_events_known on factotum.subscription_events (tenant, known_at);
create index subscription_events_subscription on factotum.subscription_events (tenant, subscription);
create unique index subscription_events_begun on factotum.subscription_events (tenant, subscription)
  where kind = 'subscribed';

create table factotum.invoices (
  tenant text not null,
  subscription text not null,
  ordinal integer not null,
  previous integer generated always as (nullif(ordinal - 1, 0)) stored,
  period text not null,
  from_at timestamptz not null,
  to_at timestamptz not null,
  invoice json not null,
  known_at timestamptz not null,
  constraint invoices_pkey primary key (tenant, subscription, ordinal),
  constraint invoices_once unique (tenant, subscription, period),
  constraint invoices_seam unique (tenant, subscription, ordinal, to_at),
  constraint invoices_ordinal_positive check (ordinal > 0),
  constraint invoices_span_check check (from_at < to_at),
  constraint invoices_ended_check check (known_at >= to_at),
  constraint invoices_body_check check (
    invoice ->> 'period' = period and invoice ->> 'subscription' = subscription),
  constraint invoices_no_gap foreign key (tenant, subscription, previous, from_at)
    references factotum.invoices (tenant, subscription, ordinal, to_at)
);
comment on table factotum.invoices is
  'Append-only. Invoices as they were sent: what is learned later is in the next one.';
create index invoices_known on factotum.invoices (tenant, known_at);

create function factotum.last_term_known(of_tenant text) returns timestamptz
  language sql stable
  begin atomic
    select max(last.at) from (
      select max(known_at) as at from factotum.agreement_versions where tenant = of_tenant
      union all select max(known_at) from factotum.term_events where tenant = of_tenant
      union all select max(known_at) from factotum.closed_periods where tenant = of_tenant
      union all select max(known_at) from factotum.plans where tenant = of_tenant
      union all select max(known_at) from factotum.subscription_events where tenant = of_tenant
      union all select max(known_at) from factotum.invoices where tenant = of_tenant
    ) last;
  end;
comment on function factotum.last_term_known(text) is 'When the last fact of room terms became known to a tenant.';
create index closed_periods_known on factotum.closed_periods (tenant, known_at);

create or replace function factotum.stamp_term() returns trigger language plpgsql as $$
begin
  -- One writer at a time for each tenant, so that what is known later is also seen later.
  perform pg_advisory_xact_lock(hashtextextended('factotum.terms ' || new.tenant, 0));
  new.known_at := greatest(
    factotum.clock_time(), factotum.last_term_known(new.tenant) + interval '1 microsecond');
  return new;
end
$$;

create trigger plans_stamp before insert on factotum.plans
  for each row execute function factotum.stamp_term();
create trigger subscription_events_stamp before insert on factotum.subscription_events
  for each row execute function factotum.stamp_term();
create trigger invoices_stamp before insert on factotum.invoices
  for each row execute function factotum.stamp_term();
create trigger plans_append_only before update or delete on factotum.plans
  for each row execute function factotum.refuse_change();
create trigger plans_no_truncate before truncate on factotum.plans
  for each statement execute function factotum.refuse_change();
create trigger subscription_events_append_only before update or delete on factotum.subscription_events
  for each row execute function factotum.refuse_change();
create trigger subscription_events_no_truncate before truncate on factotum.subscription_events
  for each statement execute function factotum.refuse_change();
create trigger invoices_append_only before update or delete on factotum.invoices
  for each row execute function factotum.refuse_change();
create trigger invoices_no_truncate before truncate on factotum.invoices
  for each statement execute function factotum.refuse_change();
