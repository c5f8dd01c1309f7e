/** The network-operations desk: carriers' notices in, a true calendar out. */
import { createHash } from "node:crypto";
import { type Agent, defineAgent } from "factotum/agents";
import { canonicalJson, microUsd } from "factotum/kernel";
import { learn } from "../reading/index.ts";
import { Notice } from "../notice.ts";
import { completeness, grounding, policyAsks, soundCalendar, statementsOf } from "./checks.ts";
import { followWindow } from "./follow.ts";
import { knowledgeOf } from "./knowledge.ts";
import { readerRung } from "./reader-rung.ts";
import { closeMaintenance, NOC, openTicket, recordNotice } from "./tools.ts";

/** Reading a notice and entering it takes a person six minutes; an hour of theirs costs 50 dollars. */
const VALUE_OF_A_NOTICE = microUsd(5_000_000);

const POLICY = `
You are the maintenance desk of a network that leases circuits from carriers. For each notice from a
carrier, record what it states, so that the calendar of maintenance windows is true.

- Use record_notice once for each maintenance id in the notice. The carrier, the circuits and their ids
  must be in netops.carriers and netops.circuits; look them up with find_carriers and find_circuits.
- Only circuits of ours belong in a window. Ids in the notice that are not in our inventory are left out.
- Times are instants: convert the zone that the notice states to UTC. If it states none, say that you are
  unsure; never take the carrier's home zone for granted.
- Status: CONFIRMED for announced or reminded work, TENTATIVE for work not yet decided, RE-SCHEDULED for
  work that moved, CANCELLED, IN-PROCESS once it began, COMPLETED once it is over.
- Impact: OUTAGE when the circuit is down or interrupted for some of the window, DEGRADED when it works
  badly, REDUCED-REDUNDANCY when only its protection is gone, NO-IMPACT when the notice says so.
- A cancelled notice creates no live window. A notice never opens, closes or changes a ticket.
- A person decides when two redundant circuits would be down at once, when a window falls into a change
  freeze, and when the notice is shorter than the contract promises.
`;

/** The desk as an agent. */
export const desk: Agent<Notice> = defineAgent<Notice>({
  name: "network-desk",
  version: 1,
  policy: POLICY,
  input: Notice,
  tables: {
    "netops.carriers": "read",
    "netops.circuits": "read",
    "netops.notices": "write",
    "netops.maintenances": "write",
    "netops.maintenance_windows": "write",
    "netops.window_circuits": "write",
    "netops.tickets": "write",
  },
  tools: [recordNotice, closeMaintenance, openTicket],
  effects: [NOC],
  generate: {
    "netops.carriers": "read",
    "netops.circuits": "read",
    "netops.maintenances": "read",
    "netops.maintenance_windows": "read",
  },
  checks: [grounding, completeness, ...soundCalendar, policyAsks],
  cascade: [
    readerRung,
    { kind: "model", name: "cheap model", model: "cheap" },
    { kind: "model", name: "strong model", model: "strong" },
  ],
  value: () => VALUE_OF_A_NOTICE,
  present: ({ subject, sentAt, text, attachments, notes = [] }) => ({
    title: subject ?? text.trim().split("\n", 1)[0]?.slice(0, 100) ?? "a notice",
    text: [
      ...(sentAt === undefined ? [] : [`Sent: ${sentAt}`]),
      ...notes.map((note) => `Note: ${note}`),
      text,
      ...attachments.map((file) => `--- ${file.name} (${file.contentType})\n${file.text}`),
    ].join("\n"),
  }),
  async learn({ input, calls, view }) {
    const statements = statementsOf({ input, calls });
    const lessons = learn(input, statements, await knowledgeOf(view, []));
    // Notices of one form teach different things: what was cancelled must not overwrite what was announced.
    return lessons.map(({ carrier, shape, content }) => ({
      ...{ topic: carrier, content },
      shape: `${shape}/${createHash("sha256").update(canonicalJson(content)).digest("hex").slice(0, 8)}`,
    }));
  },
  follow: followWindow,
});
