import { Argument, type Command } from "commander";
import { type Limit, limitKinds } from "../server/index.ts";
import { compareCommand, forkCommand, type ForkOptions } from "./fork.ts";
import { type Bounds, changeLimitCommand, limitsCommand } from "./limits.ts";
import type { Command as Work } from "./command.ts";
import { wholeNumber } from "./whole-number.ts";
import { workCommand, type WorkerOptions, workersCommand } from "./work.ts";
import { cancelCommand, holdCommand, schedulesCommand, startCommand, type StartOptions } from "./control.ts";

const AT_ONCE_MAX = 1_000;
const DRAIN_SECONDS_MAX = 86_400;
const PRIORITY_MAX = 2_147_483_647;
const STEP_MAX = 1_000_000_000;
const BOUND_MAX = 1_000_000;

/** Commands on workers, on runs under way, and on what begins them. */
export function addRuns(program: Command, choose: (work: Work) => void): void {
  program
    .command("work")
    .description("work on runs, in as many processes and on as many machines as you like")
    .option("--agents <names>", "only runs of these, joined by commas (default: all)")
    .option(
      "--concurrency <count>",
      "runs at once (default: the configuration's)",
      wholeNumber(1, AT_ONCE_MAX),
    )
    .option(
      "--drain <seconds>",
      "how long what is in hand may take once it is to stop (default: 30)",
      wholeNumber(0, DRAIN_SECONDS_MAX),
    )
    .action((options: WorkerOptions) => choose(workCommand(options)));
  program
    .command("workers")
    .description("list the workers of all machines, and what they have in hand")
    .action(() => choose(workersCommand()));
  addStart(program, choose);
  program
    .command("cancel")
    .description("end a run and all that it started, and take back what they committed")
    .argument("<run>", "its number")
    .option("--because <text>", "kept in its timeline")
    .option("--keep", "leave what was committed as it is", false)
    .action((run: string, options: { because?: string; keep: boolean }) =>
      choose(cancelCommand(run, options)),
    );
  for (const [doing, what] of [
    ["pause", "hold a run up; the call it is in is stopped"],
    ["resume", "let a paused run go on"],
    ["retry", "let a failed run go on from where it stood, once what made it fail is mended"],
  ] as const) {
    program
      .command(doing)
      .description(what)
      .argument("<run>", "its number")
      .action((run: string) => choose(holdCommand(doing, run)));
  }
  addLimits(program, choose);
  program
    .command("fork")
    .description("go through a run that is over once more, from one of its steps on: a rehearsal")
    .argument("<run>", "its number")
    .requiredOption("--at <step>", "the step after which it goes another way", wholeNumber(0, STEP_MAX))
    .option("--model <id>", "the model that goes on")
    .option("--instruction <text>", "what it is told")
    .option("--answer <choice>", "another answer to the question asked there")
    .option("--commit", "commit what passes", false)
    .action((run: string, options: ForkOptions) => choose(forkCommand(run, options)));
  program
    .command("compare")
    .description("lay two runs side by side: steps, changes, verdicts, cost")
    .argument("<run>", "one")
    .argument("<other>", "the other")
    .action((run: string, other: string) => choose(compareCommand(run, other)));
  program
    .command("schedules")
    .description("list what begins by itself, and when it does next")
    .action(() => choose(schedulesCommand()));
}

function addStart(program: Command, choose: (work: Work) => void): void {
  program
    .command("start")
    .description("start one piece of work")
    .argument("<agent>", "which agent's")
    .requiredOption("--input <json>", 'its input; "-" reads stdin')
    .option("--key <text>", "what makes it the same work if it is started again")
    .option("--tenant <tenant>", "whose work it is (default: default)")
    .option("--priority <number>", "higher goes first (default: 0)", wholeNumber(-PRIORITY_MAX, PRIORITY_MAX))
    .option("--at <instant>", "when it begins, by the business clock")
    .option("--deadline <instant>", "when it must be over, else it is ended and taken back")
    .action((agent: string, options: StartOptions) => choose(startCommand(agent, options)));
}

function addLimits(program: Command, choose: (work: Work) => void): void {
  const limits = program
    .command("limits")
    .description("list what all workers together take up, by tenant, agent and provider")
    .action(() => choose(limitsCommand()));
  const which = (command: Command): Command =>
    command
      .addArgument(new Argument("<kind>", "by what").choices(limitKinds))
      .argument("<name>", "whose; * is each one that has no limit of its own");
  which(limits.command("set").description("put a limit, at work in every process at once"))
    .option("--at-once <count>", "runs in workers' hands at once", wholeNumber(0, BOUND_MAX))
    .option("--per-minute <count>", "times that a run is taken up in a minute", wholeNumber(1, BOUND_MAX))
    .action((kind: Limit["kind"], name: string, bounds: Bounds) =>
      choose(changeLimitCommand({ kind, name }, bounds)),
    );
  which(limits.command("lift").description("lift a limit")).action((kind: Limit["kind"], name: string) =>
    choose(changeLimitCommand({ kind, name }, undefined)),
  );
}
