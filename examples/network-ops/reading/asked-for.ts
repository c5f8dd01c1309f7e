/**
 * What a notice surely asks for, as a list to tick off.
 *
 * Pure omissions are the mistake that no approval catches: a model that leaves out a window or a
 * circuit writes nothing wrong. So what is certain here must be in any change set, whoever made it.
 */
import type { Notice } from "../notice.ts";
import { eventsOf } from "./calendar.ts";
import { readNotice } from "./read.ts";
import type { DoubtField, Knowledge } from "./types.ts";

export type AskedFor = {
  readonly maintenanceIds: readonly string[];
  readonly windows: readonly { readonly startsAt: string; readonly endsAt: string }[];
  readonly circuits: readonly string[];
};

/** Ids, windows and circuits that are sure by themselves, whatever else is in doubt. */
export function askedFor(notice: Notice, knowledge: Knowledge): AskedFor {
  const reading = readNotice(notice, knowledge);
  const doubted = new Set<DoubtField>(reading.doubts.map((doubt) => doubt.field));
  const evidence = (field: string): string[] => [
    ...new Set(reading.evidence.filter((item) => item.field === field).map((item) => item.value)),
  ];
  const sure = (field: DoubtField): boolean => !doubted.has(field) && !doubted.has("notice");
  const calendar = eventsOf(notice).events.length > 0;
  const circuits = sure("circuits") && sure("carrier") ? evidence("circuits") : [];
  return {
    maintenanceIds: sure("maintenanceId") ? evidence("maintenanceId") : [],
    windows: sure("window")
      ? evidence("window").flatMap((value) => {
          const [startsAt = "", endsAt = ""] = value.split("/");
          return startsAt === "" || endsAt === "" || endsAt === "undefined" ? [] : [{ startsAt, endsAt }];
        })
      : [],
    circuits: calendar && !sure("circuits") ? [] : circuits,
  };
}
