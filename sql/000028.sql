-- Room `ledger`: double entry in any unit beside money, rates between currencies, and balances by the hour.

create table factotum.units (
  unit text not null,
  kind text not null,
  decimals integer not null,
  constraint units_pkey primary key (unit),
  constraint units_kind_check check (kind in ('money', 'tokens', 'energy', 'time', 'count')),
  constraint units_decimals_check check (decimals between 0 and 12)
);
comment on table factotum.units is 'What can be booked. Append-only: amounts are whole multiples of 10^-decimals of a unit.';
insert into factotum.units values
  ('USD', 'money', 6), ('EUR', 'money', 6), ('GBP', 'money', 6), ('CHF', 'money', 6), ('JPY', 'money', 6),
  ('tokens.input', 'tokens', 0), ('tokens.cached-input', 'tokens', 0), ('tokens.cache-write', 'tokens', 0),
  ('tokens.output', 'tokens', 0), ('tokens.reasoning', 'tokens', 0),
  ('joules', 'energy', 3), ('attention.seconds', 'time', 3);

create table factotum.accounts (
  account text not null,
  unit text not null,
  constraint accounts_pkey primary key (account, unit),
  constraint accounts_unit_fkey foreign key (unit) references factotum.units (unit),
  constraint accounts_name_check check (account <> '' and length(account) <= 500)
);
comment on table factotum.accounts is 'Append-only. One account has one unit; the same name in two units is two accounts.';

create table factotum.transfers (
  id bigint generated always as identity,
  ref text not null,
  at timestamptz not null default factotum.now(),
  unit text not null,
  debit text not null,
  credit text not null,
  amount bigint not null,
  because text not null,
  reverses bigint,
  constraint transfers_pkey primary key (id),
  constraint transfers_ref_unique unique (ref),
  constraint transfers_debit_fkey foreign key (debit, unit) references factotum.accounts (account, unit),
  constraint transfers_credit_fkey foreign key (credit, unit) references factotum.accounts (account, unit),
  constraint transfers_accounts_check check (debit <> credit),
  constraint transfers_amount_check check (amount between 1 and 1000000000000000),
  constraint transfers_whole unique (id, unit, debit, credit, amount),
  constraint transfers_reverses_unique unique (reverses),
  -- A reversal is the whole of what it reverses, the other way round.
  constraint transfers_reverses_fkey foreign key (reverses, unit, credit, debit, amount)
    references factotum.transfers (id, unit, debit, credit, amount)
);
comment on table factotum.transfers is
  'Append-only. Each row moves one amount of one unit from the account credited to the account debited, so that debits equal credits row by row; a correction reverses.';
comment on column factotum.transfers.ref is 'The caller''s own: a transfer told twice is booked once.';

create table factotum.fx_rates (
  id bigint generated always as identity,
  from_unit text not null,
  to_unit text not null,
  holds_from date not null,
  rate numeric(38, 18) not null,
  source text not null,
  known_at timestamptz not null default factotum.now(),
  constraint fx_rates_pkey primary key (id),
  constraint fx_rates_from_fkey foreign key (from_unit) references factotum.units (unit),
  constraint fx_rates_to_fkey foreign key (to_unit) references factotum.units (unit),
  constraint fx_rates_units_check check (from_unit <> to_unit),
  constraint fx_rates_rate_check check (rate > 0)
);
create index fx_rates_of on factotum.fx_rates (from_unit, to_unit, holds_from, id);
comment on table factotum.fx_rates is
  'Append-only. What one of from_unit is worth in to_unit from a day (UTC) on, until the next; of two for one day the later row holds.';

create view factotum.movements as
  select 'transfer' as of, t.id, t.at, t.unit, t.debit, t.credit, t.amount from factotum.transfers t
  union all
  select 'entry', e.id, e.at, x.unit, x.debit, x.credit, x.amount
  from factotum.entries e, lateral (values
    ('USD', e.debit, e.credit, e.amount_micro_usd),
    ('tokens.input', 'used/' || e.model, 'supplied/' || e.model, e.input_tokens),
    ('tokens.cached-input', 'used/' || e.model, 'supplied/' || e.model, e.cached_input_tokens),
    ('tokens.cache-write', 'used/' || e.model, 'supplied/' || e.model, e.cache_write_tokens),
    ('tokens.output', 'used/' || e.model, 'supplied/' || e.model, e.output_tokens),
    ('tokens.reasoning', 'used/' || e.model, 'supplied/' || e.model, e.reasoning_tokens)
  ) x (unit, debit, credit, amount)
  where x.amount <> 0;
