-- A turn's last statement and its commit travel together, so the statement itself has to refuse: an error
-- makes Postgres answer the commit with a rollback.
create function factotum.refuse_turn(run_id bigint) returns bigint language plpgsql as $$
begin
  raise exception using errcode = 'FT001', message = format('run %s is not as its turn knows it', run_id);
end
$$;
comment on function factotum.refuse_turn is 'Raises FT001: the fence or the version of the run is not the one that the turn holds.';
