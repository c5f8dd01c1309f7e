import type { Finding } from "../server/index.ts";
import { cleanLine } from "./clean-text.ts";
import type { Paint } from "./terminal.ts";

/** What `doctor` found, one line each, with the remedy under what is not well. */
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
      ...(remedy === undefined || state === "ok" ? [] : [`${" ".repeat(width + 11)}-> ${cleanLine(remedy)}`]),
    ])
    .join("\n");
}
