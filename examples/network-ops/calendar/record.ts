/** The one way a carrier's statement gets into the calendar. */
import type { Transaction } from "factotum/postgres";
import { Statement, type Status } from "../notice.ts";
import { StatementRefused } from "./errors.ts";
import { type AcceptedStatement, type CalendarEntry, type CalendarWindow, foldStatements } from "./fold.ts";

/** Circuit ids named in one message: enough to act on, short enough to read. */
const NAMED_MAX = 5;

/** What the calendar holds about the maintenance after a statement was recorded. */
export type Recorded = {
  /** Our key of the maintenance, `netops.maintenances.id`. */
  readonly maintenance: string;
  readonly carrier: string;
  readonly carrierMaintenanceId: string;
  readonly status: Status;
  readonly windows: readonly CalendarWindow[];
  /** How many accepted notices speak of it, this one included. */
  readonly notices: number;
};

/**
 * Accepts what a notice states and brings the maintenance up to date.
 *
 * Writes the notice to `netops.notices`, then folds the maintenance anew from all its accepted
 * notices and writes only the rows of `maintenances`, `maintenance_windows` and `window_circuits`
 * that changed. So a late, older notice is kept and changes nothing that a newer one decided. A
 * notice about several maintenances is recorded once for each, under the same fingerprint.
 *
 * @param about the notice's fingerprint, from `fingerprint(notice)`
 * @throws {StatementRefused} `unknown-carrier`, `unknown-circuit`, `foreign-circuit`,
 *   `window-not-forward`, `statement-unusable`, `duplicate-notice`
 */
export async function recordStatement(
  tx: Transaction,
  statement: Statement,
  about: { readonly fingerprint: string },
): Promise<Recorded> {
  checkForm(statement);
  const carrierId = await carrierOf(tx, statement.carrier);
  const circuitIds = await circuitsOf(tx, carrierId, statement);
  const maintenance = await lockMaintenance(tx, carrierId, statement);
  const earlier = await acceptedOf(tx, maintenance);
  if (earlier.some((item) => item.fingerprint === about.fingerprint))
    throw new StatementRefused(
      "duplicate-notice",
      `this notice was already recorded for maintenance ${statement.maintenanceId} of ` +
        `${statement.carrier}; nothing is to be done`,
    );
  await insertNotice(tx, maintenance, statement, about.fingerprint);
  const accepted = [...earlier, { fingerprint: about.fingerprint, statement }];
  const entry = foldStatements(accepted);
  // Windows may take circuits over from earlier notices, so those ids are looked up as well.
  const all = new Map([...(await circuitIdsOf(tx, carrierId, entry)), ...circuitIds]);
  await writeEntry(tx, { maintenance, carrierId, notices: accepted.length, entry, circuitIds: all });
  const { status, windows } = entry;
  const { carrier, maintenanceId: carrierMaintenanceId } = statement;
  return { maintenance, carrier, carrierMaintenanceId, status, windows, notices: accepted.length };
}

/** Reads back every accepted statement of a maintenance, in no particular order. */
async function acceptedOf(tx: Transaction, maintenance: string): Promise<AcceptedStatement[]> {
  const found = await tx.query<{ fingerprint: string; statement: unknown }>(
    "select fingerprint, statement from netops.notices where maintenance_id = $1",
    [maintenance],
  );
  return found.rows.map((row) => ({
    fingerprint: row.fingerprint,
    statement: Statement.parse(row.statement),
  }));
}

function checkForm(statement: Statement): void {
  const parsed = Statement.safeParse(statement);
  if (!parsed.success)
    throw new StatementRefused(
      "statement-unusable",
      `this is no statement: ${parsed.error.issues[0]?.message ?? "unknown reason"}`,
    );
  if (statement.maintenanceId.trim() === "" || statement.maintenanceId !== statement.maintenanceId.trim())
    throw new StatementRefused(
      "statement-unusable",
      `maintenance id "${statement.maintenanceId}" is empty or has blanks around it; ` +
        "give the id as the notice does",
    );
  for (const window of statement.windows)
    if (Date.parse(window.startsAt) >= Date.parse(window.endsAt))
      throw new StatementRefused(
        "window-not-forward",
        `maintenance ${statement.maintenanceId}: a window from ${window.startsAt} to ${window.endsAt} ` +
          "does not end after it starts; read the times and zones again",
      );
}

async function carrierOf(tx: Transaction, name: string): Promise<string> {
  const found = await tx.query<{ id: string }>("select id from netops.carriers where name = $1", [name]);
  const id = found.rows[0]?.id;
  if (id === undefined)
    throw new StatementRefused(
      "unknown-carrier",
      `no carrier is named "${name}"; use a name from netops.carriers`,
    );
  return id;
}

/** Our keys of the circuits that the statement names, all of them this carrier's. */
async function circuitsOf(
  tx: Transaction,
  carrierId: string,
  statement: Statement,
): Promise<ReadonlyMap<string, string>> {
  const named = [...new Set(statement.windows.flatMap((w) => w.circuits.map((c) => c.circuitId)))].sort();
  const own = await lookUp(tx, carrierId, named);
  const missing = named.filter((id) => !own.has(id));
  if (missing.length === 0) return own;
  const elsewhere = await tx.query<{ circuit: string }>(
    "select distinct carrier_circuit_id as circuit from netops.circuits where carrier_circuit_id = any($1)",
    [missing],
  );
  const list = `${missing.slice(0, NAMED_MAX).join(", ")}${missing.length > NAMED_MAX ? ", ..." : ""}`;
  const foreign = elsewhere.rows.length === missing.length;
  throw new StatementRefused(
    foreign ? "foreign-circuit" : "unknown-circuit",
    foreign
      ? `${list}: leased from another carrier than ${statement.carrier}; check which carrier sent the notice`
      : `${list}: no such circuit of ${statement.carrier} in the inventory; ask a person whether it is ours`,
  );
}

