import { expect, test } from "vitest";
import { throwawayDatabase } from "factotum/testing";
import { applySchema } from "../schema.ts";
import { makeBusiness, seedBusiness } from "./index.ts";

const at = new Date("2026-11-23T08:00:00Z");

test("the same seed and day make the same business, another seed another one", () => {
  expect(makeBusiness(7, at)).toEqual(makeBusiness(7, at));
  expect(makeBusiness(8, at).circuits).not.toEqual(makeBusiness(7, at).circuits);
});

test("every row of the business reaches the database", async () => {
  const db = await throwawayDatabase();
  const business = makeBusiness(7, at);
  const seeded = await db.transaction(async (tx) => {
    await applySchema(tx);
    return seedBusiness(tx, business);
  });
  expect(seeded).toEqual({ sites: 8, devices: 24, carriers: 7, circuits: 61, groups: 9, maintenances: 7 });
  const counted = await db.query(
    `select (select count(*)::int from netops.sites) as sites,
            (select count(*)::int from netops.devices) as devices,
            (select count(*)::int from netops.carriers) as carriers,
            (select count(*)::int from netops.circuits) as circuits,
            (select count(distinct group_id)::int from netops.redundancy_members) as groups,
            (select count(distinct maintenance_id)::int from netops.maintenance_windows) as maintenances,
            (select count(*)::int from netops.redundancy_members) as members,
            (select count(*)::int from netops.change_freezes) as freezes,
            (select count(*)::int from netops.tickets) as tickets`,
  );
  expect(counted.rows[0]).toEqual({ ...seeded, members: 19, freezes: 2, tickets: 3 });
  await db.close();
});

test("every table and column tells an agent what it is", async () => {
  const db = await throwawayDatabase();
  await db.transaction((tx) => applySchema(tx));
  const found = await db.query<{ name: string; comment: string | null }>(
    `select c.relname || coalesce('.' || a.attname, '') as name, col_description(c.oid, a.attnum) as comment
       from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
      where c.relnamespace = 'netops'::regnamespace and c.relkind = 'r'
      union all
     select relname, obj_description(oid, 'pg_class') from pg_class
      where relnamespace = 'netops'::regnamespace and relkind in ('r', 'v')`,
  );
  expect(found.rows.length).toBeGreaterThan(60);
  expect(found.rows.filter(({ comment }) => comment === null)).toEqual([]);
  await db.close();
});
