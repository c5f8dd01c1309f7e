import { createHash } from "node:crypto";
import { canonicalJson, type Json } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { Bill, BillLine } from "./bill.ts";

/** A line of a bill that was kept: the provider's own words on a call. */
export type KeptLine = {
  /** The file's digest and the line's place in it. */
  readonly bill: string;
  readonly line: string;
  readonly providerId: string | null;
  readonly model: string | null;
  readonly tokens: Readonly<Record<string, string>>;
  /** Decimal US dollars as the provider stated them. */
  readonly amountUsd: string | null;
  readonly words: string;
  readonly keptAt: Date;
};

const BATCH = 5_000;

/**
 * Keeps the lines of a bill beside the calls that they name. The same bill again changes nothing. Writes
 * factotum.bill_lines.
 *
 * @param callOf our call of a provider's id, where it is known
 * @returns how many lines are new
 */
export async function keepBill(
  tx: Transaction,
  bill: Bill,
  callOf: (id: string) => string | null,
): Promise<number> {
  const digest = createHash("sha256")
    .update(canonicalJson([bill.format, ...bill.lines.map(({ raw }) => raw)]))
    .digest("hex");
  let kept = 0;
  for (let from = 0; from < bill.lines.length; from += BATCH) {
    kept += await keepLines(tx, digest, bill.lines.slice(from, from + BATCH), callOf);
  }
  return kept;
}

async function keepLines(
  tx: Transaction,
  digest: string,
  lines: readonly BillLine[],
  callOf: (id: string) => string | null,
): Promise<number> {
  const column = <T>(pick: (line: BillLine) => T): T[] => lines.map(pick);
  const { rowCount } = await tx.query(
    `insert into factotum.bill_lines (bill, line, provider_id, call_id, model, used_from, used_to, tokens,
       amount_usd, words)
     select $1, x.* from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
       $7::timestamptz[], $8::json[], $9::numeric[], $10::text[]) as x
     on conflict on constraint bill_lines_pkey do nothing`,
    [
      ...[digest, column(({ at }) => at.slice(at.lastIndexOf(":") + 1)), column(({ id }) => id)],
      ...[column(({ id }) => (id === null ? null : callOf(id))), column(({ model }) => model)],
      ...[column(({ span }) => span?.from ?? null), column(({ span }) => span?.to ?? null)],
      ...[column(({ tokens }) => JSON.stringify(countsOf(tokens)))],
      ...[column(({ amount }) => amount?.toFixed() ?? null), column(({ words }) => words)],
    ],
  );
  return rowCount;
}

function countsOf(tokens: BillLine["tokens"]): Json {
  return Object.fromEntries(Object.entries(tokens).map(([kind, count]) => [kind, String(count)]));
}

/** What providers said of a call, as it was kept. */
export async function keptLines(
  tx: Pick<Transaction, "query">,
  callId: string,
): Promise<readonly KeptLine[]> {
  const { rows } = await tx.query<KeptLine>(
    `select bill, line, provider_id as "providerId", model, tokens, amount_usd::text as "amountUsd", words,
       kept_at as "keptAt"
     from factotum.bill_lines where call_id = $1 order by kept_at, bill, length(line), line`,
    [callId],
  );
  return rows;
}
