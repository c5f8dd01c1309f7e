import { setTimeout as delay } from "node:timers/promises";
import { must } from "../kernel/index.ts";
import {
  checkBinding,
  type Factotum,
  type HttpServer,
  serveHttp,
  summaryJson,
  type Worker,
} from "../server/index.ts";
import { type Command, loadProject, type Setting, withFactotum } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { bindingOf, type ListenOptions } from "./listen-options.ts";
import { startProgress } from "./progress.ts";
import { renderSummary } from "./render-summary.ts";
import type { Terminal } from "./terminal.ts";
import { duplicatesLine, type TakenIn, takeIn } from "./take-in.ts";
import { aborted, untilStopped } from "./until-stopped.ts";

/** Options of `run`; `source` is the value of the intake's own option. */
export type RunOptions = ListenOptions & { readonly once: boolean; readonly source: string | undefined };

/** How often progress is looked up; a database that answers slowly is asked less often. */
const LOOK_MS = 250;
const LOOK_SHARE = 10;

/** Works off the intake, shows the table, and goes on serving unless told `--once`. */
export function runCommand(options: RunOptions): Command {
  return async (setting) => {
    const { config } = await loadProject(setting);
    const { terminal, signal } = setting;
    const binding = bindingOf(options, config, setting);
    if (!options.once) checkBinding(binding);
    return withFactotum(setting, async (factotum) => {
      terminal.note(`${config.name}: ${factotum.databaseLabel}`);
      const http = options.once ? undefined : await serveHttp(factotum, binding, terminal.note);
      try {
        await factotum.prepare();
        const worker = factotum.work();
        try {
          const taken = await workOff(factotum, worker, options.source, setting);
          await report(factotum, taken, http, setting);
          if (signal.aborted) return exitCodes.interrupted;
          if (http !== undefined) await serveUntilStopped(http, worker, terminal, signal);
        } finally {
          await worker.stop();
        }
      } finally {
        await http?.close();
      }
      return exitCodes.ok;
    });
  };
}

/** Serves what is there already: worker and API, no intake. */
export function serveCommand(options: ListenOptions): Command {
  return async (setting) => {
    const { config } = await loadProject(setting);
    const { terminal, signal } = setting;
    const binding = bindingOf(options, config, setting);
    checkBinding(binding);
    return withFactotum(setting, async (factotum) => {
      terminal.note(`${config.name}: ${factotum.databaseLabel}`);
      const http = await serveHttp(factotum, binding, terminal.note);
      try {
        await factotum.prepare();
        const worker = factotum.work();
        if (terminal.json) terminal.result({ url: http.url });
        await serveUntilStopped(http, worker, terminal, signal);
        await worker.stop();
      } finally {
        await http.close();
      }
      return exitCodes.ok;
    });
  };
}

/** Takes the intake in and waits until nothing is ready, showing progress; ends early when stopped. */
async function workOff(
  factotum: Factotum,
  worker: Worker,
  source: string | undefined,
  { terminal, signal }: Setting,
): Promise<TakenIn | undefined> {
  const noun = factotum.config.intake?.option ?? "runs";
  const progress = await startProgress(noun, terminal);
  const over = new AbortController();
  const watching = watch(factotum, progress.update, AbortSignal.any([signal, over.signal]));
  try {
    const taken = await takeIn(factotum, source, await businessTime(factotum), progress.note, signal);
    const duplicates = taken === undefined ? undefined : duplicatesLine(taken);
    if (duplicates !== undefined) progress.note(duplicates);
    await Promise.race([worker.drained(), aborted(signal)]);
    return taken;
  } finally {
    over.abort();
    await watching;
    progress.stop();
  }
}

/** The time as the business sees it: a demo's clock may stand elsewhere, and run faster. */
async function businessTime(factotum: Factotum): Promise<Date> {
  const { rows } = await factotum.db.query<{ at: Date }>("select factotum.now() as at");
  return must(rows[0], "the business clock").at;
}

async function watch(
  factotum: Factotum,
  update: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const asked = performance.now();
    // A look that fails is left out: whoever does the work says what is wrong with the database.
    const seen = await factotum.summary().catch(() => undefined);
    if (seen !== undefined) update(seen.runs - seen.working, seen.runs);
    const pause = Math.max(LOOK_MS, LOOK_SHARE * (performance.now() - asked));
    await delay(pause, undefined, { signal }).catch(() => undefined);
  }
}

async function report(
  factotum: Factotum,
  taken: TakenIn | undefined,
  http: HttpServer | undefined,
  { terminal, signal }: Setting,
): Promise<void> {
  const summary = await factotum.summary();
  const effects = await factotum.outbox.count();
  if (terminal.json) {
    terminal.result({
      intake: taken === undefined ? null : intakeJson(taken),
      summary: summaryJson(summary),
      effects,
      url: http?.url ?? null,
    });
  } else terminal.out(renderSummary(taken, summary, terminal, effects));
  if (taken !== undefined && summary.runs !== taken.started) {
    terminal.note(`outcomes, rows, cost and value are those of all ${summary.runs} runs in this database`);
  }
  if (effects.dead > 0) terminal.note(`${effects.dead} effects could not be sent: npx factotum outbox`);
  if (summary.waiting > 0 && http === undefined) {
    terminal.note(`${summary.waiting} wait for a person: npx factotum inbox; after that, run again`);
  }
  if (signal.aborted) terminal.note("stopped before everything was worked off; the next run goes on with it");
}

function intakeJson({ noun, read, started, duplicates, unreadable, unreadableItems }: TakenIn) {
  return { noun, read, started, duplicates, unreadable, unreadableItems };
}

/** @throws what ended the worker, when nobody asked it to stop */
async function serveUntilStopped(
  http: HttpServer,
  worker: Worker,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  terminal.note(`serving ${http.url}; answer questions in another terminal with: npx factotum inbox`);
  terminal.note("stop with Ctrl-C");
  await untilStopped(worker, signal);
  terminal.note("stopping: what is in hand is finished first");
}
