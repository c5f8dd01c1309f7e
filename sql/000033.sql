-- Room `gateway`: answers are kept, sealed and for a while, for callers who ask for it.

alter table factotum.gateway_keys
  add column cache_seconds integer,
  add constraint gateway_keys_cache_check check (cache_seconds between 1 and 604800);
comment on column factotum.gateway_keys.cache_seconds is
  'Its calls may be answered by what was answered before, so old at most; null for never, unless a call asks for it.';

create unlogged table factotum.gateway_answers (
  tenant text not null,
  hash bytea not null,
  sealed bytea not null,
  model text not null,
  saves_micro_usd bigint not null,
  made_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  constraint gateway_answers_pkey primary key (tenant, hash)
);
alter table factotum.gateway_answers alter column sealed set storage external;
create index gateway_answers_expiring on factotum.gateway_answers (expires_at);
comment on table factotum.gateway_answers is
  'Answers that may be given again. Unlogged: after a crash there are none, and none is in the write-ahead log.';
comment on column factotum.gateway_answers.hash is
  'HMAC of all that makes two calls the same, by a key of the tenant that the database does not hold.';
comment on column factotum.gateway_answers.sealed is 'AES-256-GCM by a key of the tenant that the database does not hold.';

create table factotum.gateway_hits (
  call_id text not null,
  key bigint not null,
  tenant text not null,
  surface text not null,
  asked text not null,
  model text not null,
  saved_micro_usd bigint not null,
  at timestamptz not null default clock_timestamp(),
  constraint gateway_hits_pkey primary key (call_id)
);
comment on table factotum.gateway_hits is
  'Calls that no provider was asked for: answered by what was kept, or by the answer of the same call under way.';
comment on column factotum.gateway_hits.saved_micro_usd is 'What the answer cost when a provider gave it.';
