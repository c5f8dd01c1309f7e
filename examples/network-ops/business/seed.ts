/** Puts the made-up business into the database, one statement a table. */
import { createHash } from "node:crypto";
import type { Transaction } from "factotum/postgres";
import { recordStatement } from "../calendar/index.ts";
import type { Business } from "./business.ts";

/** How many rows were put where. */
export type Seeded = Readonly<
  Record<"sites" | "devices" | "carriers" | "circuits" | "groups" | "maintenances", number>
>;

/**
 * Inserts the whole business into an empty schema `netops`. The earlier maintenances go through the
 * calendar's own door, as if their notices had been accepted then.
 */
export async function seedBusiness(tx: Transaction, business: Business): Promise<Seeded> {
  await seedPlaces(tx, business);
  await seedCircuits(tx, business);
  await seedRules(tx, business);
  const earlier = Object.values(business.earlier);
  for (const statement of earlier) {
    const fingerprint = createHash("sha256").update(JSON.stringify(statement)).digest("hex");
    await recordStatement(tx, statement, { fingerprint });
  }
  return {
    sites: business.sites.length,
    devices: business.devices.length,
    carriers: business.carriers.length,
    circuits: business.circuits.length,
    groups: business.groups.length,
    maintenances: earlier.length,
  };
}

async function seedPlaces(tx: Transaction, { sites, devices, carriers }: Business): Promise<void> {
  await tx.query(
    `insert into netops.sites (code, city, time_zone)
     select code, city, "timeZone"
       from jsonb_to_recordset($1::jsonb) as s (code text, city text, "timeZone" text)`,
    [JSON.stringify(sites)],
  );
  await tx.query(
    `insert into netops.devices (site_id, name, role)
     select s.id, d.name, d.role
       from jsonb_to_recordset($1::jsonb) as d (name text, site text, role text)
       join netops.sites s on s.code = d.site
      order by d.name`,
    [JSON.stringify(devices)],
  );
  await tx.query(
    `insert into netops.carriers (name, mail_domain, time_zone, notice_hours_min)
     select name, "mailDomain", "timeZone", "noticeHoursMin"
       from jsonb_to_recordset($1::jsonb)
         as k (name text, "mailDomain" text, "timeZone" text, "noticeHoursMin" integer)`,
    [JSON.stringify(carriers)],
  );
}

async function seedCircuits(tx: Transaction, { circuits, groups }: Business): Promise<void> {
  await tx.query(
    `insert into netops.circuits
       (carrier_id, carrier_circuit_id, a_device_id, z_device_id, capacity_mbps, purpose)
     select k.id, c."circuitId", a.id, z.id, c."capacityMbps", c.purpose
       from jsonb_to_recordset($1::jsonb)
         as c (carrier text, "circuitId" text, "aDevice" text, "zDevice" text,
               "capacityMbps" integer, purpose text)
       join netops.carriers k on k.name = c.carrier
       join netops.devices a on a.name = c."aDevice"
       left join netops.devices z on z.name = c."zDevice"
      order by k.id, c."circuitId"`,
    [JSON.stringify(circuits)],
  );
  await tx.query(
    `insert into netops.redundancy_groups (name, protects)
     select name, protects from jsonb_to_recordset($1::jsonb) as g (name text, protects text)`,
    [JSON.stringify(groups)],
  );
  const members = groups.flatMap(({ name, circuits: paths }) =>
    paths.map(({ carrier, circuitId }) => ({ name, carrier, circuitId })),
  );
  await tx.query(
    `insert into netops.redundancy_members (group_id, circuit_id)
     select g.id, c.id
       from jsonb_to_recordset($1::jsonb) as m (name text, carrier text, "circuitId" text)
       join netops.redundancy_groups g on g.name = m.name
       join netops.carriers k on k.name = m.carrier
       join netops.circuits c on c.carrier_id = k.id and c.carrier_circuit_id = m."circuitId"`,
    [JSON.stringify(members)],
  );
}

async function seedRules(tx: Transaction, { freezes, tickets }: Business): Promise<void> {
  await tx.query(
    `insert into netops.change_freezes (site_id, starts_at, ends_at, reason)
     select s.id, f."startsAt", f."endsAt", f.reason
       from jsonb_to_recordset($1::jsonb)
         as f (site text, "startsAt" timestamptz, "endsAt" timestamptz, reason text)
       left join netops.sites s on s.code = f.site`,
    [JSON.stringify(freezes)],
  );
  const rows = tickets.map(({ title, openedAt, circuit: { carrier, circuitId } }) => ({
    title,
    openedAt,
    carrier,
    circuitId,
  }));
  await tx.query(
    `insert into netops.tickets (circuit_id, title, opened_at)
     select c.id, t.title, t."openedAt"
       from jsonb_to_recordset($1::jsonb)
         as t (title text, "openedAt" timestamptz, carrier text, "circuitId" text)
       join netops.carriers k on k.name = t.carrier
       join netops.circuits c on c.carrier_id = k.id and c.carrier_circuit_id = t."circuitId"`,
    [JSON.stringify(rows)],
  );
}