comment on view factotum.movements is
  'All that was booked: transfers, and entries of money and of tokens. An entry that reverses has a negative amount.';

create view factotum.postings as
  select m.of, m.id, date_trunc('hour', m.at, 'UTC') as hour, s.account, m.unit, s.debits, s.credits
  from factotum.movements m, lateral (values
    (m.debit, m.amount, 0::bigint), (m.credit, 0::bigint, m.amount)) s (account, debits, credits);
comment on view factotum.postings is 'Both sides of each movement.';

create table factotum.closings (
  id bigint generated always as identity,
  at timestamptz not null default factotum.now(),
  transfers_after bigint not null,
  transfers_through bigint not null,
  entries_after bigint not null,
  entries_through bigint not null,
  constraint closings_pkey primary key (id),
  constraint closings_follow unique (transfers_after, entries_after, id),
  constraint closings_forward check (transfers_after <= transfers_through and entries_after <= entries_through)
);
comment on table factotum.closings is 'Append-only. Each sums up what was booked since the one before.';

create table factotum.balances (
  closing bigint not null,
  hour timestamptz not null,
  account text not null,
  unit text not null,
  debits numeric not null,
  credits numeric not null,
  constraint balances_pkey primary key (closing, hour, account, unit),
  constraint balances_closing_fkey foreign key (closing) references factotum.closings (id)
);
create index balances_account on factotum.balances (account, unit, hour);
comment on table factotum.balances is
  'Append-only. What each account was debited and credited by the hour of the booking, as far as a closing goes; what was booked late for an hour stands under a later closing.';

create function factotum.refuse_lopsided() returns trigger language plpgsql as $$
declare
  off text;
begin
  select string_agg(x.unit, ', ') into off
    from (select a.unit from added a group by a.closing, a.unit having sum(a.debits) <> sum(a.credits)) x;
  if off is null then return null; end if;
  raise exception 'debits and credits of % are not the same', off using errcode = 'check_violation';
end
$$;
create trigger balances_even after insert on factotum.balances
  referencing new table as added for each statement execute function factotum.refuse_lopsided();

-- Sums up what was booked since the last closing. Waits for turns that are booking, and they for it, so that
-- no id below the seam is still to come. Answers the closing, or null where nothing was booked.
create function factotum.close_balances() returns bigint language plpgsql as $$
declare
  last record;
  made bigint;
begin
  lock table factotum.transfers, factotum.entries, factotum.closings in share row exclusive mode;
  select coalesce(max(c.transfers_through), 0) as transfers, coalesce(max(c.entries_through), 0) as entries
    into last from factotum.closings c;
  insert into factotum.closings (transfers_after, transfers_through, entries_after, entries_through)
    select last.transfers, t.id, last.entries, e.id
    from (select coalesce(max(id), last.transfers) as id from factotum.transfers where id > last.transfers) t,
      (select coalesce(max(id), last.entries) as id from factotum.entries where id > last.entries) e
    where t.id > last.transfers or e.id > last.entries
    returning id into made;
  if made is null then return null; end if;
  insert into factotum.balances (closing, hour, account, unit, debits, credits)
    select c.id, p.hour, p.account, p.unit, sum(p.debits), sum(p.credits)
    from factotum.closings c join factotum.postings p
      on p.of = 'transfer' and p.id > c.transfers_after and p.id <= c.transfers_through
      or p.of = 'entry' and p.id > c.entries_after and p.id <= c.entries_through
    where c.id = made group by c.id, p.hour, p.account, p.unit;
  return made;
end
$$;

create function factotum.close_when_due() returns bigint language plpgsql as $$
begin
  if not pg_try_advisory_xact_lock(hashtextextended('factotum closing', 0))
    or exists (select from factotum.closings where at > factotum.now() - interval '1 hour') then
    return null;
  end if;
  return factotum.close_balances();
end
$$;

do $$
declare
  name text;
begin
  foreach name in array array['units', 'accounts', 'transfers', 'fx_rates', 'closings', 'balances'] loop
    execute format('create trigger %I before update or delete on factotum.%I
      for each row execute function factotum.refuse_change()', name || '_append_only', name);
    execute format('create trigger %I before truncate on factotum.%I
      for each statement execute function factotum.refuse_change()', name || '_no_truncate', name);
  end loop;
end
$$;
