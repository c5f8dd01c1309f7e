import { InputError } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";

/** What one unit of money is worth in another, from a day on. */
export type FxRate = {
  readonly from: string;
  readonly to: string;
  /** The first day (UTC) on which it holds, `2026-11-28`; until the next one known. */
  readonly holdsFrom: string;
  /** A decimal of up to 18 places: how many of `to` one of `from` is worth. */
  readonly rate: string;
  /** Who says so, such as `ECB`. */
  readonly source: string;
};

/** An amount in another currency, and the rate that made it. */
export type Converted = {
  /** In the smallest part of the unit, rounded half to even. */
  readonly amount: bigint;
  /** The row of factotum.fx_rates. */
  readonly rateId: string;
  readonly rate: string;
};

const RATE = /^(?=.*[1-9])\d{1,18}(\.\d{1,18})?$/;
const DAY = /^\d{4}-\d{2}-\d{2}$/;
const RATE_PLACES = 18;

/**
 * Notes a rate. A correction is noted again for the same day; what was converted before names the row that it
 * went by, and stays. Writes factotum.fx_rates.
 *
 * @throws {InputError} `fx-invalid`
 */
export async function putFxRate(
  tx: Transaction,
  { from, to, holdsFrom, rate, source }: FxRate,
): Promise<void> {
  const begins = new Date(`${holdsFrom}T00:00:00Z`);
  // The 30th of February is read as a day of March.
  const isDay =
    DAY.test(holdsFrom) && !Number.isNaN(begins.getTime()) && begins.toISOString().startsWith(holdsFrom);
  if (!RATE.test(rate) || !isDay || from === to || source === "") {
    throw new InputError({
      code: "fx-invalid",
      message:
        `${rate} ${to} for one ${from} from ${holdsFrom} is no rate; write a decimal that is not 0, ` +
        "and a day, such as 2026-11-28",
    });
  }
  await tx.query(
    `insert into factotum.fx_rates (from_unit, to_unit, holds_from, rate, source)
     values ($1, $2, $3, $4, $5)`,
    [from, to, holdsFrom, rate, source],
  );
}

/**
 * An amount at the rate of a day: the last that holds from that day or before, never one that begins later.
 *
 * @param amount in the smallest part of `from`
 * @throws {InputError} `fx-missing`
 */
export async function convert(
  tx: Pick<Transaction, "query">,
  {
    amount,
    from,
    to,
    at,
  }: { readonly amount: bigint; readonly from: string; readonly to: string; readonly at: Date },
): Promise<Converted> {
  const { rows } = await tx.query<{ id: string; rate: string; shift: number }>(
    `select r.id, r.rate, t.decimals - f.decimals as shift from factotum.fx_rates r
     join factotum.units f on f.unit = r.from_unit join factotum.units t on t.unit = r.to_unit
     where r.from_unit = $1 and r.to_unit = $2 and r.holds_from <= ($3::timestamptz at time zone 'UTC')::date
     order by r.holds_from desc, r.id desc limit 1`,
    [from, to, at],
  );
  const [found] = rows;
  if (found === undefined) {
    throw new InputError({
      code: "fx-missing",
      message: `no rate from ${from} to ${to} holds on ${at.toISOString()}; note one with putFxRate`,
    });
  }
  const [whole = "0", fraction = ""] = found.rate.split(".");
  const scaled = BigInt(`${whole}${fraction.padEnd(RATE_PLACES, "0")}`);
  const places = BigInt(RATE_PLACES - found.shift);
  const [numerator, denominator] =
    places >= 0n ? [amount * scaled, 10n ** places] : [amount * scaled * 10n ** -places, 1n];
  return { amount: halfEven(numerator, denominator), rateId: found.id, rate: found.rate };
}

function halfEven(numerator: bigint, denominator: bigint): bigint {
  const sign = numerator < 0n ? -1n : 1n;
  const size = numerator * sign;
  const floor = size / denominator;
  const twice = (size % denominator) * 2n;
  const isUp = twice > denominator || (twice === denominator && floor % 2n === 1n);
  return sign * (isUp ? floor + 1n : floor);
}
