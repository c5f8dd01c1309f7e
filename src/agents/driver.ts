import { InvariantError } from "../kernel/index.ts";
import type { BudgetId } from "../ledger/index.ts";
import type { ModelCard } from "../models/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { isNudged, type Lease, type Run } from "../runs/index.ts";
import { answered } from "./answered.ts";
import { awaitAnswer, parkForCode } from "./attempt-asks.ts";
import { tryCode } from "./attempt-code.ts";
import { tryModel } from "./attempt-model.ts";
import { appendRefusals } from "./refusal.ts";
import { agreementOf } from "./agreeing.ts";
import { modelFor, modelNamed, usableFrom } from "./cascade.ts";
import { askPerson, conclude } from "./conclude.ts";
import { businessTime } from "./business-time.ts";
import { parkForChildren } from "./delegating.ts";
import { follow } from "./follow.ts";
import { heed } from "./heeding.ts";
import { idle } from "./outside-end.ts";
import { readState } from "./state.ts";
import { migrateRun, strand, versionFor } from "./versions.ts";
import { verifyFurther } from "./verifying.ts";
import { makeWorkshop, type Workshop, type WorkshopParts, type Working } from "./workshop.ts";

/** Takes a leased run as far as it will go: until it waits, is over, or its lease is lost. */
export type Drive = (lease: Lease) => Promise<void>;

/** Makes the driver that a worker hands its leases to. */
export function makeDriver(parts: WorkshopParts): Drive {
  const workshop = makeWorkshop(parts);
  return async (lease) => {
    let run = lease.run;
    const version = versionFor(workshop, run);
    if (version.kind === "missing") return void (await strand(lease, version.because));
    if (version.kind === "migrate") return void (await migrateRun(lease, version.path));
    const { agent } = await workshop.bench(run);
    let budget = await workshop.spending?.leafOf(run, agent);
    for (let fresh = true; run.status === "ready" && !lease.signal.aborted; fresh = false) {
      // Every step begins by reading what people have said.
      if (await isNudged(workshop.db, run.id)) {
        const bench = await workshop.bench(run);
        run = await heed({ workshop, bench, lease, run, state: readState(run.state), fresh });
        budget = await workshop.spending?.leafOf(run, agent);
        continue;
      }
      run = await move(workshop, lease, run, fresh, budget);
      if (lease.shouldYield() && readState(run.state).call === null) return;
    }
  };
}

/** One move of a run: the outside work of its phase, and the turn that writes what came of it. */
async function move(
  workshop: Workshop,
  lease: Lease,
  run: Run,
  fresh: boolean,
  budget: BudgetId | undefined,
): Promise<Run> {
  const bench = await workshop.bench(run);
  const state = readState(run.state);
  const parts = { workshop, bench, lease, run, state, budget };
  switch (state.phase) {
    case "attempt":
      return attempt({ ...parts, fresh });
    case "verify":
      return verifyFurther({ ...parts, fresh, at: await businessTime(workshop) });
    case "asked":
      return answered(parts);
    case "following":
      if (bench.agent.follow === undefined) throw new InvariantError(`run ${run.id} follows nothing`);
      return follow(parts, bench.agent.follow);
    case "outside":
      return idle(parts);
  }
}

async function attempt(parts: Working & { readonly fresh: boolean }): Promise<Run> {
  const { workshop, bench, run, state } = parts;
  const at = await businessTime(workshop);
  if (isEarly(parts, at)) return sleepOn(parts);
  const index = usableFrom(workshop, bench.agent, state.rung);
  const rung = index === undefined ? undefined : bench.agent.cascade[index];
  if (rung === undefined || index === undefined) return askUntried(parts);
  const now = { ...parts, state: { ...state, rung: index } };
  if (rung.kind === "code") {
    if (state.question !== null) {
      const seen = await awaitAnswer(now);
      if ("run" in seen) return seen.run;
      now.state = { ...now.state, question: null };
    }
    const tried = await tryCode(workshop, bench, run, now.state, rung, at);
    if (tried.asked !== undefined) return parkForCode(now, tried.asked);
    if (tried.handed !== undefined) return parkForChildren(now, tried.handed);
    const { refusals } = tried.staged;
    const alongside = (tx: Transaction) => appendRefusals(tx, run.id, state.attempt + 1, refusals);
    return conclude({ ...now, tried, at, alongside });
  }
  const card = cardOf(now);
  if (card === undefined) throw new InvariantError(`rung ${rung.name} lost its model`);
  return tryModel({ ...now, rung: rung.name, card, at });
}

/** Whether a run that is to begin at a time was woken before it. */
function isEarly({ run: { wakeAt }, state }: Working, at: Date): boolean {
  return wakeAt !== null && wakeAt > at && state.question === null && !state.talk.listening;
}

function sleepOn({ lease, state }: Working): Promise<Run> {
  return lease.turn(async (_tx, { wakeAt }) =>
    wakeAt === null ? { kind: "continue", state } : { kind: "park", state, until: wakeAt },
  );
}

/** The model of the rung whose turn it is, or the one that is to make a further try of it. */
function cardOf({ workshop, bench, state }: Working): ModelCard | undefined {
  const other = agreementOf({ bench, state })?.model ?? state.instead ?? undefined;
  return other === undefined ? modelFor(workshop, bench.agent, state.rung) : modelNamed(workshop, other);
}

function askUntried(parts: Working): Promise<Run> {
  const nobody = {
    ...{ runId: parts.run.id, number: parts.state.attempt + 1, rung: "nobody", model: null },
    ...{
      status: "discarded" as const,
      calls: [],
      changeSet: { rows: [] },
      diff: [],
      verdicts: [],
      refusals: [],
      because: null,
    },
  };
  return askPerson({ ...parts, alongside: async () => {} }, nobody, ["no rung of the cascade can run here"]);
}
