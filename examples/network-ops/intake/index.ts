/** Mail comes in here and leaves as notices. */
export { ATTACHMENT_CHARS_MAX, SHEET_BYTES_MAX, SHEET_ROWS_MAX } from "./attachments.ts";
export { fingerprint } from "./fingerprint.ts";
export { flattenHtml } from "./flatten.ts";
export {
  HTML_CHARS_MAX,
  HTML_DEPTH_MAX,
  MESSAGE_BYTES_MAX,
  NESTING_MAX,
  readMail,
  type ReceivedNotice,
  TEXT_CHARS_MAX,
} from "./mail.ts";
export { type MailboxItem, readMailbox } from "./mailbox.ts";
