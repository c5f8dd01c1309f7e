-- Room `ledger`: prices that a company states at run time, and the joules that own engines use for calls.

create table factotum.prices (
  id bigint generated always as identity,
  model text not null,
  version integer not null,
  holds_from timestamptz not null,
  price json,
  because text not null,
  stated_by text not null,
  known_at timestamptz not null default factotum.now(),
  constraint prices_pkey primary key (id),
  constraint prices_version_unique unique (model, version),
  constraint prices_version_check check (version >= 1),
  constraint prices_model_check check (model ~ '^[^/\s]+/\S+$' and length(model) <= 500),
  constraint prices_price_check check (price ->> 'kind' in ('stated', 'local'))
);
comment on table factotum.prices is
  'Append-only. A company''s own prices by model, before its configuration''s and the catalogue''s: of those that hold from an instant or before, the one that holds from the last, and of two for one instant the later version.';
comment on column factotum.prices.price is
  'As a model''s card carries it. Null: from then on the configuration and the catalogue say it again.';

create trigger prices_append_only before update or delete on factotum.prices
  for each row execute function factotum.refuse_change();
create trigger prices_no_truncate before truncate on factotum.prices
  for each statement execute function factotum.refuse_change();

-- Workers and replicas read what is new; what was booked stays as it is.
create function factotum.tell_prices() returns trigger language plpgsql as $$
begin
  perform pg_notify('factotum_prices', ''), pg_notify('factotum_watch', '');
  return null;
end
$$;
create trigger prices_told after insert on factotum.prices
  for each statement execute function factotum.tell_prices();

alter table factotum.entries
  add column millijoules bigint not null default 0,
  add constraint entries_joules_check
    check (case when reverses is null then millijoules >= 0 else millijoules <= 0 end);
comment on column factotum.entries.millijoules is
  'What an engine of one''s own used for it, by the joules that are stated beside its price.';

create or replace view factotum.movements as
  select 'transfer' as of, t.id, t.at, t.unit, t.debit, t.credit, t.amount from factotum.transfers t
  union all
  select 'entry', e.id, e.at, x.unit, x.debit, x.credit, x.amount
  from factotum.entries e, lateral (values
    ('USD', e.debit, e.credit, e.amount_micro_usd),
    ('tokens.input', 'used/' || e.model, 'supplied/' || e.model, e.input_tokens),
    ('tokens.cached-input', 'used/' || e.model, 'supplied/' || e.model, e.cached_input_tokens),
    ('tokens.cache-write', 'used/' || e.model, 'supplied/' || e.model, e.cache_write_tokens),
    ('tokens.output', 'used/' || e.model, 'supplied/' || e.model, e.output_tokens),
    ('tokens.reasoning', 'used/' || e.model, 'supplied/' || e.model, e.reasoning_tokens),
    ('joules', 'used/' || e.model, 'supplied/' || e.model, e.millijoules)
  ) x (unit, debit, credit, amount)
  where x.amount <> 0;
comment on view factotum.movements is
  'All that was booked: transfers, and entries of money, tokens and joules. An entry that reverses has a negative amount.';
