import type { EntryFilter } from "../ledger/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { usd } from "./money.ts";

/** What people say of their own time. Decimals in text. */
export type PersonTime = {
  /** How long one answer to a question takes. */
  readonly minutesPerAnswer: string;
  /** How many outcomes a person came to in an hour before there were agents. */
  readonly outcomesPerHourBefore: string;
};

/** Outcomes per person-hour, with agents and before. Decimals in text, to four places. */
export type Leverage = {
  /** Runs whose work was committed, with a person's answer or without. */
  readonly outcomes: number;
  /** Those that nobody was asked about. */
  readonly alone: number;
  /** Answers that people gave, by the runs of the filter. */
  readonly answers: number;
  readonly personHours: string;
  /** Null where nobody spent any time: then there is no rate. */
  readonly outcomesPerHour: string | null;
  readonly outcomesPerHourBefore: string;
  /** How many times as many outcomes an hour of a person comes to. */
  readonly times: string | null;
};

const PLACES = 4;
const MINUTES_PER_HOUR = 60;

/**
 * What an hour of a person comes to, with agents and before. The time of people is what they say an answer
 * takes, times the answers that they gave; expired questions took none.
 */
export async function leverage(
  tx: Pick<Transaction, "query">,
  time: PersonTime,
  { tenant, agent, from, to }: Omit<EntryFilter, "attempt" | "runId"> = {},
): Promise<Leverage> {
  const { rows } = await tx.query<{ outcomes: number; alone: number; answers: number }>(
    `with booked as (
       select distinct e.run_id from factotum.entries e
       join factotum.runs r on r.id = e.run_id
       where e.kind = 'value' and e.reverses is null and r.state->>'disposition' in ('resolved', 'answered')
         and ($1::text is null or e.tenant = $1) and ($2::text is null or e.agent = $2)
         and ($3::timestamptz is null or e.at >= $3) and ($4::timestamptz is null or e.at < $4)),
     answered as (
       select run_id from factotum.questions
       where status = 'answered' and merged_into is null
         and ($1::text is null or tenant = $1) and ($2::text is null or agent = $2)
         and ($3::timestamptz is null or answered_at >= $3) and ($4::timestamptz is null or answered_at < $4))
     select (select count(*) from booked)::integer as outcomes,
       (select count(*) from booked b
        where not exists (select from factotum.questions q
          where q.run_id = b.run_id and q.status in ('answered', 'expired')))::integer as alone,
       (select count(*) from answered)::integer as answers`,
    [tenant ?? null, agent ?? null, from ?? null, to ?? null],
  );
  const { outcomes = 0, alone = 0, answers = 0 } = rows[0] ?? {};
  const hours = usd(time.minutesPerAnswer).times(answers).div(MINUTES_PER_HOUR);
  const before = usd(time.outcomesPerHourBefore);
  const rate = hours.isZero() ? null : usd(outcomes).div(hours);
  const text = (value: typeof hours | null): string | null =>
    value === null ? null : value.toDecimalPlaces(PLACES).toFixed();
  return {
    ...{ outcomes, alone, answers, personHours: text(hours) ?? "0", outcomesPerHour: text(rate) },
    outcomesPerHourBefore: before.toFixed(),
    times: rate === null || before.isZero() ? null : text(rate.div(before)),
  };
}
