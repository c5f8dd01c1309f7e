-- Room `gateway`: how much a key may ask per minute, receipts of calls with an idempotency key, and a label
-- for attempts that another overtook.

alter table factotum.gateway_keys
  add column requests_per_minute bigint,
  add column tokens_per_minute bigint,
  add column receipt_salt bytea not null default uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()),
  add constraint gateway_keys_requests_check check (requests_per_minute > 0),
  add constraint gateway_keys_tokens_check check (tokens_per_minute > 0);
comment on column factotum.gateway_keys.receipt_salt is
  'With it the idempotency keys of its calls are hashed; it outlives rotations.';

alter table factotum.gateway_attempts drop constraint gateway_attempts_label_check;
alter table factotum.gateway_attempts add constraint gateway_attempts_label_check
  check (label in ('answered', 'failed', 'timed-out', 'cut', 'client-left', 'not-sent', 'outraced'));

create table factotum.gateway_paces (
  key bigint not null,
  minute timestamptz not null,
  requests bigint not null,
  tokens bigint not null,
  constraint gateway_paces_pkey primary key (key),
  constraint gateway_paces_key_fkey foreign key (key) references factotum.gateway_keys (id)
);
comment on table factotum.gateway_paces is
  'What replicas have taken of a key''s current minute; never more than its limits. A killed replica''s share is lost for that minute.';

-- Takes of each key's minute what is needed now, as far as there is any, and more where there is plenty: at
-- most an eighth of what would be left, so that near the limit nothing lies idle with a replica.
create function factotum.take_pace(p_keys bigint[], p_requests bigint[], p_more_requests bigint[],
  p_tokens bigint[], p_more_tokens bigint[])
returns table (key bigint, minute timestamptz, ends_in_ms double precision, requests bigint, tokens bigint)
language plpgsql as $$
declare
  asked record;
  pace factotum.gateway_paces%rowtype;
  begins timestamptz;
  got_requests bigint;
  got_tokens bigint;
begin
  for asked in
    select k.id, k.requests_per_minute as requests_max, k.tokens_per_minute as tokens_max,
      a.requests, a.more_requests, a.tokens, a.more_tokens
    from unnest(p_keys, p_requests, p_more_requests, p_tokens, p_more_tokens)
      as a (id, requests, more_requests, tokens, more_tokens)
    join factotum.gateway_keys k on k.id = a.id
    order by k.id
  loop
    insert into factotum.gateway_paces as p (key, minute, requests, tokens)
    values (asked.id, date_trunc('minute', factotum.now()), 0, 0)
    on conflict on constraint gateway_paces_pkey do update set
      minute = greatest(p.minute, excluded.minute),
      requests = case when p.minute < excluded.minute then 0 else p.requests end,
      tokens = case when p.minute < excluded.minute then 0 else p.tokens end
    returning p.* into pace;
    begins := pace.minute;
    got_requests := factotum.share_of(asked.requests_max - pace.requests, asked.requests, asked.more_requests);
    got_tokens := factotum.share_of(asked.tokens_max - pace.tokens, asked.tokens, asked.more_tokens);
    update factotum.gateway_paces p set requests = p.requests + coalesce(got_requests, 0),
      tokens = p.tokens + coalesce(got_tokens, 0)
    where p.key = asked.id;
    key := asked.id;
    minute := begins;
    ends_in_ms := 1000 * extract(epoch from begins + interval '1 minute' - factotum.now());
    requests := got_requests;
    tokens := got_tokens;
    return next;
  end loop;
end
$$;

-- Null where there is no limit.
create function factotum.share_of(p_left bigint, p_needed bigint, p_more bigint) returns bigint
language sql immutable
return case when p_left is null then null
  else least(greatest(p_left, 0), p_needed + least(p_more, greatest(p_left - p_needed, 0) / 8)) end;

create function factotum.give_back_pace(p_key bigint, p_minute timestamptz, p_requests bigint, p_tokens bigint)
returns void language sql as $$
  update factotum.gateway_paces set requests = greatest(0, requests - p_requests),
    tokens = greatest(0, tokens - p_tokens)
  where key = p_key and minute = p_minute;
$$;

create table factotum.gateway_receipts (
  hash bytea not null,
  key bigint not null,
  call_id text not null,
  state text not null,
  begun_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  constraint gateway_receipts_pkey primary key (hash),
  constraint gateway_receipts_key_fkey foreign key (key) references factotum.gateway_keys (id),
  constraint gateway_receipts_state_check check (state in ('running', 'answered', 'failed'))
);
create index gateway_receipts_begun on factotum.gateway_receipts (begun_at);
comment on table factotum.gateway_receipts is
  'Calls that came with an idempotency key, by its keyed hash; forgotten after a day. Nothing of their content.';
