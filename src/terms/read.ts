import type { TenantId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { AgreementVersion } from "./agreement.ts";
import { refuseTerms } from "./errors.ts";
import type { KnownEvent, TermEventKind } from "./event.ts";
import type { AgreementFacts } from "./settle.ts";
import type { ClosedSettlement } from "./settlement.ts";
import { instantOf, moment } from "./when.ts";

/** A column of instants as text, to the microsecond. */
export function instantSql(column: string): string {
  return `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/**
 * Waits for facts of the tenant that are being written, so that all that is known up to now is seen; `write`
 * also keeps other writers out until the transaction ends.
 */
export async function lockFacts(tx: Transaction, tenant: TenantId, mode: "read" | "write"): Promise<void> {
  const lock = mode === "read" ? "pg_advisory_xact_lock_shared" : "pg_advisory_xact_lock";
  await tx.query(`select ${lock}(hashtextextended('factotum.terms ' || $1, 0))`, [tenant]);
}

/**
 * The time as of which a question is answered: the one asked for, or that of the last fact. Later facts come
 * to be known later than it, so that the same question has the same answer for ever.
 *
 * @throws {TermsError} `knowledge-unknown` for a time that has not passed, `instant-invalid`
 */
export async function knowledgeAt(tx: Transaction, tenant: TenantId, asked?: string): Promise<string> {
  const { rows } = await tx.query<{ last: string | null; now: string }>(
    `select ${instantSql("factotum.last_term_known($1)")} as last,
            ${instantSql("factotum.clock_time()")} as now`,
    [tenant],
  );
  const last = rows[0]?.last ?? "1970-01-01T00:00:00Z";
  if (asked === undefined) return last;
  const at = instantOf(asked);
  if (at <= moment(last, "UTC") || at < moment(rows[0]?.now ?? last, "UTC")) return asked;
  throw refuseTerms(
    "knowledge-unknown",
    `what will be known at ${asked} is not known before that time has passed`,
  );
}

/** Whether an instant has passed by the business clock. */
export async function clockPassed(tx: Transaction, at: string): Promise<boolean> {
  const { rows } = await tx.query<{ passed: boolean }>(
    "select factotum.clock_time() >= $1::timestamptz as passed",
    [at],
  );
  return rows[0]?.passed === true;
}

/** The versions of one agreement, by number. */
export async function readVersions(
  tx: Transaction,
  tenant: TenantId,
  agreement: string,
): Promise<readonly AgreementVersion[]> {
  const { rows } = await tx.query<AgreementVersion>(`${VERSIONS} and agreement = $2 order by version`, [
    ...[tenant, agreement],
  ]);
  return rows;
}

const VERSIONS = `select agreement, version, effective_from as "effectiveFrom", terms,
  ${instantSql("known_at")} as "knownAt" from factotum.agreement_versions where tenant = $1`;

/** The versions of all agreements of a tenant, by agreement. */
export async function readAllVersions(
  tx: Transaction,
  tenant: TenantId,
): Promise<ReadonlyMap<string, readonly AgreementVersion[]>> {
  const { rows } = await tx.query<AgreementVersion>(`${VERSIONS} order by agreement, version`, [tenant]);
  return Map.groupBy(rows, (one) => one.agreement);
}

/** Facts of a tenant known by a time, of some kinds or of all. */
export async function readEvents(
  tx: Transaction,
  tenant: TenantId,
  knownAt: string,
  kinds: readonly TermEventKind[] | null = null,
): Promise<readonly KnownEvent[]> {
  const { rows } = await tx.query<KnownEvent>(
    `select body as event, ${instantSql("known_at")} as "knownAt" from factotum.term_events
     where tenant = $1 and known_at <= $2::timestamptz and ($3::text[] is null or kind = any($3))
     order by id`,
    [tenant, knownAt, kinds],
  );
  return rows;
}

/** The closed periods of an agreement, in order. */
export async function readClosed(
  tx: Transaction,
  tenant: TenantId,
  agreement: string,
): Promise<readonly ClosedSettlement[]> {
  const { rows } = await tx.query<ClosedSettlement>(
    `select ordinal, settlement, ${instantSql("known_at")} as "knownAt" from factotum.closed_periods
     where tenant = $1 and agreement = $2 order by ordinal`,
    [tenant, agreement],
  );
  return rows;
}

/** All facts that speak of an agreement. */
export async function readFacts(
  tx: Transaction,
  tenant: TenantId,
  agreement: string,
  knownAt: string,
): Promise<AgreementFacts> {
  const versions = await readVersions(tx, tenant, agreement);
  if (versions.length === 0) {
    throw refuseTerms("agreement-unknown", `there is no agreement ${agreement}; record its version 1 first`);
  }
  const events = await readEvents(tx, tenant, knownAt);
  return { versions, events, closed: await readClosed(tx, tenant, agreement) };
}
