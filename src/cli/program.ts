import { Command, InvalidArgumentError, Option } from "commander";
import { effectStates, type Intake, version } from "../server/index.ts";
import { doctorCommand, triggersCommand } from "./care.ts";
import type { Command as Work } from "./command.ts";
import { answerCommand, type AnswerOptions, inboxCommand } from "./inbox.ts";
import {
  createKeyCommand,
  gatewayCommand,
  type GatewayOptions,
  type KeyOptions,
  listKeysCommand,
  revokeKeyCommand,
  rotateKeyCommand,
} from "./gateway.ts";
import { initCommand, type InitOptions } from "./init.ts";
import type { ListenOptions } from "./listen-options.ts";
import { blameCommand, runsCommand, showCommand, stepsCommand, undoCommand } from "./look.ts";
import { addLedger } from "./program-ledger.ts";
import { addPrices } from "./program-prices.ts";
import { addRuns } from "./program-runs.ts";
import { mcpCommand, type McpOptions } from "./mcp.ts";
import { effectCommand, outboxCommand, type OutboxOptions } from "./outbox.ts";
import { hearCommand, sayCommand } from "./say.ts";
import { runCommand, serveCommand } from "./run.ts";
import { addSteering } from "./program-steer.ts";
import { addTerms } from "./terms-program.ts";
import { toolsCommand } from "./tools.ts";
import { wholeNumber } from "./whole-number.ts";

/** The options that every command knows. */
export type GlobalOptions = {
  readonly config?: string;
  readonly json?: boolean;
  readonly color?: boolean;
  readonly verbose?: boolean;
};

const PORT_MAX = 65_535;
const DAYS_MAX = 3_650;
/** A week, in seconds. */
const CACHE_MAX = 604_800;
const PER_MINUTE_MAX = 1_000_000_000_000;
const GRACE_MAX = 2_592_000;
const LIST_DEFAULT = 50;
const LIST_MAX = 1_000;
const STEP_MAX = 1_000_000_000;
const STATUSES = ["ready", "waiting", "paused", "done", "failed", "cancelled"] as const;

const EPILOGUE = `
Examples:
  $ factotum run                        work the intake off, then go on serving
  $ factotum run --once                 the same, but end after the table
  $ factotum inbox                      answer what a person must decide
  $ factotum answer 12 commit           answer one question from a script
  $ factotum show 34                    all there is to know of run 34
  $ factotum runs --status failed --json
  $ factotum ledger margins --by rung   what each rung cost for what it resolved
  $ factotum budget set company 5.00 --period day

The database is embedded in .factotum beside the configuration, unless
DATABASE_URL names another. Results go to stdout, everything else to stderr.

Exit codes:
  0    done; questions waiting for a person are no failure
  1    something failed
  2    bad usage or bad input; nothing was changed
  130  stopped by a signal before the work was done`;

/**
 * The command line. Parsing it picks the work to do and hands it to `choose`; nothing is done yet.
 *
 * @param intake the project's own, whose option `run` then knows
 */
export function makeProgram(choose: (work: Work) => void, intake?: Intake): Command {
  const program = new Command("factotum")
    .description(
      "Agents over a Postgres database: every write staged, verified and priced before it is committed.",
    )
    .version(version, "-V, --version", "show the version")
    .option("--config <path>", "the project's configuration (default: factotum.config.ts here)")
    .option("--json", "print one JSON object on stdout, and nothing else there")
    .option("--color", "colours even in a pipe")
    .option("--no-color", "no colours; NO_COLOR does the same")
    .option("--verbose", "show where an unexpected error happened")
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError("(factotum --help shows what there is)")
    .addHelpText("after", EPILOGUE)
    .exitOverride();
  addWorking(program, choose, intake);
  addPeople(program, choose);
  addTalking(program, choose);
  addSteering(program, choose);
  addLooking(program, choose);
  addRuns(program, choose);
  addLedger(program, choose, wholeNumber(1, LIST_MAX));
  addPrices(program, choose);
  addTerms(program, choose);
  addGateway(program, choose);
  addCare(program, choose);
  return program;
}

