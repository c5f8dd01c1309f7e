import type { TenantId } from "../kernel/index.ts";
import {
  blameJson,
  parseRunId,
  type RunLine,
  runJson,
  type Step,
  stepJson,
  storyJson,
} from "../server/index.ts";
import { type Command, withFactotum } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { renderBlame } from "./render-blame.ts";
import { renderRuns } from "./render-runs.ts";
import { renderWholeStep } from "./render-step.ts";
import { renderStory } from "./render-story.ts";
import { who } from "./who.ts";

/** Lists runs, newest first. */
export function runsCommand(filter: {
  readonly status?: RunLine["status"];
  readonly agent?: string;
  readonly tenant?: string;
  readonly limit: number;
}): Command {
  const { tenant, ...rest } = filter;
  const wanted = { ...rest, ...(tenant !== undefined && { tenant: tenant as TenantId }) };
  return (setting) =>
    withFactotum(setting, async (factotum) => {
      const lines = await factotum.listRuns(wanted);
      const { terminal } = setting;
      if (terminal.json) terminal.result({ runs: lines.map(runJson) });
      else terminal.out(lines.length === 0 ? "no run" : renderRuns(lines, terminal));
      if (lines.length === filter.limit) terminal.note(`the newest ${filter.limit}; more with --limit`);
      return exitCodes.ok;
    });
}

/** Tells the story of one run. */
export function showCommand(run: string): Command {
  return (setting) => {
    const id = parseRunId(run);
    return withFactotum(setting, async (factotum) => {
      const story = await factotum.showRun(id);
      const { terminal } = setting;
      if (terminal.json) terminal.result(storyJson(story));
      else terminal.out(renderStory(story, terminal.paint));
      return exitCodes.ok;
    });
  };
}

/** Tells a run's timeline with all that its steps hold, from the step after `after` on. */
export function stepsCommand(
  run: string,
  { after, kind, limit }: { readonly after: number; readonly kind?: string; readonly limit: number },
): Command {
  return (setting) => {
    const id = parseRunId(run);
    return withFactotum(setting, async (factotum) => {
      const found: Step[] = [];
      for (let from = BigInt(after); found.length <= limit;) {
        const page = await factotum.steps(id, { after: from });
        const last = page.at(-1);
        if (last === undefined) break;
        found.push(...page.filter((step) => kind === undefined || step.kind === kind));
        from = last.seq;
      }
      const { terminal } = setting;
      const shown = found.slice(0, limit);
      if (terminal.json) terminal.result({ steps: shown.map(stepJson) });
      else if (shown.length === 0) terminal.out("no step");
      else terminal.out(shown.map((step) => renderWholeStep(step, terminal.paint)).join("\n"));
      const last = shown.at(-1);
      if (found.length > shown.length && last !== undefined)
        terminal.note(`there are more: --after ${last.seq}`);
      return exitCodes.ok;
    });
  };
}

/** Tells every change of one row: who, why, by which model, at what cost, and what it was. */
export function blameCommand(table: string, key: readonly string[]): Command {
  return (setting) =>
    withFactotum(setting, async (factotum) => {
      const changes = await factotum.blame(table, key);
      const { terminal } = setting;
      if (terminal.json) terminal.result({ changes: changes.map(blameJson) });
      else if (changes.length > 0) terminal.out(renderBlame(changes, terminal.paint));
      else {
        terminal.out("no agent has changed this row");
        terminal.note("a table's history goes by the name that it had then: try an earlier one");
      }
      return exitCodes.ok;
    });
}

/** Undoes all that a run committed. */
export function undoCommand(run: string): Command {
  return (setting) => {
    const id = parseRunId(run);
    return withFactotum(setting, async (factotum) => {
      const undone = await factotum.undo(id, who());
      const { terminal } = setting;
      if (terminal.json) terminal.result({ runId: id, undone });
      else
        terminal.out(
          `run ${id} is undone: ${undone.length} change set${undone.length === 1 ? "" : "s"} taken back`,
        );
      return exitCodes.ok;
    });
  };
}
