import { createHash } from "node:crypto";
import type { Notice } from "../notice.ts";

/**
 * The identity of a notice: SHA-256 of its content, in hexadecimal.
 *
 * The same mail received twice has one fingerprint, whichever way it came: sender, recipients,
 * message id, tags such as `[EXTERNAL]` that a mail gateway puts before the subject, letter case of
 * the subject and blanks do not count. The second it was sent does: a carrier that says today what it
 * said before its last cancellation says something new.
 */
export function fingerprint(notice: Notice): string {
  const sentAt =
    notice.sentAt === undefined ? "" : new Date(notice.sentAt).toISOString().replace(/\.\d+Z$/, "Z");
  const attachments = notice.attachments
    .map(({ name, text }) => (text === "" ? name : collapse(text)))
    .sort();
  const content = [subjectOf(notice.subject ?? ""), sentAt, collapse(notice.text), ...attachments];
  return createHash("sha256").update(JSON.stringify(content)).digest("hex");
}

/** Tags that are taken off a subject; nobody forwards more often. */
const SUBJECT_TAGS_MAX = 20;
const SUBJECT_NOISE =
  /^\s*(?:(?:re|aw|fwd?|wg|tr)\s*:|[[(*]\s*(?:external|extern|ext|spam\??)\s*[\])*]+)\s*/i;

function subjectOf(subject: string): string {
  let rest = subject;
  for (let tag = 0; tag < SUBJECT_TAGS_MAX && SUBJECT_NOISE.test(rest); tag += 1)
    rest = rest.replace(SUBJECT_NOISE, "");
  return collapse(rest).toLowerCase();
}

function collapse(text: string): string {
  return text.normalize("NFC").replaceAll(/\s+/g, " ").trim();
}
