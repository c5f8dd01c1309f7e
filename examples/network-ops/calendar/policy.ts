/** Facts about the calendar that a policy asks about: read only, so they work on a staged view too. */
import type { StagedView } from "factotum/policy";
import type { Impact, Statement } from "../notice.ts";
import { isOver } from "./fold.ts";

/** Which maintenance is asked about; a `Statement` is one. */
export type MaintenanceKey = { readonly carrier: string; readonly maintenanceId: string };

/** A time in which every circuit of a redundancy group would be down. */
export type RedundancyConflict = {
  readonly group: string;
  readonly protects: string;
  readonly startsAt: Date;
  readonly endsAt: Date;
  readonly circuits: readonly DownCircuit[];
};

/** A circuit that a window takes down, and whose window it is. */
export type DownCircuit = {
  readonly carrier: string;
  readonly circuitId: string;
  readonly maintenanceId: string;
  readonly impact: Impact;
};

/**
 * Times in which a live window of this maintenance, alone or together with live windows of others,
 * takes every member of a redundancy group down at once. OUTAGE and DEGRADED count as down.
 *
 * @returns one entry for each group and starting time, by time; empty when redundancy holds
 */
export async function redundantConflicts(
  view: StagedView,
  key: MaintenanceKey,
): Promise<readonly RedundancyConflict[]> {
  const found = await view.query<RedundancyConflict>(
    `with down as (
       select g.id as group_id, g.name, g.protects, rm.circuit_id, w.starts_at, w.ends_at, wc.impact,
              k.name as carrier, c.carrier_circuit_id, m.carrier_maintenance_id,
              (k.name = $1 and m.carrier_maintenance_id = $2) as ours
         from netops.redundancy_groups g
         join netops.redundancy_members rm on rm.group_id = g.id
         join netops.circuits c on c.id = rm.circuit_id
         join netops.window_circuits wc on wc.circuit_id = rm.circuit_id
         join netops.maintenance_windows w
           on w.maintenance_id = wc.maintenance_id and w.number = wc.window_number
         join netops.maintenances m on m.id = wc.maintenance_id
         join netops.carriers k on k.id = m.carrier_id
        where w.status not in ('CANCELLED', 'COMPLETED') and wc.impact in ('DEGRADED', 'OUTAGE')),
     moments as (select distinct group_id, starts_at as moment from down)
     select d.name as "group", d.protects, moments.moment as "startsAt", min(d.ends_at) as "endsAt",
            json_agg(json_build_object('carrier', d.carrier, 'circuitId', d.carrier_circuit_id,
                                       'maintenanceId', d.carrier_maintenance_id, 'impact', d.impact)
                     order by d.carrier, d.carrier_circuit_id, d.carrier_maintenance_id) as circuits
       from moments
       join down d
         on d.group_id = moments.group_id and moments.moment >= d.starts_at and moments.moment < d.ends_at
      group by d.group_id, d.name, d.protects, moments.moment
     having bool_or(d.ours)
        and count(distinct d.circuit_id)
            = (select count(*) from netops.redundancy_members rm where rm.group_id = d.group_id)
        and count(distinct d.circuit_id) > 1
      order by moments.moment, d.name`,
    [key.carrier, key.maintenanceId],
  );
  return found.rows;
}

/** A live window that falls into a change freeze. */
export type FreezeHit = {
  readonly reason: string;
  /** Code of the frozen site; null when the whole network is frozen. */
  readonly site: string | null;
  readonly freezeStartsAt: Date;
  readonly freezeEndsAt: Date;
  readonly windowStartsAt: Date;
  readonly windowEndsAt: Date;
  /** The carrier's ids of the window's circuits that end at the frozen site, or all of its circuits. */
  readonly circuits: readonly string[];
};

/**
 * Live windows of this maintenance that overlap a change freeze of the whole network, or of a site
 * where one of the window's circuits ends. The impact does not matter: a freeze is a freeze.
 *
 * @returns by window and freeze; empty when no freeze is hit
 */
