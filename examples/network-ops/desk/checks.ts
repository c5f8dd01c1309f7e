/** What must hold of a change before the desk commits it. */
import { type Check, type CheckContext, type Finding, invariant, type StagedView } from "factotum/policy";
import { freezesHit, isOver, redundantConflicts, shortNotice } from "../calendar/index.ts";
import { type Notice, Statement, Status } from "../notice.ts";
import { askedFor, grounded } from "../reading/index.ts";
import { knowledgeOf } from "./knowledge.ts";

/** Circuits named in one sentence. */
const NAMED_MAX = 5;

/** The statements that a change set was made of. */
export function statementsOf({
  calls,
  input,
}: Pick<CheckContext<Notice>, "calls" | "input">): readonly Statement[] {
  const sent = input.sentAt === undefined ? {} : { sentAt: input.sentAt };
  return calls
    .filter((call) => call.tool === "record_notice")
    .map((call) => Statement.parse({ ...(call.input as object), ...sent }));
}

/** Every id, time, status and impact that was written can be pointed to in the notice. */
export const grounding: Check<Notice> = {
  name: "every value stands in the notice",
  overrule: "person",
  run: async (context) =>
    statementsOf(context).flatMap((statement) =>
      grounded(context.input, statement).map(({ field, because }): Finding => ({
        kind: "fail",
        because: `${field}: ${because}`,
      })),
    ),
};

/** Everything that the notice surely asks for is in the change set: what is missing is wrong too. */
export const completeness: Check<Notice> = {
  name: "everything the notice asks for is staged",
  overrule: "person",
  async run(context) {
    const asked = askedFor(context.input, await knowledgeOf(context.view, []));
    const statements = statementsOf(context);
    if (statements.length === 0) return [{ kind: "fail", because: "no statement was recorded" }];
    const ids = new Set(statements.map((one) => one.maintenanceId));
    const circuits = new Set(
      statements.flatMap((one) =>
        one.windows.flatMap((window) => window.circuits.map((circuit) => circuit.circuitId)),
      ),
    );
    const windows = new Set(statements.flatMap((one) => one.windows.map(spanOf)));
    const bare = statements.every((one) => one.windows.length === 0);
    const left = asked.circuits.filter((id) => !bare && !circuits.has(id));
    return [
      ...asked.maintenanceIds.filter((id) => !ids.has(id)).map((id) => `maintenance ${id} is not recorded`),
      ...asked.windows
        .filter((window) => !bare && !windows.has(spanOf(window)))
        .map((window) => `the window from ${iso(window.startsAt)} to ${iso(window.endsAt)} is not recorded`),
      ...(left.length > 0 ? [`${some(left)} of ours in the notice and in no window`] : []),
    ].map((because): Finding => ({ kind: "fail", because }));
  },
};

/** Rules about the calendar itself; the schema's constraints hold beside them. */
export const soundCalendar: readonly Check<Notice>[] = [
  invariant("a notice touches the maintenances it names, and no other", async (context) => {
    const named = new Set(statementsOf(context).map((one) => one.maintenanceId));
    const closed = context.calls.filter((call) => call.tool === "close_maintenance");
    if (closed.length > 0) return [];
    return context.diff
      .filter((row) => row.table === "netops.maintenances")
      .map((row) => row.after?.["carrier_maintenance_id"] ?? row.before?.["carrier_maintenance_id"] ?? "?")
      .filter((id) => !named.has(id))
      .map((id) => `maintenance ${id} changed, which the notice does not name`);
  }),
  invariant("a cancelled notice makes no window live", async (context) => {
    const cancelled = new Map<string, string>();
    for (const statement of statementsOf(context).filter((one) => one.status === "CANCELLED")) {
      cancelled.set(await keyOf(context.view, statement), statement.maintenanceId);
    }
    return context.diff
      .filter((row) => row.table === "netops.maintenance_windows" && isLive(row.after) && !isLive(row.before))
      .flatMap((row) => cancelled.get(row.key["maintenance_id"] ?? "") ?? [])
      .map((id) => `maintenance ${id} is cancelled and would get a live window`);
  }),
  invariant("a notice opens, closes and rewrites no ticket", ({ diff }) =>
    diff.filter((row) => row.table === "netops.tickets").map((row) => `a ticket was changed (${row.kind})`),
  ),
];

/** What is right as a change and still needs a person's word. */
export const policyAsks: Check<Notice> = {
  name: "policy",
  async run(context) {
    const findings: string[] = [];
    for (const statement of statementsOf(context)) {
      for (const hit of await redundantConflicts(context.view, statement)) {
        const ids = hit.circuits.map((circuit) => `${circuit.carrier} ${circuit.circuitId}`).join(", ");
        findings.push(
          `${hit.protects} would be down: every circuit of ${hit.group} is out at once from ` +
            `${iso(hit.startsAt)} to ${iso(hit.endsAt)} (${ids})`,
        );
      }
      for (const hit of await freezesHit(context.view, statement)) {
        const where = hit.site === null ? "everywhere" : `at ${hit.site}`;
        findings.push(`change freeze ${where} until ${iso(hit.freezeEndsAt)}: ${hit.reason}`);
      }
      for (const short of await shortNotice(context.view, statement, context.at)) {
        findings.push(`${short.hoursGiven} h of notice where the contract promises ${short.hoursPromised} h`);
      }
    }
    return [...new Set(findings)].map((because): Finding => ({ kind: "ask", because }));
  },
};

/** Checks for what the desk does by itself later: it closes maintenances and opens tickets, no more. */
export const followUpChecks: readonly Check<Notice>[] = [
  invariant("a follow-up only closes a maintenance or opens a ticket", ({ diff }) =>
    diff
      .filter((row) => row.table === "netops.tickets" && row.kind !== "insert")
      .map(() => "an existing ticket was changed"),
  ),
];

/** Our key of a maintenance that a statement speaks of. */
async function keyOf(view: StagedView, { carrier, maintenanceId }: Statement): Promise<string> {
  const { rows } = await view.query<{ id: string }>(
    `select m.id from netops.maintenances m join netops.carriers k on k.id = m.carrier_id
      where k.name = $1 and m.carrier_maintenance_id = $2`,
    [carrier, maintenanceId],
  );
  return rows[0]?.id ?? "";
}

/** Whether a window's image is one of work that is still to be reckoned with. */
function isLive(window: { readonly [column: string]: string | null } | null): boolean {
  return window !== null && !isOver(Status.parse(window["status"]));
}

const some = (ids: readonly string[]): string =>
  [...ids.slice(0, NAMED_MAX), ...(ids.length > NAMED_MAX ? [`${ids.length - NAMED_MAX} more`] : [])].join(
    ", ",
  );

const spanOf = ({ startsAt, endsAt }: { readonly startsAt: string; readonly endsAt: string }): string =>
  `${Date.parse(startsAt)}/${Date.parse(endsAt)}`;

const iso = (at: Date | string): string => `${new Date(at).toISOString().slice(0, 16)}Z`;
