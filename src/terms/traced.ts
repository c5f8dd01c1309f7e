import { createHash } from "node:crypto";
import { defaultTenant, type TenantId } from "../kernel/index.ts";
import { countedUsage, findUsage, type FoundUsage } from "../ledger/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { refuseTerms } from "./errors.ts";
import type { Invoice } from "./invoice.ts";
import type { InvoiceLine } from "./invoice-line.ts";
import type { Metered } from "./metering.ts";
import { nameText } from "./names.ts";
import { instantSql } from "./read.ts";
import { invoiceOf, recordSold, type SubscriptionQuestion } from "./selling.ts";
import type { KnownSoldEvent, SoldEventInput } from "./sold-event.ts";

/** Usage that a subscription pays for. */
export type UsageToBill = {
  readonly tenant?: TenantId;
  readonly subscription: string;
  /** Whose usage, as its source names it, and which meter of it. */
  readonly subject: string;
  readonly meter: string;
  /** `from` inclusive, `to` exclusive. */
  readonly from?: Date;
  readonly to?: Date;
};

/** Facts of one call of `recordSold`. */
const PAGE = 10_000;

/**
 * Tells what was counted of a subject as consumed by a subscription: one fact for each usage event, which it
 * names, so that each unit on an invoice leads back to who counted it. Told again it changes nothing. Reads
 * factotum.usage_counted; writes factotum.subscription_events.
 *
 * @returns how many were new
 * @throws {TermsError} `usage-negative` for an event that takes back: tell a refund instead
 */
export async function consumeUsage(tx: Transaction, wanted: UsageToBill): Promise<number> {
  const { subscription, tenant = defaultTenant, ...filter } = wanted;
  const events = await countedUsage(tx, { tenant, ...filter });
  const told = events.map(({ source, id, at, meter, quantity }): SoldEventInput => {
    if (quantity >= 0n) {
      const usage = { source, id };
      return {
        ...{ kind: "consumed", id: nameOf(source, id), subscription, at: at.toISOString() },
        ...{ meter, units: String(quantity), usage },
      };
    }
    const message = `usage event ${source}/${id} takes ${-quantity} ${meter} back; tell that as a refund`;
    throw refuseTerms("usage-negative", message);
  });
  let fresh = 0;
  for (let at = 0; at < told.length; at += PAGE) {
    fresh += await recordSold(tx, told.slice(at, at + PAGE), tenant);
  }
  return fresh;
}

/** No two keys have one name, and a name has a length that a fact's may have. */
function nameOf(source: string, id: string): string {
  const plain = `usage ${JSON.stringify([source, id])}`;
  if (nameText.safeParse(plain).success) return plain;
  return `usage ${createHash("sha256").update(plain).digest("hex")}`;
}

/** A fact that a line of an invoice comes from. */
export type TracedFact = KnownSoldEvent & {
  /** How it was paid for, where it is consumption. */
  readonly metered: Metered | null;
  /** The usage event that it tells of, as its source counted it; null where it was told by itself. */
  readonly usage: FoundUsage | null;
};

/** A line of an invoice with all that it comes from. */
export type TracedLine = {
  readonly knownAt: string;
  readonly invoice: Invoice;
  readonly line: InvoiceLine;
  readonly facts: readonly TracedFact[];
};

/**
 * What a line of an invoice comes from: its facts, and the usage events that those tell of. Reads only.
 *
 * @param asked.line its place on the invoice, from 1
 * @throws {TermsError} `line-unknown`, and what `invoiceOf` throws
 */
export async function traceLine(
  tx: Transaction,
  asked: SubscriptionQuestion & { readonly period: string; readonly line: number },
): Promise<TracedLine> {
  const { knownAt, invoice } = await invoiceOf(tx, asked);
  const line = invoice.lines[asked.line - 1];
  if (line === undefined) {
    throw refuseTerms(
      "line-unknown",
      `the invoice of ${asked.subscription} for ${asked.period} has ${invoice.lines.length} lines, and no ` +
        `line ${asked.line}`,
    );
  }
  const { rows } = await tx.query<KnownSoldEvent>(
    `select body as event, ${instantSql("known_at")} as "knownAt" from factotum.subscription_events
     where tenant = $1 and id = any($2) order by array_position($2, id)`,
    [asked.tenant ?? defaultTenant, line.events],
  );
  const keys = rows.flatMap(({ event }) => (event.kind === "consumed" ? (event.usage ?? []) : []));
  const found = new Map(
    (await findUsage(tx, keys)).map((one) => [nameOf(one.event.source, one.event.id), one]),
  );
  const metered = new Map(line.metered?.map((one) => [one.event, one]));
  return {
    ...{ knownAt, invoice, line },
    facts: rows.map(({ event, knownAt: known }) => ({
      ...{ event, knownAt: known, metered: metered.get(event.id) ?? null },
      usage: found.get(event.id) ?? null,
    })),
  };
}