function addWorking(program: Command, choose: (work: Work) => void, intake: Intake | undefined): void {
  const run = program
    .command("run")
    .description("work the intake off, show what came of it, and go on serving")
    .option("--once", "end after the table instead of serving", false);
  if (intake !== undefined) run.option(`--${intake.option} <path>`, intake.describe);
  listening(run).action((options: ListenOptions & { once: boolean; [name: string]: unknown }) => {
    const source = intake === undefined ? undefined : options[camelCase(intake.option)];
    choose(runCommand({ ...options, source: typeof source === "string" ? source : undefined }));
  });
  listening(
    program.command("serve").description("serve worker and HTTP API, without reading the intake"),
  ).action((options: ListenOptions) => choose(serveCommand(options)));
  program
    .command("mcp")
    .description("serve an agent's tools to an MCP client on stdin and stdout, in staged change sets")
    .option("--agent <name>", "which agent (default: the only one there is)")
    .option("--work", "work on runs meanwhile, such as those that a person has answered", false)
    .action((options: McpOptions) => choose(mcpCommand(options)));
}

function addPeople(program: Command, choose: (work: Work) => void): void {
  program
    .command("inbox")
    .description("answer the open questions one after the other; in a pipe, list them")
    .option("--as <person>", "only what this person may answer, and is to see by now")
    .action((options: { as?: string }) => choose(inboxCommand(options.as)));
  program
    .command("answer")
    .description("answer one question")
    .argument("<question>", "its number, as the inbox shows it")
    .argument("<choice>", "one of the card's choices, such as commit or discard")
    .option("--calls <file>", 'the tool calls to make instead, as JSON; "-" reads stdin')
    .option("--note <text>", "kept with the answer")
    .option("--as <person>", "who answers (default: your login name)")
    .action((question: string, choice: string, options: AnswerOptions) =>
      choose(answerCommand(question, choice, options)),
    );
}

function addTalking(program: Command, choose: (work: Work) => void): void {
  program
    .command("say")
    .description("say something to a run whose agent converses, as the person on its other side")
    .argument("<run>", "its number")
    .argument("[text]", "what to say")
    .option("--end", "end the conversation with it", false)
    .action((run: string, text: string | undefined, options: { end: boolean }) =>
      choose(sayCommand(run, text ?? "", options.end)),
    );
  program
    .command("messages")
    .description("show what was said in a run")
    .argument("<run>", "its number")
    .action((run: string) => choose(hearCommand(run)));
}

function addLooking(program: Command, choose: (work: Work) => void): void {
  program
    .command("runs")
    .description("list runs, newest first")
    .addOption(new Option("--status <status>", "only these").choices(STATUSES))
    .option("--agent <name>", "only those of this agent")
    .option("--tenant <tenant>", "only those of this tenant")
    .option("--limit <count>", "how many", wholeNumber(1, LIST_MAX), LIST_DEFAULT)
    .action((options: Parameters<typeof runsCommand>[0]) => choose(runsCommand(options)));
  program
    .command("show")
    .description("tell the story of a run: timeline, attempts, verdicts, changes, cost, questions")
    .argument("<run>", "its number")
    .action((run: string) => choose(showCommand(run)));
  program
    .command("steps")
    .description("tell all that the steps of a run's timeline hold, such as its hand-off notes")
    .argument("<run>", "its number")
    .option("--kind <kind>", "only steps of this kind, such as compacted")
    .option("--after <step>", "from the step after this one on", wholeNumber(0, STEP_MAX), 0)
    .option("--limit <count>", "how many", wholeNumber(1, LIST_MAX), LIST_DEFAULT)
    .action((run: string, options: { kind?: string; after: number; limit: number }) =>
      choose(stepsCommand(run, options)),
    );
  program
    .command("blame")
    .description("tell who changed a row, why, by which model, at what cost, and what it was")
    .argument("<table>", "its table, as schema.table")
    .argument("<key...>", "its primary key; of a key with several columns, each value in order")
    .action((table: string, key: readonly string[]) => choose(blameCommand(table, key)));
  const outbox = program
    .command("outbox")
    .description("list effects outside the database, newest first: sent, waiting, dead")
    .addOption(new Option("--state <state>", "only these").choices(effectStates))
    .option("--channel <name>", "only those to this channel")
    .option("--limit <count>", "how many", wholeNumber(1, LIST_MAX), LIST_DEFAULT)
    .action((options: OutboxOptions) => choose(outboxCommand(options)));
  const effects = { show: "tell all there is to know of one", resend: "send a dead one again" };
  for (const [doing, what] of Object.entries({ ...effects, drop: "give a dead one up" })) {
    outbox
      .command(doing)
      .description(what)
      .argument("<effect>", "its number")
      .action((effect: string) => choose(effectCommand(doing as keyof typeof effects, effect)));
  }
  program
    .command("tools")
    .description("list the tools that a correction can be made of, with their inputs")
    .argument("[agent]", "only those of this agent")
    .action((agent: string | undefined) => choose(toolsCommand(agent)));
  program
    .command("undo")
    .description("take back everything a run committed")
    .argument("<run>", "its number")
    .action((run: string) => choose(undoCommand(run)));
}

