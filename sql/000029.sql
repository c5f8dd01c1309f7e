-- Room `ledger`: the hourly closing never holds up those who book for longer than a moment.

create or replace function factotum.close_when_due() returns bigint language plpgsql as $$
begin
  if not pg_try_advisory_xact_lock(hashtextextended('factotum closing', 0))
    or exists (select from factotum.closings where at > factotum.now() - interval '1 hour') then
    return null;
  end if;
  -- While it waits for one who books, all others wait behind it: a transaction left open must not stop the house.
  perform set_config('lock_timeout', '100ms', true);
  return factotum.close_balances();
exception when lock_not_available then
  return null;
end
$$;
comment on function factotum.close_when_due is
  'Closes where the last closing is an hour old; null where it is not, or where somebody is booking for long. A later one covers all the same.';
