import { canonicalJson, defaultTenant, storableText, type TenantId, toJson } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { type AgreementInput, agreementSchema, type AgreementVersion } from "./agreement.ts";
import { checkVersions } from "./book.ts";
import { refuseTerms } from "./errors.ts";
import { type TermEvent, type TermEventInput, termEventSchema } from "./event.ts";
import { lockFacts, readVersions } from "./read.ts";
import { moment, whenText } from "./when.ts";

/** Events that one call may bring. */
const EVENTS_MAX = 10_000;

/** A version of an agreement before it is recorded. */
export type NewVersion = {
  readonly tenant?: TenantId;
  readonly agreement: string;
  /** From 1; the next one amends. */
  readonly version: number;
  /**
   * A date in the agreement's zone, or an instant; the first version takes effect when the
   * agreement begins.
   */
  readonly effectiveFrom?: string;
  readonly terms: AgreementInput;
};

/**
 * Records an agreement, or an amendment of it, whole. The same version told again changes nothing. Writes
 * factotum.agreement_versions.
 *
 * @returns whether it was new
 * @throws {TermsError} `agreement-invalid` saying what is wrong where; `version-conflict` when that version
 * says something else; `version-missing`, `frame-changed` or `clause-changed` when no amendment may do that
 */
export async function recordAgreement(tx: Transaction, given: NewVersion): Promise<boolean> {
  const tenant = given.tenant ?? defaultTenant;
  const next = parseVersion(given);
  await lockFacts(tx, tenant, "write");
  const versions = await readVersions(tx, tenant, given.agreement);
  const same = versions.find((one) => one.version === next.version);
  if (same !== undefined) {
    if (wordsOf(same) === wordsOf(next)) return false;
    throw refuseTerms(
      "version-conflict",
      `version ${next.version} of ${next.agreement} is recorded with another content; amend it by version ` +
        `${versions.length + 1}`,
    );
  }
  checkVersions([...versions, next]);
  await tx.query(
    `insert into factotum.agreement_versions (tenant, agreement, version, effective_from, terms)
     values ($1, $2, $3, $4, $5)`,
    [tenant, next.agreement, next.version, next.effectiveFrom, canonicalJson(toJson(next.terms))],
  );
  return true;
}

function parseVersion(given: NewVersion): AgreementVersion {
  const effective = whenText.optional().safeParse(given.effectiveFrom);
  const parsed = agreementSchema.safeParse(given.terms);
  const issues = [...(parsed.error?.issues ?? []), ...(effective.error?.issues ?? [])];
  if (parsed.data === undefined || issues.length > 0) {
    const said = issues.map((issue) => `${issue.path.join(".") || "agreement"}: ${issue.message}`);
    throw refuseTerms(
      "agreement-invalid",
      `agreement ${given.agreement} cannot be recorded: ${said.join("; ")}`,
    );
  }
  const effectiveFrom = given.effectiveFrom ?? (given.version === 1 ? parsed.data.from : undefined);
  if (effectiveFrom === undefined) {
    throw refuseTerms(
      "agreement-invalid",
      `version ${given.version} of ${given.agreement} needs effectiveFrom`,
    );
  }
  if (
    given.version === 1 &&
    moment(effectiveFrom, parsed.data.zone) !== moment(parsed.data.from, parsed.data.zone)
  ) {
    throw refuseTerms(
      "agreement-invalid",
      `version 1 of ${given.agreement} takes effect when the agreement begins`,
    );
  }
  const { agreement, version } = given;
  return { agreement, version, effectiveFrom, terms: parsed.data, knownAt: "" };
}

function wordsOf({ effectiveFrom, terms }: AgreementVersion): string {
  return canonicalJson(toJson([effectiveFrom, terms]));
}

/**
 * Records facts: what was earned, refunded, used, declared, signed. A fact told again changes nothing, so
 * they may be sent as often and in whatever order they come. Writes factotum.term_events.
 *
 * @returns how many were new
 * @throws {TermsError} `event-invalid` saying what is wrong where; `event-conflict` when an id was told
 * before with another content: nothing of the call is kept; `events-too-many` for more than 10,000
 */
export async function recordEvents(
  tx: Transaction,
  events: readonly TermEventInput[],
  tenant: TenantId = defaultTenant,
): Promise<number> {
  if (events.length > EVENTS_MAX) {
    throw refuseTerms(
      "events-too-many",
      `${events.length} events at once are more than ${EVENTS_MAX}: send fewer`,
    );
  }
  const parsed = events.map(parseEvent);
  await lockFacts(tx, tenant, "write");
  const bodies = parsed.map((event) => canonicalJson(toJson(event)));
  const { rowCount } = await tx.query(
    `insert into factotum.term_events (tenant, id, kind, body)
     select $1, told.id, told.kind, told.body::json from unnest($2::text[], $3::text[], $4::text[])
       with ordinality as told (id, kind, body, place) order by told.place
     on conflict (tenant, id) do nothing`,
    [tenant, parsed.map((event) => event.id), parsed.map((event) => event.kind), bodies],
  );
  const { rows } = await tx.query<{ id: string }>(
    `select told.id from unnest($2::text[], $3::text[]) as told (id, body)
     join factotum.term_events e on e.tenant = $1 and e.id = told.id where e.body::text <> told.body limit 1`,
    [tenant, parsed.map((event) => event.id), bodies],
  );
  const [conflict] = rows;
  if (conflict === undefined) return rowCount;
  throw refuseTerms(
    "event-conflict",
    `event ${conflict.id} was recorded with another content; facts do not change: ` +
      "tell a refund, a restatement, or a fact with its own id",
  );
}

function parseEvent(given: TermEventInput): TermEvent {
  const parsed = termEventSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  const said = parsed.error.issues.map((issue) => `${issue.path.join(".") || "event"}: ${issue.message}`);
  throw refuseTerms(
    "event-invalid",
    `event ${storableText(given.id)} cannot be recorded: ${said.join("; ")}`,
  );
}
