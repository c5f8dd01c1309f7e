-- Room `gateway`: files and batches. What callers sent and what came of it is sealed, and expires.

create table factotum.gateway_files (
  id text not null,
  key bigint not null,
  purpose text not null,
  name bytea not null,
  bytes bigint not null default 0,
  ready boolean not null default false,
  made_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  constraint gateway_files_pkey primary key (id),
  constraint gateway_files_key_fkey foreign key (key) references factotum.gateway_keys (id),
  constraint gateway_files_purpose_check check (purpose in ('batch', 'batch_output'))
);
create index gateway_files_of_key on factotum.gateway_files (key, made_at, id);
create index gateway_files_expiring on factotum.gateway_files (expires_at);
comment on table factotum.gateway_files is 'Files of batches: only the key that brought a file in sees it.';
comment on column factotum.gateway_files.name is 'Sealed, as the parts are: AES-256-GCM by a key of the tenant that the database does not hold.';
comment on column factotum.gateway_files.ready is 'False while it is brought in; what stays so is thrown away.';

create table factotum.gateway_file_parts (
  file text not null,
  part integer not null,
  sealed bytea not null,
  constraint gateway_file_parts_pkey primary key (file, part),
  constraint gateway_file_parts_file_fkey foreign key (file)
    references factotum.gateway_files (id) on delete cascade
);
alter table factotum.gateway_file_parts alter column sealed set storage external;
comment on table factotum.gateway_file_parts is 'What files hold, in order, sealed.';

create table factotum.gateway_batches (
  id text not null,
  key bigint not null,
  endpoint text not null,
  input_file text not null,
  metadata bytea,
  output_seconds integer not null,
  status text not null default 'validating',
  ending text,
  errors json,
  total integer not null default 0,
  completed integer not null default 0,
  failed integer not null default 0,
  output_file text,
  error_file text,
  made_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null default clock_timestamp() + interval '24 hours',
  begun_at timestamptz,
  cancelling_at timestamptz,
  finalizing_at timestamptz,
  ended_at timestamptz,
  constraint gateway_batches_pkey primary key (id),
  constraint gateway_batches_key_fkey foreign key (key) references factotum.gateway_keys (id),
  constraint gateway_batches_status_check check (status in ('validating', 'failed', 'in_progress', 'finalizing',
    'completed', 'expired', 'cancelling', 'cancelled')),
  constraint gateway_batches_ending_check check (ending in ('completed', 'expired', 'cancelled'))
);
create index gateway_batches_of_key on factotum.gateway_batches (key, made_at, id);
create index gateway_batches_open on factotum.gateway_batches (made_at)
  where status in ('validating', 'in_progress', 'finalizing', 'cancelling');
comment on table factotum.gateway_batches is 'Calls brought in together, to be made when there is time for them.';
comment on column factotum.gateway_batches.ending is 'What it becomes once its files are written.';
comment on column factotum.gateway_batches.metadata is 'The caller''s own, sealed.';

create table factotum.gateway_batch_lines (
  batch text not null,
  line integer not null,
  ask bytea not null,
  state text not null default 'waiting',
  tries integer not null default 0,
  not_before timestamptz not null default clock_timestamp(),
  replica text,
  lease_until timestamptz,
  failed boolean,
  answer bytea,
  constraint gateway_batch_lines_pkey primary key (batch, line),
  constraint gateway_batch_lines_batch_fkey foreign key (batch)
    references factotum.gateway_batches (id) on delete cascade,
  constraint gateway_batch_lines_state_check check (state in ('waiting', 'running', 'done'))
);
alter table factotum.gateway_batch_lines alter column ask set storage external;
alter table factotum.gateway_batch_lines alter column answer set storage external;
create index gateway_batch_lines_open on factotum.gateway_batch_lines (line, batch) where state <> 'done';
create index gateway_batch_lines_running on factotum.gateway_batch_lines (replica) where state = 'running';
comment on table factotum.gateway_batch_lines is
  'The calls of a batch while it is open. A replica that makes one holds it by a lease, and loses it with that.';
comment on column factotum.gateway_batch_lines.ask is 'The caller''s name for it and the request, sealed.';
comment on column factotum.gateway_batch_lines.answer is 'Its line of the output or the error file, sealed.';