async function circuitIdsOf(
  tx: Transaction,
  carrierId: string,
  entry: CalendarEntry,
): Promise<ReadonlyMap<string, string>> {
  const named = new Set(entry.windows.flatMap((w) => w.circuits.map((c) => c.circuitId)));
  return lookUp(tx, carrierId, [...named]);
}

async function lookUp(
  tx: Transaction,
  carrierId: string,
  named: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const found = await tx.query<{ id: string; circuit: string }>(
    `select id, carrier_circuit_id as circuit from netops.circuits
      where carrier_id = $1 and carrier_circuit_id = any($2)`,
    [carrierId, named],
  );
  return new Map(found.rows.map((row) => [row.circuit, row.id]));
}

/** The maintenance's row, made when new, locked so that two statements about it fold one after the other. */
async function lockMaintenance(tx: Transaction, carrierId: string, statement: Statement): Promise<string> {
  const key = [carrierId, statement.maintenanceId];
  const find = () =>
    tx.query<{ id: string }>(
      `select id from netops.maintenances
        where carrier_id = $1 and carrier_maintenance_id = $2 for no key update`,
      key,
    );
  const known = (await find()).rows[0]?.id;
  if (known !== undefined) return known;
  const made = await tx.query<{ id: string }>(
    `insert into netops.maintenances (carrier_id, carrier_maintenance_id, status, notice_count)
     values ($1, $2, $3, 0)
     on conflict (carrier_id, carrier_maintenance_id) do nothing
     returning id`,
    [...key, statement.status],
  );
  const id = made.rows[0]?.id ?? (await find()).rows[0]?.id;
  if (id === undefined)
    throw new Error(`maintenance ${statement.maintenanceId} vanished while it was locked`);
  return id;
}

async function insertNotice(
  tx: Transaction,
  maintenance: string,
  statement: Statement,
  fingerprint: string,
): Promise<void> {
  await tx.query(
    `insert into netops.notices (maintenance_id, fingerprint, sent_at, sequence, status, statement)
     values ($1, $2, $3, $4, $5, $6)`,
    [
      maintenance,
      fingerprint,
      statement.sentAt ?? null,
      statement.sequence ?? null,
      statement.status,
      JSON.stringify(statement),
    ],
  );
}

type Writing = {
  readonly maintenance: string;
  readonly carrierId: string;
  readonly notices: number;
  readonly entry: CalendarEntry;
  readonly circuitIds: ReadonlyMap<string, string>;
};

/** Brings the rows of one maintenance to `entry`, touching only those that differ. */
async function writeEntry(tx: Transaction, writing: Writing): Promise<void> {
  const { maintenance, carrierId, entry } = writing;
  const windows = JSON.stringify(
    entry.windows.map((window, place) => ({
      number: place + 1,
      starts_at: window.startsAt,
      ends_at: window.endsAt,
      status: window.status,
    })),
  );
  const circuits = JSON.stringify(
    entry.windows.flatMap((window, place) =>
      window.circuits.map(({ circuitId, impact }) => ({
        number: place + 1,
        circuit_id: writing.circuitIds.get(circuitId),
        impact,
      })),
    ),
  );
  await tx.query("update netops.maintenances set status = $2, notice_count = $3 where id = $1", [
    maintenance,
    entry.status,
    writing.notices,
  ]);
  await tx.query(
    `delete from netops.window_circuits old
      where old.maintenance_id = $1 and not exists (
        select from jsonb_to_recordset($2::jsonb) as new (number integer, circuit_id bigint)
         where new.number = old.window_number and new.circuit_id = old.circuit_id)`,
    [maintenance, circuits],
  );
  await tx.query("delete from netops.maintenance_windows where maintenance_id = $1 and number > $2", [
    maintenance,
    entry.windows.length,
  ]);
  await tx.query(
    `insert into netops.maintenance_windows as old (maintenance_id, number, starts_at, ends_at, status)
     select $1, number, starts_at, ends_at, status
       from jsonb_to_recordset($2::jsonb)
         as new (number integer, starts_at timestamptz, ends_at timestamptz, status netops.maintenance_status)
      order by number
     on conflict (maintenance_id, number) do update
        set starts_at = excluded.starts_at, ends_at = excluded.ends_at, status = excluded.status
      where (old.starts_at, old.ends_at, old.status)
            is distinct from (excluded.starts_at, excluded.ends_at, excluded.status)`,
    [maintenance, windows],
  );
  await tx.query(
    `insert into netops.window_circuits as old (maintenance_id, window_number, circuit_id, carrier_id, impact)
     select $1, number, circuit_id, $2, impact
       from jsonb_to_recordset($3::jsonb) as new (number integer, circuit_id bigint, impact netops.impact)
      order by number, circuit_id
     on conflict (maintenance_id, window_number, circuit_id) do update set impact = excluded.impact
      where old.impact is distinct from excluded.impact`,
    [maintenance, carrierId, circuits],
  );
}