export async function freezesHit(view: StagedView, key: MaintenanceKey): Promise<readonly FreezeHit[]> {
  const found = await view.query<FreezeHit>(
    `with live as (
       select w.*
         from netops.maintenance_windows w
         join netops.maintenances m on m.id = w.maintenance_id
         join netops.carriers k on k.id = m.carrier_id
        where k.name = $1 and m.carrier_maintenance_id = $2 and w.status not in ('CANCELLED', 'COMPLETED')),
     touched as (
       select wc.maintenance_id, wc.window_number, c.carrier_circuit_id,
              a.site_id as a_site, z.site_id as z_site
         from netops.window_circuits wc
         join netops.circuits c on c.id = wc.circuit_id
         left join netops.devices a on a.id = c.a_device_id
         left join netops.devices z on z.id = c.z_device_id)
     select f.reason, s.code as site, f.starts_at as "freezeStartsAt", f.ends_at as "freezeEndsAt",
            live.starts_at as "windowStartsAt", live.ends_at as "windowEndsAt",
            coalesce(array_agg(t.carrier_circuit_id order by t.carrier_circuit_id)
                       filter (where t.carrier_circuit_id is not null), '{}') as circuits
       from live
       join netops.change_freezes f on f.starts_at < live.ends_at and live.starts_at < f.ends_at
       left join netops.sites s on s.id = f.site_id
       left join touched t
         on t.maintenance_id = live.maintenance_id and t.window_number = live.number
        and (f.site_id is null or f.site_id in (t.a_site, t.z_site))
      where f.site_id is null or t.carrier_circuit_id is not null
      group by f.id, s.code, live.number, live.starts_at, live.ends_at, f.reason, f.starts_at, f.ends_at
      order by live.starts_at, f.starts_at, f.id`,
    [key.carrier, key.maintenanceId],
  );
  return found.rows;
}

/** A window that was announced later than the carrier's contract allows. */
export type ShortNotice = {
  readonly startsAt: string;
  readonly hoursGiven: number;
  readonly hoursPromised: number;
};

const HOUR_MS = 3_600_000;

/**
 * Windows of the statement that come sooner after their announcement than the contract promises. A
 * window counts as announced when the first accepted notice that gave its start was sent, so a
 * reminder of a known window is never short. Work that is under way or over is not asked about.
 *
 * @param at stands in for the sending time of a notice that has none
 * @returns in the statement's order; empty when notice is long enough or the contract promises none
 */
export async function shortNotice(
  view: StagedView,
  statement: Statement,
  at: Date,
): Promise<readonly ShortNotice[]> {
  if (isOver(statement.status) || statement.status === "IN-PROCESS") return [];
  const promised = await view.query<{ hours: number | null }>(
    "select notice_hours_min as hours from netops.carriers where name = $1",
    [statement.carrier],
  );
  const hoursPromised = promised.rows[0]?.hours ?? null;
  if (hoursPromised === null) return [];
  const sentAt = statement.sentAt === undefined ? at : new Date(statement.sentAt);
  const first = await firstAnnounced(view, statement);
  return statement.windows.flatMap(({ startsAt }) => {
    const start = Date.parse(startsAt);
    const announced = Math.min(sentAt.getTime(), first.get(start) ?? Infinity);
    const hoursGiven = Math.floor((start - announced) / HOUR_MS);
    return hoursGiven < hoursPromised ? [{ startsAt, hoursGiven, hoursPromised }] : [];
  });
}

/** When each window start of the maintenance was first announced, both in milliseconds. */
async function firstAnnounced(view: StagedView, key: MaintenanceKey): Promise<ReadonlyMap<number, number>> {
  const found = await view.query<{ starts_at: Date; sent_at: Date }>(
    `select (w ->> 'startsAt')::timestamptz as starts_at, min(n.sent_at) as sent_at
       from netops.notices n
       join netops.maintenances m on m.id = n.maintenance_id
       join netops.carriers k on k.id = m.carrier_id
      cross join jsonb_array_elements(n.statement -> 'windows') as w
      where k.name = $1 and m.carrier_maintenance_id = $2 and n.sent_at is not null
      group by 1`,
    [key.carrier, key.maintenanceId],
  );
  return new Map(found.rows.map((row) => [row.starts_at.getTime(), row.sent_at.getTime()]));
}
