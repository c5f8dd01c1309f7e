import {
  type CommittedEffect,
  effectJson,
  type EffectState,
  type Factotum,
  parseEffectId,
} from "../server/index.ts";
import { type Command, type Setting, withFactotum } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { EFFECT_COLUMNS, renderEffect, renderEffectLine } from "./render-effects.ts";
import { renderTable } from "./render-table.ts";
import { who } from "./who.ts";

/** Which effects to list. */
export type OutboxOptions = {
  readonly state?: EffectState;
  readonly channel?: string;
  readonly limit: number;
};

/** Lists committed effects, newest first. */
export function outboxCommand(filter: OutboxOptions): Command {
  return (setting) =>
    withFactotum(setting, async (factotum) => {
      const effects = await factotum.outbox.list(filter);
      const { terminal } = setting;
      if (terminal.json) terminal.result({ effects: effects.map(effectJson) });
      else if (effects.length === 0) terminal.out("no effect");
      else terminal.out(renderTable(EFFECT_COLUMNS, effects.map(renderEffectLine), terminal));
      return exitCodes.ok;
    });
}

/** Tells all there is to know of one effect, sends it again, or gives it up. */
export function effectCommand(doing: "show" | "resend" | "drop", effect: string): Command {
  return (setting) => {
    const id = parseEffectId(effect);
    return withFactotum(setting, async (factotum) => {
      tell(await done(factotum), setting);
      if (doing === "resend" && !setting.terminal.json) {
        setting.terminal.note("it goes out where factotum run or factotum serve is running");
      }
      return exitCodes.ok;
    });

    function done({ outbox }: Factotum): Promise<CommittedEffect> {
      return doing === "show" ? outbox.get(id) : outbox[doing](id, who());
    }
  };
}

function tell(effect: CommittedEffect, { terminal }: Setting): void {
  if (terminal.json) terminal.result(effectJson(effect));
  else terminal.out(renderEffect(effect, terminal.paint));
}
