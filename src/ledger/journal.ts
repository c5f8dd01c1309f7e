import { type Brand, InputError, must } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";

/** A row of factotum.transfers. */
export type TransferId = Brand<string, "TransferId">;

/** What can be booked; amounts are whole multiples of `10^-decimals` of it. */
export type Unit = {
  /** `USD`, `tokens.output`, `joules`, `attention.seconds`. */
  readonly unit: string;
  readonly kind: "money" | "tokens" | "energy" | "time" | "count";
  /** 0 to 12. */
  readonly decimals: number;
};

/** One amount of one unit, from the account credited to the account debited. */
export type Transfer = {
  /** The caller's own name for it: told twice, it is booked once. */
  readonly ref: string;
  readonly unit: string;
  readonly debit: string;
  readonly credit: string;
  /** In the smallest part of the unit, 1 to 10^15: micro-dollars, tokens, millijoules, milliseconds. */
  readonly amount: bigint;
  readonly because: string;
  /** When it happened, by the business clock; now, unless told. */
  readonly at?: Date;
};

const AMOUNT_MAX = 1_000_000_000_000_000n;
const TEXT_LENGTH_MAX = 500;

/**
 * Makes a unit; dollars, euros, tokens, joules and attention are there. Writes factotum.units.
 *
 * @throws {InputError} `unit-differs` where it is there, and another
 */
export async function putUnit(tx: Transaction, { unit, kind, decimals }: Unit): Promise<void> {
  const { rows } = await tx.query<Unit>(
    `with made as (
       insert into factotum.units values ($1, $2, $3)
       on conflict on constraint units_pkey do nothing returning *)
     select * from made union all select * from factotum.units where unit = $1`,
    [unit, kind, decimals],
  );
  const [found] = rows;
  if (found === undefined || (found.kind === kind && found.decimals === decimals)) return;
  throw new InputError({
    code: "unit-differs",
    message: `unit ${unit} is ${found.kind} with ${found.decimals} decimals; another needs a name of its own`,
  });
}

/**
 * Books a transfer, and makes its accounts where they are missing. Writes factotum.transfers and accounts.
 *
 * @returns its id, the first one's where it was told before
 * @throws {InputError} `transfer-invalid`, `unit-unknown`, `transfer-differs` where the same `ref` said
 * something else before
 */
export async function transfer(tx: Transaction, one: Transfer): Promise<TransferId> {
  const { ref, unit, debit, credit, amount, because, at } = one;
  expectValid(one);
  const units = await tx.query("select from factotum.units where unit = $1", [unit]);
  if (units.rows.length === 0) {
    const message = `transfer ${ref} is in ${unit}, which is no unit; make it with putUnit`;
    throw new InputError({ code: "unit-unknown", message });
  }
  await tx.query(
    `insert into factotum.accounts select account, $2 from unnest($1::text[]) account order by account
     on conflict on constraint accounts_pkey do nothing`,
    [[debit, credit], unit],
  );
  const made = await tx.query<{ id: TransferId }>(
    `insert into factotum.transfers (ref, unit, debit, credit, amount, because, at)
     values ($1, $2, $3, $4, $5, $6, coalesce($7, factotum.now()))
     on conflict on constraint transfers_ref_unique do nothing returning id`,
    [ref, unit, debit, credit, amount, because, at ?? null],
  );
  if (made.rows[0] !== undefined) return made.rows[0].id;
  return repeated(tx, one);
}

async function repeated(tx: Transaction, one: Transfer): Promise<TransferId> {
  const { rows } = await tx.query<{ id: TransferId; same: boolean }>(
    `select id, (unit, debit, credit, amount) = ($2, $3, $4, $5::bigint) and at = coalesce($6, at) as same
     from factotum.transfers where ref = $1`,
    [one.ref, one.unit, one.debit, one.credit, one.amount, one.at ?? null],
  );
  const found = must(rows[0], `the transfer ${one.ref}`);
  if (found.same) return found.id;
  throw new InputError({
    code: "transfer-differs",
    message:
      `transfer ${one.ref} was booked before as ${found.id}, with other terms; reverse that one, ` +
      "and take a new ref",
  });
}

/**
 * Books the whole of a transfer the other way round. Writes factotum.transfers.
 *
 * @returns the reversal's id, the first one's where it was reversed before
 * @throws {InputError} `transfer-unknown`
 */
export async function reverseTransfer(tx: Transaction, id: TransferId, because: string): Promise<TransferId> {
  const { rows } = await tx.query<{ id: TransferId }>(
    `with made as (
       insert into factotum.transfers (ref, unit, debit, credit, amount, because, reverses)
       select 'reverses ' || t.id, t.unit, t.credit, t.debit, t.amount, $2, t.id
       from factotum.transfers t where t.id = $1
       on conflict on constraint transfers_ref_unique do nothing returning id)
     select id from made union all select id from factotum.transfers where reverses = $1`,
    [id, because],
  );
  if (rows[0] !== undefined) return rows[0].id;
  throw new InputError({ code: "transfer-unknown", message: `there is no transfer ${id}` });
}

function expectValid({ ref, debit, credit, amount, because }: Transfer): void {
  const texts = [ref, debit, credit, because];
  const isNamed = texts.every(
    (text) => text !== "" && text.length <= TEXT_LENGTH_MAX && !text.includes("\0"),
  );
  if (isNamed && debit !== credit && amount >= 1n && amount <= AMOUNT_MAX) return;
  throw new InputError({
    code: "transfer-invalid",
    message:
      `transfer ${JSON.stringify(ref.slice(0, TEXT_LENGTH_MAX))} of ${amount} needs two accounts, a reason ` +
      `and an amount of 1 to ${AMOUNT_MAX}; to take one back, reverse it`,
  });
}
