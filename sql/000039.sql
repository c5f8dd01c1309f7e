-- Room `runs`: a run that takes its workers down with it is taken up less and less often.

create or replace function factotum.note_picked_up() returns trigger language plpgsql as $$
declare
  former bigint := coalesce(new.left_by, old.worker);
begin
  update factotum.runs set left_by = null, steps = steps + (former <> new.worker)::integer where id = new.id;
  if former <> new.worker then
    insert into factotum.steps (run_id, seq, kind, data)
    select r.id, r.steps, 'picked up', json_build_object(
      'by', coalesce((select w.name from factotum.workers w where w.id = new.worker), 'worker')
        || ' (' || new.worker || ')',
      'from', coalesce((select w.name from factotum.workers w where w.id = former), 'worker')
        || ' (' || former || ')',
      'afterStep', r.steps - 1,
      'version', r.version)
    from factotum.runs r where r.id = new.id;
  end if;
  return null;
end
$$;

-- What was picked up at the version that it still has went on by no turn since. Ten times it may be the
-- machines: from then on it waits for a second, twice as long each time, ten minutes at most.
create or replace function factotum.note_left() returns trigger language plpgsql as $$
declare
  in_vain integer := (
    select count(*) from (
      select kind, data from factotum.steps where run_id = new.id order by seq desc limit 30) last
    where kind = 'picked up' and data ->> 'version' = new.version::text);
begin
  update factotum.runs set
    left_by = old.worker,
    retry_at = case when in_vain < 10 then retry_at
      else clock_timestamp() + least(power(2, in_vain - 10), 600) * interval '1 second' end
  where id = new.id;
  return null;
end
$$;
