import { hash } from "node:crypto";
import { type Brand, defaultTenant, InputError, must, type TenantId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";

/** A virtual key's row. */
export type KeyId = Brand<string, "KeyId">;

/** What a new key may do. */
export type KeyTerms = {
  /** For people. */
  readonly name: string;
  readonly tenant?: TenantId;
  /** Models or aliases that it may call; all unless told. */
  readonly models?: readonly string[];
  /** The budget that its calls are paid from, by its place in the tree of budgets. */
  readonly budget?: string;
  /** By the wall clock. */
  readonly expiresAt?: Date;
  /** Over all replicas together; unlimited unless told. A try again by the gateway is no further request. */
  readonly requestsPerMinute?: number;
  /** A call counts with the most that it can use until it is over, then with what it used. */
  readonly tokensPerMinute?: number;
  /** Its calls may be answered by an answer that is so many seconds old at most; never unless told. */
  readonly cacheSeconds?: number;
};

/** A key as people may see it. */
export type Key = {
  readonly id: KeyId;
  readonly name: string;
  readonly tenant: TenantId;
  readonly models: readonly string[] | null;
  readonly budget: string | null;
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  readonly cacheSeconds: number | null;
  readonly madeAt: Date;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
};

/** A key as calls are checked against it. */
export type KeyRecord = {
  readonly id: KeyId;
  readonly tenant: TenantId;
  readonly models: ReadonlySet<string> | null;
  readonly budget: string | null;
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  readonly cacheSeconds: number | null;
  /** With it idempotency keys are hashed. */
  readonly receiptSalt: Buffer;
  /** Milliseconds of the wall clock; Infinity for never. */
  readonly until: number;
};

/** Random bytes, from whoever may have them. */
export type Random = (bytes: number) => Buffer;

/** Answers are kept for a week at most. */
export const KEPT_SECONDS_MAX = 604_800;

const PREFIX = "fk-";
const SECRET_BYTES = 32;
const LISTED_MAX = 10_000;

const LIMITS = `requests_per_minute::float8 as "requestsPerMinute",
  tokens_per_minute::float8 as "tokensPerMinute", cache_seconds as "cacheSeconds"`;
const COLUMNS = `id, name, tenant, models, budget, ${LIMITS}, made_at as "madeAt", expires_at as "expiresAt",
  revoked_at as "revokedAt"`;

/** The digest under which a key is kept. */
export function digestOfKey(secret: string): string {
  return hash("sha256", secret, "hex");
}

/**
 * Makes a key; its text is in the answer and nowhere else. Writes factotum.gateway_keys.
 *
 * @throws {InputError} `budget-unknown`, `cache-invalid`, `limit-invalid` for no whole number above 0
 */
export async function makeKey(
  tx: Transaction,
  terms: KeyTerms,
  random: Random,
): Promise<{ readonly key: Key; readonly secret: string }> {
  const secret = newSecret(random);
  const budget = terms.budget === undefined ? null : await budgetNamed(tx, terms.budget);
  const { rows } = await tx.query<Key>(
    `insert into factotum.gateway_keys
       (name, tenant, hash, models, budget, expires_at, requests_per_minute, tokens_per_minute, cache_seconds)
     values ($1, $2, decode($3, 'hex'), $4, $5, $6, $7, $8, $9) returning ${COLUMNS}`,
    [
      ...[terms.name, terms.tenant ?? defaultTenant, digestOfKey(secret), terms.models ?? null, budget],
      ...[terms.expiresAt ?? null, limitOf(terms.requestsPerMinute), limitOf(terms.tokensPerMinute)],
      cacheSecondsOf(terms.cacheSeconds),
    ],
  );
  return { key: must(rows[0], "the new key's row"), secret };
}

/** The keys, newest first. */
export async function listKeys(tx: Pick<Transaction, "query">): Promise<readonly Key[]> {
  const { rows } = await tx.query<Key>(
    `select ${COLUMNS} from factotum.gateway_keys order by id desc limit ${LISTED_MAX}`,
  );
  return rows;
}

/** Ends a key at once, on every replica. @throws {InputError} `key-unknown` */
export async function revokeKey(tx: Transaction, id: KeyId): Promise<Key> {
  const { rows } = await tx.query<Key>(
    `update factotum.gateway_keys set revoked_at = coalesce(revoked_at, clock_timestamp())
     where id = $1 returning ${COLUMNS}`,
    [id],
  );
  return rows[0] ?? unknownKey(id);
}

/**
 * Gives a key a new text; the former one holds for `graceSeconds` more.
 *
 * @throws {InputError} `key-unknown`, also where it was revoked
 */
export async function rotateKey(
  tx: Transaction,
  id: KeyId,
  graceSeconds: number,
  random: Random,
): Promise<{ readonly key: Key; readonly secret: string }> {
  const secret = newSecret(random);
  const { rows } = await tx.query<Key>(
    `update factotum.gateway_keys set former_hash = hash, hash = decode($2, 'hex'),
       former_until = clock_timestamp() + $3 * interval '1 second'
     where id = $1 and revoked_at is null returning ${COLUMNS}`,
    [id, digestOfKey(secret), graceSeconds],
  );
  return { key: rows[0] ?? unknownKey(id), secret };
}

type Row = Omit<KeyRecord, "models" | "until"> & {
  readonly models: readonly string[] | null;
  readonly digest: string;
  readonly former: string | null;
  readonly until: number | null;
  readonly formerUntil: number | null;
};

/** Every key that holds, by its digest. */
export async function loadKeys(tx: Pick<Transaction, "query">): Promise<ReadonlyMap<string, KeyRecord>> {
  const { rows } = await tx.query<Row>(
    `select id, tenant, models, budget, ${LIMITS}, receipt_salt as "receiptSalt",
       encode(hash, 'hex') as digest,
       encode(former_hash, 'hex') as former,
       1000 * extract(epoch from expires_at)::float8 as until,
       1000 * extract(epoch from former_until)::float8 as "formerUntil"
     from factotum.gateway_keys
     where revoked_at is null and (expires_at is null or expires_at > clock_timestamp())`,
  );
  const keys = new Map<string, KeyRecord>();
  for (const { digest, former, formerUntil, ...row } of rows) {
    const until = row.until ?? Infinity;
    const record = { ...row, models: row.models === null ? null : new Set(row.models), until };
    keys.set(digest, record);
    if (former !== null && formerUntil !== null) {
      keys.set(former, { ...record, until: Math.min(until, formerUntil) });
    }
  }
  return keys;
}

function limitOf(limit: number | undefined): number | null {
  if (limit === undefined || (Number.isSafeInteger(limit) && limit > 0)) return limit ?? null;
  throw new InputError({
    code: "limit-invalid",
    message: `a limit per minute must be a whole number above 0, not ${limit}; leave it out for none`,
  });
}

function cacheSecondsOf(seconds: number | undefined): number | null {
  if (seconds === undefined) return null;
  if (Number.isSafeInteger(seconds) && seconds >= 1 && seconds <= KEPT_SECONDS_MAX) return seconds;
  throw new InputError({
    code: "cache-invalid",
    message: `answers are kept for 1 to ${KEPT_SECONDS_MAX} seconds, not ${seconds}; leave it out for none`,
  });
}

function newSecret(random: Random): string {
  return PREFIX + random(SECRET_BYTES).toString("base64url");
}

async function budgetNamed(tx: Transaction, name: string): Promise<string> {
  const { rows } = await tx.query<{ id: string }>("select id from factotum.budgets where name = $1", [name]);
  if (rows[0] !== undefined) return rows[0].id;
  throw new InputError({
    code: "budget-unknown",
    message: `there is no budget ${name}; make it first, with a cap: factotum key create --cap-usd`,
  });
}

function unknownKey(id: KeyId): never {
  throw new InputError({
    code: "key-unknown",
    message: `there is no key ${id} that holds; factotum key list shows those there are`,
  });
}
