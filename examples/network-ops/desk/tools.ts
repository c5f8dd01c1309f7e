/** What the desk can do to the business: typed functions over a transaction. */
import { tool } from "factotum/agents";
import { z } from "zod";
import { recordStatement } from "../calendar/index.ts";
import { fingerprint } from "../intake/index.ts";
import { Notice, Statement, Status } from "../notice.ts";

/** The channel to our own people, and their address. */
export const NOC = "noc";
const NOC_ADDRESS = "noc@desk.example";

/** Stages what a notice states, and folds the maintenance's calendar anew from all its notices. */
export const recordNotice = tool({
  name: "record_notice",
  description:
    "Stages what the notice states about one maintenance: its carrier (a name from netops.carriers), the " +
    "carrier's maintenance id, its status, and every window with the circuits of ours that it touches. " +
    "Call it once for each maintenance id in the notice. Instants are ISO 8601 in UTC.",
  effect: "write",
  input: Statement.omit({ sentAt: true }),
  output: z.looseObject({ maintenance: z.string() }),
  run: (tx, statement, { input }) => {
    const notice = Notice.parse(input);
    const sent = notice.sentAt === undefined ? {} : { sentAt: notice.sentAt };
    return recordStatement(tx, { ...statement, ...sent }, { fingerprint: fingerprint(notice) });
  },
});

/** Closes a maintenance on a person's word, where the carrier never said that it was over. */
export const closeMaintenance = tool({
  name: "close_maintenance",
  description: "Stages the end of a maintenance on a person's word: every live window gets this status.",
  effect: "write",
  input: z.strictObject({ carrier: z.string(), maintenanceId: z.string(), status: Status }),
  output: z.looseObject({ maintenance: z.string() }),
  run: (tx, { carrier, maintenanceId, status }, { runId, at }) =>
    recordStatement(
      tx,
      { carrier, maintenanceId, status, sentAt: at.toISOString(), windows: [] },
      { fingerprint: `person:${runId}:${status}` },
    ),
});

/** Opens a ticket for our own people about a maintenance. */
export const openTicket = tool({
  name: "open_ticket",
  description: "Stages a ticket for our own people about a maintenance.",
  effect: "write",
  input: z.strictObject({ carrier: z.string(), maintenanceId: z.string(), title: z.string().min(1) }),
  output: z.strictObject({ ticket: z.string() }),
  run: async (tx, { carrier, maintenanceId, title }, { at, emit }) => {
    const { rows } = await tx.query<{ ticket: string }>(
      `insert into netops.tickets (maintenance_id, title, opened_at)
       select m.id, $3, $4 from netops.maintenances m join netops.carriers k on k.id = m.carrier_id
        where k.name = $1 and m.carrier_maintenance_id = $2
       returning id as ticket`,
      [carrier, maintenanceId, title, at],
    );
    const opened = z.object({ ticket: z.string() }).parse(rows[0]);
    const about = `ticket ${opened.ticket}, ${carrier} ${maintenanceId}`;
    await emit({
      channel: NOC,
      orderKey: `ticket ${opened.ticket}`,
      body: { to: NOC_ADDRESS, subject: title, text: `Opened by the desk: ${about}.` },
      ifUndone: { to: NOC_ADDRESS, subject: `Never mind: ${title}`, text: `Taken back: ${about}.` },
    });
    return opened;
  },
});
