import { type Command, InvalidArgumentError } from "commander";
import type { MicroUsd } from "../kernel/index.ts";
import { parseUsd } from "../server/index.ts";
import type { Command as Work } from "./command.ts";
import { changeInstructionCommand, instructionsCommand, nudgeCommand, type NudgeOptions } from "./steer.ts";

/** The commands by which people steer work under way. */
export function addSteering(program: Command, choose: (work: Work) => void): void {
  program
    .command("nudge")
    .description("say something to a run under way; it is seen before its next step")
    .argument("<run>", "its number")
    .argument("[text]", "a sentence")
    .option("--always", "keep it: its agent is told so in every later run, too", false)
    .option("--skip", "leave this piece of work: nothing more of it is committed", false)
    .option("--budget <usd>", "what the run's model calls may cost together", dollars)
    .option("--interrupt", "stop the model call under way instead of letting it end first", false)
    .option("--as <person>", "who says it (default: your login name)")
    .action((run: string, text: string | undefined, options: NudgeOptions) =>
      choose(nudgeCommand(run, text ?? "", options)),
    );
  const instructions = program
    .command("instructions")
    .description("list what agents are always told; nudge a run with --always to add to it")
    .option("--agent <name>", "only those of this agent")
    .action((options: { agent?: string }) => choose(instructionsCommand(options.agent)));
  instructions
    .command("edit")
    .description("put another wording in an instruction's place")
    .argument("<instruction>", "its number")
    .argument("<text>", "the new wording")
    .action((id: string, text: string) => choose(changeInstructionCommand(id, text)));
  instructions
    .command("withdraw")
    .description("take an instruction back")
    .argument("<instruction>", "its number")
    .action((id: string) => choose(changeInstructionCommand(id, undefined)));
}

function dollars(text: string): MicroUsd {
  try {
    return parseUsd(text);
  } catch {
    throw new InvalidArgumentError("give dollars, such as 0.50");
  }
}
