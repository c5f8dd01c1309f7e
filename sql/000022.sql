-- Room `reports`: what providers say of calls, kept beside what we booked.

create table factotum.bill_lines (
  bill text not null,
  line text not null,
  provider_id text,
  call_id text,
  model text,
  used_from timestamptz,
  used_to timestamptz,
  tokens json not null,
  amount_usd numeric,
  words text not null,
  kept_at timestamptz not null default factotum.now(),
  constraint bill_lines_pkey primary key (bill, line),
  constraint bill_lines_used_check check ((used_from is null) = (used_to is null) and used_from <= used_to)
);
create index bill_lines_call on factotum.bill_lines (call_id) where call_id is not null;
comment on table factotum.bill_lines is
  'Lines of bills and usage reports as providers wrote them: their own ids, counts and costs. Never edited, and never added to what is booked.';
comment on column factotum.bill_lines.bill is 'SHA-256 of the file: the same file is kept once.';
comment on column factotum.bill_lines.line is 'Its place in the file, from 1.';
comment on column factotum.bill_lines.call_id is
  'The call that provider_id names, where it was found. No foreign key: calls of the gateway have no row of their own.';
comment on column factotum.bill_lines.amount_usd is 'As the provider states it, with all its decimals.';

create trigger bill_lines_append_only before update or delete on factotum.bill_lines
  for each row execute function factotum.refuse_change();
create trigger bill_lines_no_truncate before truncate on factotum.bill_lines
  for each statement execute function factotum.refuse_change();
