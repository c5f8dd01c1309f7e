-- Room `gateway`: virtual keys, and what became of every attempt that a call made. Of prompts and answers
-- nothing is kept.

create table factotum.gateway_keys (
  id bigint generated always as identity,
  name text not null,
  tenant text not null,
  hash bytea not null,
  former_hash bytea,
  former_until timestamptz,
  models text[],
  budget bigint,
  made_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz,
  revoked_at timestamptz,
  constraint gateway_keys_pkey primary key (id),
  constraint gateway_keys_hash_unique unique (hash),
  constraint gateway_keys_budget_fkey foreign key (budget) references factotum.budgets (id),
  constraint gateway_keys_former_check check ((former_hash is null) = (former_until is null))
);
comment on table factotum.gateway_keys is 'Keys that the gateway gives out. The key itself is shown once and kept nowhere.';
comment on column factotum.gateway_keys.hash is 'SHA-256 of the key, which is 256 random bits: nothing slower is needed.';
comment on column factotum.gateway_keys.former_hash is 'After a rotation the former key holds until former_until.';
comment on column factotum.gateway_keys.models is 'Names that it may call; null for all.';
comment on column factotum.gateway_keys.made_at is 'Keys live by the wall clock, as those who use them do.';

create function factotum.tell_gateway() returns trigger language plpgsql as $$
begin
  perform pg_notify('factotum_gateway', '');
  return null;
end
$$;
create trigger gateway_keys_told after insert or update or delete on factotum.gateway_keys
  for each statement execute function factotum.tell_gateway();

create table factotum.gateway_attempts (
  call_id text not null,
  try integer not null,
  key bigint not null,
  tenant text not null,
  surface text not null,
  asked text not null,
  model text not null,
  label text not null,
  status integer,
  authoritative boolean not null,
  amount_micro_usd bigint,
  slice text,
  first_byte_ms integer,
  total_ms integer not null,
  at timestamptz not null default clock_timestamp(),
  constraint gateway_attempts_pkey primary key (call_id, try),
  constraint gateway_attempts_label_check
    check (label in ('answered', 'failed', 'timed-out', 'cut', 'client-left', 'not-sent'))
);
create index gateway_attempts_slice on factotum.gateway_attempts (slice) where slice is not null;
comment on table factotum.gateway_attempts is
  'What became of every attempt: one row, one label. Tokens and money stand in factotum.entries under the same call and try.';
comment on column factotum.gateway_attempts.authoritative is
  'True: the provider counted it. False: its most, as far as the bytes that passed can tell.';
comment on column factotum.gateway_attempts.amount_micro_usd is 'Null: the model has no known price.';
comment on column factotum.gateway_attempts.slice is 'The hold of the budget that it was paid from.';
