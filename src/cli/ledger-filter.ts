import type { Command } from "commander";
import { type LedgerFilter, parseRunId } from "../server/index.ts";
import { instant } from "./instant-option.ts";

/** The options that choose a part of the ledger. */
export type Filter = {
  readonly run?: string;
  readonly agent?: string;
  readonly tenant?: string;
  readonly from?: Date;
  readonly to?: Date;
};

/** Adds the options that choose a part of the ledger. */
export function filtered(command: Command): Command {
  return command
    .option("--run <run>", "only this run")
    .option("--agent <name>", "only this agent")
    .option("--tenant <name>", "only this tenant")
    .option("--from <time>", "booked at or after, as ISO 8601", instant)
    .option("--to <time>", "booked before, as ISO 8601", instant);
}

/** The part of the ledger that options choose. */
export function filterOf({ run, ...filter }: Filter): LedgerFilter {
  return run === undefined ? filter : { ...filter, runId: parseRunId(run) };
}
