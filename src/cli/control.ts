import { readFileSync } from "node:fs";
import { InputError, type Json, messageOf, type TenantId } from "../kernel/index.ts";
import { parseRunId, scheduleJson } from "../server/index.ts";
import { type Command, withFactotum } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { renderCancelled, renderSchedules } from "./render-control.ts";
import { who } from "./who.ts";

/** Ends a run and what it started. */
export function cancelCommand(
  run: string,
  { because, keep }: { readonly because?: string; readonly keep: boolean },
): Command {
  return (setting) => {
    const id = parseRunId(run);
    return withFactotum(setting, async (factotum) => {
      const how = { by: who(), keep, ...(because !== undefined && { because }) };
      const cancelled = await factotum.cancel(id, how);
      const { terminal } = setting;
      if (terminal.json) terminal.result({ cancelled });
      else terminal.out(renderCancelled(cancelled));
      return exitCodes.ok;
    });
  };
}

/** Holds a run up, or lets it go on, also after it failed. */
export function holdCommand(doing: "pause" | "resume" | "retry", run: string): Command {
  return (setting) => {
    const id = parseRunId(run);
    return withFactotum(setting, async (factotum) => {
      await factotum[doing](id, who());
      const { terminal } = setting;
      if (terminal.json) terminal.result({ runId: id, [doing]: true });
      else if (doing === "pause") terminal.out(`run ${id} is paused: factotum resume ${id}`);
      else terminal.out(`run ${id} goes on`);
      return exitCodes.ok;
    });
  };
}

/** Lists schedules with their next time. */
export function schedulesCommand(): Command {
  return (setting) =>
    withFactotum(setting, async (factotum) => {
      const lines = await factotum.schedules();
      const { terminal } = setting;
      if (terminal.json) terminal.result({ schedules: lines.map(scheduleJson) });
      else terminal.out(lines.length === 0 ? "no schedule" : renderSchedules(lines, terminal));
      return exitCodes.ok;
    });
}

/** Options of `start`. */
export type StartOptions = {
  readonly input: string;
  readonly key?: string;
  readonly tenant?: string;
  readonly priority?: number;
  readonly at?: string;
  readonly deadline?: string;
};

/** Starts one piece of work. */
export function startCommand(agent: string, options: StartOptions): Command {
  return (setting) => {
    const { key = `cli/${crypto.randomUUID()}` } = options;
    const order = {
      ...{ agent, key, input: inputOf(options.input) },
      ...(options.tenant !== undefined && { tenant: options.tenant as TenantId }),
      ...(options.priority !== undefined && { priority: options.priority }),
      ...(options.at !== undefined && { at: instant("--at", options.at) }),
      ...(options.deadline !== undefined && { deadline: instant("--deadline", options.deadline) }),
    };
    return withFactotum(setting, async (factotum) => {
      const { run, created } = await factotum.start(order);
      const { terminal } = setting;
      if (terminal.json) terminal.result({ id: run.id, key: run.key, created });
      else terminal.out(created ? `run ${run.id} is started` : `run ${run.id} was started before`);
      return exitCodes.ok;
    });
  };
}

function inputOf(text: string): Json {
  try {
    return JSON.parse(text === "-" ? readFileSync(0, "utf8") : text) as Json;
  } catch (error) {
    throw new InputError({
      code: "input-invalid",
      message: `--input must be JSON, or "-" to read it from stdin: ${messageOf(error)}`,
    });
  }
}

function instant(option: string, text: string): Date {
  const at = new Date(text);
  if (/^\d{4}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:?\d{2})$/.test(text) && !Number.isNaN(at.getTime())) return at;
  const message = `${option} must be an instant such as 2026-12-24T09:00:00Z, not ${JSON.stringify(text)}`;
  throw new InputError({ code: "time-invalid", message });
}
