import { FactotumError, InputError, messageOf } from "../kernel/index.ts";
import type { BadItem, Factotum, Intake, WorkItem } from "../server/index.ts";
import type { IntakeCount } from "./render-summary.ts";

/** An item that could not become work, and why. */
type Unreadable = { readonly name: string; readonly because: string };

/** What came of an intake, item by item where it was not simply started. */
export type TakenIn = IntakeCount & {
  readonly started: number;
  readonly duplicateItems: readonly { readonly name: string; readonly runId: string }[];
  readonly unreadableItems: readonly Unreadable[];
};

/**
 * Starts a run for every item of the project's intake. A bad item is told and counted, and never stops
 * the rest; the same key is never started twice.
 *
 * @param signal when aborted, no further item is started
 */
export async function takeIn(
  factotum: Factotum,
  path: string | undefined,
  at: Date,
  note: (line: string) => void,
  signal: AbortSignal,
): Promise<TakenIn | undefined> {
  const { intake } = factotum.config;
  if (intake === undefined) return undefined;
  const duplicates: { name: string; runId: string }[] = [];
  const unreadable: Unreadable[] = [];
  let read = 0;
  for await (const item of itemsOf(intake, path, at)) {
    if (signal.aborted) break;
    read += 1;
    const end = await startItem(factotum, item);
    if (end.kind === "bad") {
      unreadable.push(end);
      note(`unreadable: ${end.name}: ${end.because}`);
    } else if (!end.created) duplicates.push({ name: item.name, runId: end.runId });
  }
  return {
    ...{ noun: intake.option, read, duplicates: duplicates.length, unreadable: unreadable.length },
    started: read - duplicates.length - unreadable.length,
    ...{ duplicateItems: duplicates, unreadableItems: unreadable },
  };
}

/** The intake's items; where the source as a whole cannot be read, that is the user's to mend. */
async function* itemsOf(
  intake: Intake,
  path: string | undefined,
  at: Date,
): AsyncGenerator<WorkItem | BadItem> {
  try {
    yield* intake.read(path, at);
  } catch (error) {
    if (error instanceof FactotumError) throw error;
    throw new InputError({
      code: "intake-unreadable",
      message: `${path ?? `the project's own ${intake.option}`} cannot be read: ${messageOf(error)}`,
      cause: error,
    });
  }
}

type Started = { readonly kind: "started"; readonly runId: string; readonly created: boolean };

async function startItem(factotum: Factotum, item: WorkItem | BadItem): Promise<Started | BadItem> {
  if (item.kind === "bad") return item;
  try {
    const { run, created } = await factotum.start(item);
    return { kind: "started", runId: run.id, created };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { kind: "bad", name: item.name, because: messageOf(error) };
  }
}

const NAMED_MAX = 5;

/** One line about the duplicates, naming the first few; undefined where there are none. */
export function duplicatesLine({ noun, duplicateItems }: TakenIn): string | undefined {
  if (duplicateItems.length === 0) return undefined;
  const named = duplicateItems.slice(0, NAMED_MAX).map(({ name, runId }) => `${name} (run ${runId})`);
  const more = duplicateItems.length - named.length;
  const what = duplicateItems.length === 1 ? "1 duplicate" : `${duplicateItems.length} duplicates`;
  return `${what} among the ${noun}: ${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