function addGateway(program: Command, choose: (work: Work) => void): void {
  program
    .command("gateway")
    .description("serve the stateless model API: OpenAI's and Anthropic's protocols, virtual keys, budgets")
    .option("--host <address>", "where it listens (default: 127.0.0.1)")
    .option("--port <number>", "its port (default: 7718)", wholeNumber(0, PORT_MAX))
    .option("--admin-port <number>", "where /metrics is, on this machine alone", wholeNumber(0, PORT_MAX))
    .action((options: GatewayOptions) => choose(gatewayCommand(options)));
  const key = program.command("key").description("make, list, rotate and revoke keys of the gateway");
  key
    .command("create")
    .description("make a key, which is shown this once")
    .argument("<name>", "whose it is, for people")
    .option("--tenant <tenant>", "whose calls they are (default: default)")
    .option("--models <names>", "models and aliases it may call, joined by commas (default: all)")
    .option("--budget <name>", "what its calls are paid from, such as company/team")
    .option("--cap-usd <dollars>", "makes that budget, or caps it anew", dollars)
    .option("--rpm <count>", "requests a minute (default: no limit)", wholeNumber(1, PER_MINUTE_MAX))
    .option("--tpm <count>", "tokens a minute (default: no limit)", wholeNumber(1, PER_MINUTE_MAX))
    .option("--cache <seconds>", "answers may be so old (default: none is kept)", wholeNumber(1, CACHE_MAX))
    .option("--days <count>", "how long it holds (default: for ever)", wholeNumber(1, DAYS_MAX))
    .action((name: string, options: KeyOptions) => choose(createKeyCommand(name, options)));
  key
    .command("list")
    .description("list the keys, newest first")
    .action(() => choose(listKeysCommand()));
  key
    .command("revoke")
    .description("end a key at once")
    .argument("<key>", "its number")
    .action((id: string) => choose(revokeKeyCommand(id)));
  key
    .command("rotate")
    .description("give a key a new text")
    .argument("<key>", "its number")
    .option("--grace <seconds>", "how long the former text holds", wholeNumber(0, GRACE_MAX), 0)
    .action((id: string, options: { grace: number }) => choose(rotateKeyCommand(id, options.grace)));
}

function addCare(program: Command, choose: (work: Work) => void): void {
  program
    .command("init")
    .description("write a configuration over tables of your own database")
    .option("--url <address>", "the database (default: DATABASE_URL)")
    .option("--tables <names>", "tables the agent may change, joined by commas")
    .option("--name <name>", "the project's name (default: that of package.json)")
    .action((options: InitOptions) => choose(initCommand(options)));
  program
    .command("doctor")
    .description("look at everything the project needs, and say how to mend what is amiss")
    .action(() => choose(doctorCommand()));
  program
    .command("attach")
    .description("put capture triggers on the tables that agents may write, and make the agents' roles")
    .option("--rotate", "give the agents' roles new passwords")
    .action(({ rotate }: { rotate?: boolean }) => choose(triggersCommand("attach", rotate)));
  program
    .command("detach")
    .description("take the capture triggers off again")
    .action(() => choose(triggersCommand("detach")));
}

function listening(command: Command): Command {
  return command
    .option(
      "--host <address>",
      "address of the HTTP API; any but loopback needs FACTOTUM_TOKEN (default: 127.0.0.1)",
    )
    .option("--port <number>", "port of the HTTP API (default: 7717)", wholeNumber(0, PORT_MAX));
}

function dollars(text: string): number {
  if (/^\d{1,9}(\.\d{1,6})?$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a decimal number of US dollars.");
}

/** The name under which commander keeps a long option. */
function camelCase(option: string): string {
  return option.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
