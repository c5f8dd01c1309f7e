-- Rooms `ledger` and `calls`: what every token cost and what it earned, and the calls that spent it.
--
-- Nothing here refers to factotum.runs by foreign key: the ledger outlives what it tells of.

create table factotum.entries (
  id bigint generated always as identity,
  at timestamptz not null default factotum.now(),
  kind text not null,
  tenant text not null,
  run_id bigint,
  agent text,
  attempt integer,
  call_id text,
  try integer,
  model text,
  input_tokens bigint not null default 0,
  cached_input_tokens bigint not null default 0,
  cache_write_tokens bigint not null default 0,
  output_tokens bigint not null default 0,
  reasoning_tokens bigint not null default 0,
  amount_micro_usd bigint not null,
  debit text not null,
  credit text not null,
  rates json,
  source text,
  because text not null,
  reverses bigint,
  constraint entries_pkey primary key (id),
  constraint entries_reverses_fkey foreign key (reverses) references factotum.entries (id),
  constraint entries_reverses_unique unique (reverses),
  constraint entries_kind_check check (kind in ('cost', 'loss', 'value')),
  constraint entries_accounts_check check (debit <> credit),
  constraint entries_call_check check ((kind = 'value') = (call_id is null)),
  constraint entries_try_check check ((call_id is null) = (try is null) and (call_id is null) = (model is null)),
  constraint entries_sign_check check (
    case when kind = 'value' then true
    when reverses is null then
      least(amount_micro_usd, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
        reasoning_tokens) >= 0
    else
      greatest(amount_micro_usd, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
        reasoning_tokens) <= 0
    end
  )
);
comment on table factotum.entries is
  'Append-only. Each row moves one amount from the account credited to the account debited, so that debits equal credits row by row; a correction is a row that reverses an earlier one with the opposite sign.';
comment on column factotum.entries.kind is
  'cost: a provider counted it. loss: a provider may bill it, and we cannot know; booked at the worst case. value: what an outcome earned.';
comment on column factotum.entries.try is
  'Which try of the call, from 1; 0 for the loss of a call whose tries nobody saw.';
comment on column factotum.entries.input_tokens is 'Input neither read from nor written to a cache; the five kinds do not overlap.';
comment on column factotum.entries.rates is 'The prices applied, pico-USD per token, so that the amount can be computed again.';
comment on column factotum.entries.source is 'Where the prices were read: catalogue@version and model, config, or local.';
-- One try is booked once under each kind, however often it is settled.
create unique index entries_once on factotum.entries (call_id, try, kind)
  where call_id is not null and reverses is null;
create index entries_run on factotum.entries (run_id, id);
create index entries_at on factotum.entries (at);

create function factotum.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'factotum.% is append-only: book a reversing row instead', tg_table_name
    using errcode = 'restrict_violation';
end
$$;
comment on function factotum.refuse_change() is 'Guards tables whose rows, once written, stay as they are.';
create trigger entries_append_only before update or delete on factotum.entries
  for each row execute function factotum.refuse_change();
create trigger entries_no_truncate before truncate on factotum.entries
  for each statement execute function factotum.refuse_change();

create table factotum.calls (
  id text not null,
  run_id bigint not null,
  attempt integer not null,
  tenant text not null,
  agent text,
  model text not null,
  digest text not null,
  state text not null default 'intended',
  input_tokens_max bigint not null,
  output_tokens_max bigint not null,
  hold_per_try_micro_usd bigint not null,
  hold_micro_usd bigint not null,
  rates json not null,
  outcome json,
  intended_at timestamptz not null default factotum.now(),
  ended_at timestamptz,
  constraint calls_pkey primary key (id),
  constraint calls_state_check check (state in ('intended', 'answered', 'failed', 'unknown')),
  constraint calls_outcome_check check ((outcome is null) = (state in ('intended', 'unknown'))),
  constraint calls_ended_at_check check ((ended_at is null) = (state = 'intended')),
  constraint calls_hold_check check (hold_per_try_micro_usd >= 0 and hold_micro_usd >= hold_per_try_micro_usd)
);
comment on table factotum.calls is
  'A model call: committed as intended before anything is sent, and ended once, with its outcome.';
comment on column factotum.calls.id is 'Also the idempotency key sent to the provider.';
comment on column factotum.calls.digest is
  'SHA-256 of the call (model, messages, tools, limits): the messages themselves are in the run''s transcript.';
comment on column factotum.calls.hold_micro_usd is 'The most it can cost over all tries that may be billed; never resized.';
comment on column factotum.calls.rates is
  'The prices that held when it was intended, pico-USD per token; it is settled by them even if the catalogue changes.';
comment on column factotum.calls.outcome is
  'The reply or the error, and every try; json, not jsonb. A resumed run reads it instead of calling again.';
create index calls_run on factotum.calls (run_id, intended_at);
create index calls_open on factotum.calls (run_id) where state = 'intended';
