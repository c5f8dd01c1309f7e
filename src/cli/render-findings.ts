import type { Finding } from "../server/index.ts";
import { cleanLine } from "./clean-text.ts";
import type { Paint } from "./terminal.ts";

/** Whole statements for an administrator: what is cut off cannot be run. */
const REMEDY_CHARS_MAX = 20_000;

/** What `doctor` found, one line each, with the remedy under what is not well: all of it, to be copied. */
export function renderFindings(findings: readonly Finding[], paint: Paint): string {
  const width = Math.max(0, ...findings.map((finding) => finding.what.length));
  const marks = {
    ok: paint.green("ok     "),
    warning: paint.yellow("warning"),
    broken: paint.red("broken "),
  };
  return findings
    .flatMap(({ what, state, detail, remedy }) => [
      `${marks[state]}  ${cleanLine(what).padEnd(width)}  ${cleanLine(detail)}`,
      ...(remedy === undefined || state === "ok" ? [] : remedyLines(remedy, " ".repeat(width + 11))),
    ])
    .join("\n");
}

function remedyLines(remedy: string, indent: string): readonly string[] {
  return remedy
    .split("\n")
    .map((line, at) => `${indent}${at === 0 ? "->" : "  "} ${cleanLine(line, REMEDY_CHARS_MAX)}`);
}
