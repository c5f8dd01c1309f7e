create schema if not exists factotum;
comment on schema factotum is 'Everything Factotum keeps in this database.';

create table factotum.migrations (
  number integer not null,
  checksum text not null,
  applied_at timestamptz not null default now(),
  constraint migrations_pkey primary key (number),
  constraint migrations_number_positive check (number > 0)
);
comment on table factotum.migrations is 'The migrations applied, in order; written by migrate().';
comment on column factotum.migrations.checksum is 'SHA-256 of the file as it was applied, line ends as LF.';

create table factotum.clock (
  only_row boolean not null default true,
  anchor_real timestamptz not null,
  anchor_at timestamptz not null,
  rate double precision not null,
  constraint clock_pkey primary key (only_row),
  constraint clock_only_row check (only_row),
  constraint clock_rate_not_backwards check (rate >= 0 and rate <= 1000000000)
);
comment on table factotum.clock is
  'At real time anchor_real the business clock showed anchor_at, and runs rate times as fast. No row: real time.';

create function factotum.now() returns timestamptz
  language sql stable parallel safe
  begin atomic
    select coalesce(
      (select c.anchor_at + (pg_catalog.now() - c.anchor_real) * c.rate from factotum.clock c),
      pg_catalog.now()
    );
  end;
comment on function factotum.now() is
  'The business clock at the start of this transaction; what every statement of Factotum asks instead of now().';
