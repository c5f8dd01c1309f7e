import { hostname } from "node:os";
import { InputError } from "../kernel/index.ts";
import type { PriceBook } from "../ledger/index.ts";
import { startDeliverer } from "../outbox/index.ts";
import { startWorker, type Worker, type WorkerOptions } from "../runs/index.ts";
import type { Config } from "./config.ts";
import { besideDeliverer } from "./outbox.ts";
import { besideOverseer, openOverseer } from "./oversee.ts";
import type { Surroundings } from "./surroundings.ts";

/** How many runs one process works on at once unless the configuration says otherwise. */
const CONCURRENCY_DEFAULT = 2;

/** What one process works on, and how. */
export type WorkOptions = {
  /** Whose runs alone it takes up; every agent's by default. */
  readonly agents?: readonly string[];
  /** Runs at once; as the configuration says by default. */
  readonly concurrency?: number;
  /** Milliseconds that stopping gives to what is in hand; 30,000 by default. */
  readonly stopMs?: number;
  /** Milliseconds after which a worker that hangs loses its runs; 10,000 by default. */
  readonly leaseMs?: number;
};

/** The name by which people know the worker of this process. */
export function workerName(): string {
  return `${hostname()}:${process.pid}`;
}

/** How many runs a process works on at once. */
export function concurrencyOf(config: Config, options: WorkOptions = {}): number {
  return options.concurrency ?? config.concurrency ?? CONCURRENCY_DEFAULT;
}

/** The worker of this process, what starts runs by itself, and the deliverer where there are channels. */
export function startWork(
  config: Config,
  { directory, say }: Surroundings,
  { db, drive, prices }: Pick<WorkerOptions, "db" | "drive"> & { readonly prices: PriceBook },
  options: WorkOptions = {},
): Worker {
  const { agents, stopMs, leaseMs } = options;
  const known = new Set(config.agents.map((agent) => agent.name));
  const strange = agents?.find((name) => !known.has(name));
  if (strange !== undefined) throw unknownAgent(config, strange);
  const alone = startWorker({
    ...{ db, drive, say, name: workerName(), concurrency: concurrencyOf(config, options) },
    ...(agents !== undefined && { agents }),
    ...(stopMs !== undefined && { stopMs }),
    ...(leaseMs !== undefined && { leaseMs }),
  });
  const worker = besideOverseer(alone, openOverseer({ config, db, directory, prices, say }), db);
  const { channels = {} } = config;
  if (Object.keys(channels).length === 0) return worker;
  return besideDeliverer(worker, startDeliverer({ db, say, channels }));
}

/** There is no agent of that name. */
export function unknownAgent(config: Config, name: string): InputError {
  const known = config.agents.map((agent) => agent.name).join(", ");
  return new InputError({ code: "agent-unknown", message: `there is no agent ${name}; there is ${known}` });
}
