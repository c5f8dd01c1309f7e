-- Rooms changes and outbox: effects outside the database, and how each was delivered.
--
-- An effect is staged, shown, checked, committed and undone like a row of a business table, because it is
-- one: nothing leaves before its commit. How its delivery goes is kept apart, so that the row's image never
-- moves and an undo finds it as it was committed.

create table factotum.outbox (
  id bigint generated always as identity,
  channel text not null,
  body json not null,
  order_key text,
  delay_seconds integer not null default 0,
  expires_at timestamptz,
  if_undone json,
  constraint outbox_pkey primary key (id),
  constraint outbox_channel_named check (channel ~ '^[a-z][a-z0-9-]{0,62}$'),
  -- The same limits as in src/changes/emit.ts, for tools that insert by themselves.
  constraint outbox_body_size check (octet_length(body::text) <= 262144),
  constraint outbox_if_undone_size check (octet_length(if_undone::text) <= 262144),
  constraint outbox_order_key_size check (octet_length(order_key) between 1 and 1000),
  constraint outbox_delay_not_negative check (delay_seconds >= 0)
);
comment on table factotum.outbox is
  'Effects outside the database, one a row: written in the commit, delivered after it. Inserted by emit().';
comment on column factotum.outbox.channel is 'Where to: a name in the configuration''s channels.';
comment on column factotum.outbox.body is 'What to deliver; json, not jsonb: delivered as it was staged.';
comment on column factotum.outbox.order_key is
  'Effects of one channel and order key are delivered one after the other, as committed.';
comment on column factotum.outbox.delay_seconds is
  'Business time from the commit to the first try; an undo within it means that nothing ever left.';
comment on column factotum.outbox.expires_at is 'Business time after which it is not worth delivering.';
comment on column factotum.outbox.if_undone is
  'What to deliver to the same channel when the change set is undone after this was delivered.';

-- As attach() would put it on a user's table.
create trigger " factotum" after insert or update or delete on factotum.outbox
  for each row when (current_setting('factotum.attempt', true) <> '') execute function factotum.capture();
alter table factotum.outbox enable always trigger " factotum";

create table factotum.deliveries (
  effect bigint not null,
  position bigint generated always as identity,
  change_set bigint not null,
  idempotency_key uuid not null default gen_random_uuid(),
  channel text not null,
  order_key text,
  state text not null default 'waiting',
  due_at timestamptz not null,
  expires_at timestamptz,
  tries integer not null default 0,
  tries_before integer not null default 0,
  retry_at timestamptz,
  holder uuid,
  lease_until timestamptz,
  in_doubt boolean not null default false,
  last_error text,
  note text,
  settled_at timestamptz,
  settled_by text,
  constraint deliveries_pkey primary key (effect),
  constraint deliveries_position_unique unique (position),
  constraint deliveries_change_set_fkey foreign key (change_set) references factotum.change_sets (id),
  constraint deliveries_idempotency_key_unique unique (idempotency_key),
  constraint deliveries_state_known
    check (state in ('waiting', 'delivering', 'delivered', 'dead', 'dropped', 'withdrawn')),
  constraint deliveries_held check ((state = 'delivering') = (holder is not null)),
  constraint deliveries_leased check ((holder is null) = (lease_until is null))
) with (fillfactor = 80);
create index deliveries_open on factotum.deliveries (position) where state in ('waiting', 'delivering');
create index deliveries_in_order on factotum.deliveries (channel, order_key, position)
  where order_key is not null and state in ('waiting', 'delivering', 'dead');
create index deliveries_dead on factotum.deliveries (position) where state = 'dead';
create index deliveries_change_set on factotum.deliveries (change_set);
comment on table factotum.deliveries is
  'How the delivery of each committed effect stands; made in the commit. Kept when the effect is undone.';
comment on column factotum.deliveries.effect is
  'The row of factotum.outbox; no foreign key, since an undo takes that row away.';
comment on column factotum.deliveries.position is 'The order of delivery within a channel and order key.';
comment on column factotum.deliveries.idempotency_key is
  'The same for every try in every process, so that a receiver can tell a repetition; random, since ids '
  'start again at 1 in another database.';
comment on column factotum.deliveries.state is
  'waiting for its first or next try; delivering, by holder; delivered; dead, until a person resends or drops '
  'it; dropped by a person; withdrawn by an undo.';
comment on column factotum.deliveries.due_at is 'Business time of the first try.';
comment on column factotum.deliveries.tries is 'Tries begun; also the fence of the one that holds it.';
comment on column factotum.deliveries.tries_before is 'Tries made before a person last resent it.';
comment on column factotum.deliveries.retry_at is 'Real time before which it is left alone.';
comment on column factotum.deliveries.lease_until is 'Real time after which its holder is taken for dead.';
comment on column factotum.deliveries.in_doubt is
  'A try ended without an answer: the receiver may have got it.';
comment on column factotum.deliveries.note is 'What the receiver said of it.';
comment on column factotum.deliveries.settled_by is 'The person who resent or dropped it last.';
