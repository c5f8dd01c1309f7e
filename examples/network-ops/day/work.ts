/** One piece of a carrier's work, before it is put into words. */
import type { DateTime } from "luxon";
import { type BusinessCarrier, type LocalWindow, utc } from "../business/index.ts";
import type { Impact, Statement, Status } from "../notice.ts";

/** A circuit and what happens to it. */
export type WorkCircuit = { readonly circuitId: string; readonly impact: Impact };
/** A window and the circuits it touches. */
export type WorkWindow = LocalWindow & { readonly circuits: readonly WorkCircuit[] };

/** What a notice is about. */
export type Work = {
  readonly carrier: BusinessCarrier;
  readonly id: string;
  readonly status: Status;
  readonly sequence: number;
  readonly reason: string;
  readonly city: string;
  readonly windows: readonly WorkWindow[];
};

/** What a right reading of the notice says. Only calendars number themselves. */
export function statementOf(work: Work, sentAt: Date): Statement {
  return {
    carrier: work.carrier.name,
    maintenanceId: work.id,
    status: work.status,
    sentAt: sentAt.toISOString(),
    ...(work.carrier.name === "Skarvnet" ? { sequence: work.sequence } : {}),
    windows: work.windows.map(({ start, end, circuits }) => ({
      startsAt: utc(start),
      endsAt: utc(end),
      circuits: [...circuits],
    })),
  };
}

/** A time in English words, the same on every machine. */
export function spell(at: DateTime, format: string): string {
  return at.setLocale("en-US").toFormat(format);
}

/** Circuits over all windows, each once. */
export function circuitsOf(work: Work): readonly WorkCircuit[] {
  return [
    ...new Map(work.windows.flatMap(({ circuits }) => circuits).map((one) => [one.circuitId, one])).values(),
  ];
}
