/**
 * Notices of invented carriers in many wordings, for tests: what they say, and whether that is certain.
 *
 * Every carrier, id and wording here was made up for these tests.
 */
import type { Attachment, Impact, Notice, Statement, Status } from "../notice.ts";
import { CAREFUL } from "./styles-careful.ts";
import { CROSSED } from "./styles-crossed.ts";
import { MESSY } from "./styles-messy.ts";
import { MORE } from "./styles-more.ts";
import { PLAIN } from "./styles-plain.ts";
import type { Knowledge } from "./types.ts";

/** One notice with what it states; `ask` marks those where a careful person would ask back. */
export type Style = {
  readonly name: string;
  readonly carrier: string;
  readonly notice: Notice;
  readonly ask: boolean;
  readonly expected: Statement;
};

/** A style as it is written down; what most have in common is filled in. */
export type Draft = {
  readonly name: string;
  readonly carrier: string;
  readonly subject?: string;
  readonly sentAt?: string;
  readonly text: string;
  readonly attachments?: readonly Attachment[];
  readonly ask?: boolean;
  readonly id: string;
  readonly status?: Status;
  readonly circuits: readonly string[];
  readonly impact?: Impact;
  /** Circuits that are hit otherwise than `impact` says. */
  readonly impacts?: Readonly<Record<string, Impact>>;
  readonly windows: readonly (readonly [string, string])[];
};

/** All styles. */
export const STYLES: readonly Style[] = [...PLAIN, ...CAREFUL, ...MORE, ...MESSY, ...CROSSED].map((draft) => {
  const circuits = draft.circuits.map((circuitId) => ({
    circuitId,
    impact: draft.impacts?.[circuitId] ?? draft.impact ?? "OUTAGE",
  }));
  return {
    name: draft.name,
    carrier: draft.carrier,
    ask: draft.ask ?? false,
    notice: {
      ...(draft.subject === undefined ? {} : { subject: draft.subject }),
      ...(draft.sentAt === undefined ? {} : { sentAt: draft.sentAt }),
      text: draft.text,
      attachments: [...(draft.attachments ?? [])],
    },
    expected: {
      carrier: draft.carrier,
      maintenanceId: draft.id,
      status: draft.status ?? "CONFIRMED",
      windows: draft.windows.map(([startsAt, endsAt]) => ({ startsAt, endsAt, circuits })),
    },
  };
});

/** The inventory behind the styles: their circuits and as many that no notice names. */
export const STYLE_KNOWLEDGE: Knowledge = {
  carriers: [...new Set(STYLES.map((style) => style.carrier))].map((name) => ({ name })),
  circuits: STYLES.flatMap(({ carrier, expected }) =>
    expected.windows.flatMap(({ circuits }) =>
      circuits.flatMap(({ circuitId }) => [
        { carrier, circuitId },
        { carrier, circuitId: circuitId.replace(/\d(?=\D*$)/, (digit) => String((Number(digit) + 7) % 10)) },
      ]),
    ),
  ),
  lessons: [],
};
