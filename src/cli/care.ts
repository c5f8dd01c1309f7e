import { FactotumError, messageOf } from "../kernel/index.ts";
import type { Finding } from "../server/index.ts";
import { type Command, type Setting, withFactotum } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { renderFindings } from "./render-findings.ts";

/** Looks at everything a project needs; ends with 1 if something is broken. */
export function doctorCommand(): Command {
  return async (setting) => {
    const findings = [nodeFinding(), ...(await projectFindings(setting))];
    const broken = findings.filter((finding) => finding.state === "broken").length;
    const { terminal } = setting;
    if (terminal.json) terminal.result({ healthy: broken === 0, findings });
    else terminal.out(renderFindings(findings, terminal.paint));
    return broken === 0 ? exitCodes.ok : exitCodes.failed;
  };
}

/** Puts the capture triggers on the tables that agents may write, or takes them off. */
export function triggersCommand(what: "attach" | "detach", rotate = false): Command {
  return (setting) =>
    withFactotum(setting, async (factotum) => {
      const tables = what === "attach" ? await factotum.attach(rotate) : await factotum.detach();
      const { terminal } = setting;
      const word = what === "attach" ? "are on" : "are off";
      if (terminal.json) terminal.result({ tables });
      else terminal.out(tables.length === 0 ? "no table" : `capture triggers ${word}: ${tables.join(", ")}`);
      return exitCodes.ok;
    });
}

function nodeFinding(): Finding {
  return { what: "node", state: "ok", detail: process.version };
}

/** What cannot even be opened is a finding like any other, not the end of the examination. */
async function projectFindings(setting: Setting): Promise<readonly Finding[]> {
  try {
    return await withFactotum(setting, async (factotum) => [
      { what: "project", state: "ok", detail: `${factotum.config.name}, ${factotum.databaseLabel}` },
      ...(await factotum.diagnose()),
    ]);
  } catch (error) {
    const code = error instanceof FactotumError ? error.code : "internal";
    return [{ what: "project", state: "broken", detail: `${messageOf(error)} [${code}]` }];
  }
}
