/** A notice's run lives on: it sees its maintenance's windows open and close. */
import type { Follow, FollowStep, RestingStep, StagedView } from "factotum/agents";
import type { Json } from "factotum/kernel";
import { z } from "zod";
import { fingerprint } from "../intake/index.ts";
import type { Notice, Status } from "../notice.ts";
import { isOver } from "../calendar/index.ts";
import { followUpChecks } from "./checks.ts";

/** How long after the end of the last window a completion notice is waited for. */
const GRACE_MS = 60 * 60_000;
/** How long a question about a missing completion waits for a person before a ticket is opened. */
const ANSWER_MS = 4 * 60 * 60_000;
/** How long work that a person calls still under way is left alone. */
const STILL_RUNNING_MS = 60 * 60_000;

/** What the run remembers: which maintenances it watches, and the one it asked about. */
const Memo = z.object({ asked: z.string().nullable(), patientUntil: z.string().nullable() });

/** A maintenance that this notice was the last to speak of. */
type Watched = {
  readonly carrier: string;
  readonly maintenanceId: string;
  readonly status: Status;
  readonly opensAt: Date;
  readonly closesAt: Date;
};

/** Sleeps until the window opens, then until it should have closed, then asks if nobody said that it did. */
export const followWindow: Follow<Notice> = {
  checks: followUpChecks,
  async begin({ input, view, at }) {
    const watched = await watchedBy(view, input);
    const last = watched.at(-1);
    if (last === undefined || last.closesAt <= at) return { kind: "done", outcome: "nothing left to watch" };
    return next(watched, at, null);
  },
  async wake({ input, memo, view, at, choice }) {
    const { asked, patientUntil } = Memo.parse(memo);
    const watched = await watchedBy(view, input);
    const about = watched.find((one) => one.maintenanceId === asked);
    if (choice !== undefined && about !== undefined) return answered(about, choice, at);
    return next(watched, at, patientUntil === null ? null : new Date(patientUntil));
  },
};

function next(watched: readonly Watched[], at: Date, patientUntil: Date | null): RestingStep {
  const first = watched[0];
  if (first === undefined)
    return { kind: "done", outcome: "the maintenance is over, or a later notice watches it" };
  if (at < first.opensAt) return wait(first.opensAt);
  const due = new Date(Math.max(first.closesAt.getTime() + GRACE_MS, patientUntil?.getTime() ?? 0));
  return at < due ? wait(due) : ask(first, at);
}

function wait(until: Date, patientUntil: Date | null = null): RestingStep {
  return { kind: "wait", until, memo: noteOf(null, patientUntil) };
}

function ask(about: Watched, at: Date): RestingStep {
  return {
    kind: "ask",
    card: {
      title: `Is ${about.carrier} ${about.maintenanceId} over?`,
      about: `Its window closed at ${about.closesAt.toISOString()}; its status is ${about.status}.`,
      because: ["no completion notice came within an hour of the end of the window"],
      choices: [
        { id: "completed", label: "It is completed: close it" },
        { id: "still-running", label: "It is still under way: look again in an hour" },
        { id: "escalate", label: "Open a ticket to chase the carrier" },
      ],
    },
    defaultChoice: "escalate",
    dueAt: new Date(at.getTime() + ANSWER_MS),
    memo: noteOf(about.maintenanceId, null),
  };
}

function answered(about: Watched, choice: string, at: Date): FollowStep {
  const { carrier, maintenanceId } = about;
  if (choice === "still-running") {
    const until = new Date(at.getTime() + STILL_RUNNING_MS);
    return wait(until, until);
  }
  const over = {
    kind: "done",
    outcome: choice === "completed" ? "closed by a person" : "escalated",
  } as const;
  if (choice === "completed") {
    const input = { carrier, maintenanceId, status: "COMPLETED" };
    return { kind: "act", calls: [{ tool: "close_maintenance", input }], next: over };
  }
  const title = `Chase ${carrier}: no completion notice for ${maintenanceId}`;
  return {
    kind: "act",
    calls: [{ tool: "open_ticket", input: { carrier, maintenanceId, title } }],
    next: over,
  };
}

/** The live maintenances whose newest notice is this one: an older run leaves them to the newer. */
async function watchedBy(view: StagedView, notice: Notice): Promise<readonly Watched[]> {
  const { rows } = await view.query<Watched>(
    `select k.name as carrier, m.carrier_maintenance_id as "maintenanceId", m.status,
            min(w.starts_at) as "opensAt", max(w.ends_at) as "closesAt"
       from netops.maintenances m
       join netops.carriers k on k.id = m.carrier_id
       join netops.maintenance_windows w on w.maintenance_id = m.id
      where (select n.fingerprint from netops.notices n where n.maintenance_id = m.id
              order by n.id desc limit 1) = $1
        and w.status not in ('CANCELLED', 'COMPLETED')
      group by k.name, m.carrier_maintenance_id, m.status
      order by max(w.ends_at)`,
    [fingerprint(notice)],
  );
  return rows.filter((row) => !isOver(row.status));
}

function noteOf(asked: string | null, patientUntil: Date | null): Json {
  return { asked, patientUntil: patientUntil?.toISOString() ?? null };
}
