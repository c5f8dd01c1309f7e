-- A turn's last statement and its commit travel together, so the statement itself has to refuse: an error
-- makes Postgres answer the commit with a rollback.
create function factotum.refuse_turn(run_id bigint) returns bigint language plpgsql as $$
begin
  raise exception using errcode = 'FT001', message = format('run %s is not as its turn knows it', run_id);
end
$$;
comment on function factotum.refuse_turn is 'Raises FT001: the fence or the version of the run is not the one that the turn holds.';

-- Every step is written by the statement that has just updated its run, so that the foreign key checked what
-- cannot be otherwise, at 15 % of the turn rate. What it did on delete, a trigger of runs does.
alter table factotum.steps drop constraint steps_run_id_fkey;
create function factotum.delete_steps() returns trigger language plpgsql as $$
begin
  delete from factotum.steps s using deleted d where s.run_id = d.id;
  return null;
end
$$;
create trigger runs_delete_steps after delete on factotum.runs
  referencing old table as deleted for each statement execute function factotum.delete_steps();
