import { systemClock } from "../kernel/index.ts";
import type { Database } from "../postgres/index.ts";
import {
  type AgreementView,
  type Invoice,
  invoiceOf,
  type KnownEvent,
  type KnownSettlement,
  mayServe,
  type ServeDecision,
  type ServeQuestion,
  settlementOf,
  showAgreement,
  termEventOf,
  traceLine,
  type TracedLine,
} from "../terms/index.ts";

/** What may be asked of agreements; `knownAt` is an instant that has passed, and without it all counts. */
export type TermsDoor = {
  /** An agreement as it reads at an instant, now by default. */
  show(agreement: string, when: { readonly at?: string; readonly knownAt?: string }): Promise<AgreementView>;
  /** Who owes whom for a period. */
  owed(agreement: string, period: string, knownAt?: string): Promise<KnownSettlement>;
  /** Whether a model may be served on a channel, now by default. */
  mayServe(
    question: Omit<ServeQuestion, "at"> & { readonly at?: string; readonly knownAt?: string },
  ): Promise<ServeDecision>;
  /** A fact that a line of a settlement names. @throws {TermsError} `event-unknown` */
  event(id: string): Promise<KnownEvent>;
  /** What a subscription pays for a period. */
  invoice(
    subscription: string,
    period: string,
    knownAt?: string,
  ): Promise<{ readonly knownAt: string; readonly invoice: Invoice }>;
  /** What a line of it, counted from 1, comes from: facts, and the usage events that those tell of. */
  invoiceLine(subscription: string, period: string, line: number, knownAt?: string): Promise<TracedLine>;
};

/** Makes the door. */
export function openTerms(db: Database): TermsDoor {
  const since = (knownAt: string | undefined): { readonly knownAt?: string } =>
    knownAt === undefined ? {} : { knownAt };
  const now = async (): Promise<string> => {
    const { rows } = await db.query<{ now: Date }>("select factotum.now() as now");
    return (rows[0]?.now ?? systemClock.now()).toISOString();
  };
  return {
    show: async (agreement, { at, knownAt }) => {
      const when = at ?? (await now());
      return db.transaction((tx) => showAgreement(tx, { agreement, at: when, ...since(knownAt) }));
    },
    owed: (agreement, period, knownAt) =>
      db.transaction((tx) => settlementOf(tx, { agreement, period, ...since(knownAt) })),
    mayServe: async ({ at, knownAt, ...asked }) => {
      const when = at ?? (await now());
      return db.transaction((tx) => mayServe(tx, { ...asked, at: when, ...since(knownAt) }));
    },
    event: (id) => db.transaction((tx) => termEventOf(tx, id)),
    invoice: (subscription, period, knownAt) =>
      db.transaction((tx) => invoiceOf(tx, { subscription, period, ...since(knownAt) })),
    invoiceLine: (subscription, period, line, knownAt) =>
      db.transaction((tx) => traceLine(tx, { subscription, period, line, ...since(knownAt) })),
  };
}
