-- Room `changes`: a commit that need not capture again what it applies, and a history without a foreign key.

-- Rules count, too: a commit reads what it applied again only where triggers, rules or computed columns could
-- have changed it, so a rule that comes between the look and the apply must show.
create or replace function factotum.table_version(of oid) returns text
  language sql stable
  begin atomic
    select pg_catalog.md5(pg_catalog.concat_ws('|',
      (select pg_catalog.string_agg(a.xmin::text, ' ' order by a.attnum) from pg_catalog.pg_attribute a
        where a.attrelid = table_version.of and a.attnum > 0),
      (select pg_catalog.string_agg(pg_catalog.concat_ws(' ', g.oid, g.xmin, g.tgenabled), ' ' order by g.oid)
        from pg_catalog.pg_trigger g where g.tgrelid = table_version.of),
      (select pg_catalog.string_agg(pg_catalog.concat_ws(' ', i.indexrelid, i.xmin), ' '
        order by i.indexrelid)
        from pg_catalog.pg_index i where i.indrelid = table_version.of),
      (select pg_catalog.string_agg(pg_catalog.concat_ws(' ', w.oid, w.xmin), ' ' order by w.oid)
        from pg_catalog.pg_rewrite w where w.ev_class = table_version.of)));
  end;

-- One statement writes a change set and its rows, and neither is ever edited or taken away: there is nothing
-- that the key could refuse, and checking it row by row was a tenth of a commit of 1,000 rows.
alter table factotum.change_rows drop constraint change_rows_change_set_fkey;
