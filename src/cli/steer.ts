import { InputError, type MicroUsd } from "../kernel/index.ts";
import { instructionJson, nudgeJson, parseRunId } from "../server/index.ts";
import { cleanLine } from "./clean-text.ts";
import { type Command, withFactotum } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { renderTable } from "./render-table.ts";
import { who } from "./who.ts";

/** What `factotum nudge` was given. */
export type NudgeOptions = {
  readonly always: boolean;
  readonly skip: boolean;
  readonly interrupt: boolean;
  readonly budget?: MicroUsd;
  readonly as?: string;
};

/** Says something to a run under way. */
export function nudgeCommand(run: string, text: string, { as, ...said }: NudgeOptions): Command {
  return (setting) => {
    const id = parseRunId(run);
    return withFactotum(setting, async (factotum) => {
      const nudged = await factotum.nudge(id, { ...said, text, by: as ?? who() });
      const { terminal } = setting;
      if (terminal.json) terminal.result(nudgeJson(nudged));
      else terminal.out(`run ${id} is nudged; it sees that before its next step`);
      if (said.always) terminal.note("it stands for later runs, too: factotum instructions");
      return exitCodes.ok;
    });
  };
}

/** Lists what agents are always told. */
export function instructionsCommand(agent: string | undefined): Command {
  return (setting) =>
    withFactotum(setting, async (factotum) => {
      const standing = await factotum.instructions(agent === undefined ? {} : { agent });
      const { terminal } = setting;
      const rows = standing.map((one) => [one.id, one.agent, one.tenant, one.by, cleanLine(one.text)]);
      if (terminal.json) terminal.result({ instructions: standing.map(instructionJson) });
      else terminal.out(rows.length === 0 ? "no instruction stands" : renderTable(LISTING, rows, terminal));
      return exitCodes.ok;
    });
}

const LISTING = ["instruction", "agent", "tenant", "by", "text"].map((title) => ({ title }));

/** Puts another wording in an instruction's place, or takes it back. */
export function changeInstructionCommand(instruction: string, text: string | undefined): Command {
  return (setting) => {
    if (!/^[1-9]\d{0,17}$/.test(instruction)) {
      const message = `${JSON.stringify(instruction.slice(0, 50))} is no instruction's number`;
      throw new InputError({ code: "id-invalid", message });
    }
    return withFactotum(setting, async (factotum) => {
      const changed =
        text === undefined
          ? await factotum.withdrawInstruction(instruction, who())
          : await factotum.editInstruction(instruction, { text, by: who() });
      const { terminal } = setting;
      if (terminal.json) terminal.result(instructionJson(changed));
      else if (text === undefined) terminal.out(`instruction ${instruction} is withdrawn`);
      else terminal.out(`instruction ${instruction} is now ${changed.id}`);
      return exitCodes.ok;
    });
  };
}
