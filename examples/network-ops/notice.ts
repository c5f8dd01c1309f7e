/** What a carrier sent and what it says: the two shapes that every part of the desk speaks. */
import { z } from "zod";

export const Impact = z.enum(["NO-IMPACT", "REDUCED-REDUNDANCY", "DEGRADED", "OUTAGE"]);
export type Impact = z.infer<typeof Impact>;

export const Status = z.enum([
  "TENTATIVE",
  "CONFIRMED",
  "RE-SCHEDULED",
  "CANCELLED",
  "IN-PROCESS",
  "COMPLETED",
]);
export type Status = z.infer<typeof Status>;

/** An attached file, already decoded: a CSV as it is, a spreadsheet as CSV, a calendar as it is. */
export const Attachment = z.object({ name: z.string(), contentType: z.string(), text: z.string() });
export type Attachment = z.infer<typeof Attachment>;

/** One message as the desk receives it. `text` is plain: HTML was flattened at the edge. */
export const Notice = z.object({
  subject: z.string().optional(),
  sentAt: z.iso.datetime({ offset: true }).optional(),
  text: z.string(),
  attachments: z.array(Attachment),
  /** What had to be guessed or left out while the message was read, for people to know. */
  notes: z.array(z.string()).optional(),
});
export type Notice = z.infer<typeof Notice>;

/** One window of work; instants are ISO 8601 in UTC. */
const WindowStatement = z.object({
  startsAt: z.iso.datetime({ offset: true }),
  endsAt: z.iso.datetime({ offset: true }),
  circuits: z.array(z.object({ circuitId: z.string(), impact: Impact })),
});

/** What one notice states about one maintenance. A bare cancellation may name no window. */
export const Statement = z.object({
  carrier: z.string(),
  maintenanceId: z.string(),
  status: Status,
  sentAt: z.iso.datetime({ offset: true }).optional(),
  sequence: z.number().int().optional(),
  windows: z.array(WindowStatement),
});
export type Statement = z.infer<typeof Statement>;
