/** The made-up day: a queue of real mail about made-up work. */
export { type DayItem, makeDay, type Truth } from "./day.ts";
export { composeMail, type Envelope, type MailContent, type MailFile } from "./mail.ts";
export type { PolicyReason } from "./stories.ts";
