import type { Json, RunId } from "../kernel/index.ts";
import type { Database } from "../postgres/index.ts";
import { appendStep, type Lease, type Run, wake } from "../runs/index.ts";
import type { Agent } from "./agent.ts";
import type { Migration } from "./lives.ts";
import { readState } from "./state.ts";

/** How a run can be driven here: by the version that it records, by a later one after migrations, or not. */
export type VersionFound =
  | { readonly kind: "recorded"; readonly agent: Agent }
  | { readonly kind: "migrate"; readonly agent: Agent; readonly path: readonly Migration[] }
  | { readonly kind: "missing"; readonly because: string };

/** The agents of a process: those that new runs get, and those as they were that earlier runs may need. */
export type Versions = { readonly agents: readonly Agent[]; readonly former?: readonly Agent[] };

/** Finds who may drive a run. A version that the run does not record never does so silently. */
export function versionFor(
  { agents, former = [] }: Versions,
  run: Pick<Run, "agent" | "agentVersion">,
): VersionFound {
  const known = [...agents, ...former].filter((agent) => agent.name === run.agent);
  const recorded = known.find((agent) => agent.version === run.agentVersion);
  if (recorded !== undefined) return { kind: "recorded", agent: recorded };
  const current = agents.find((agent) => agent.name === run.agent);
  const path = current === undefined ? undefined : pathTo(current, run.agentVersion);
  if (current !== undefined && path !== undefined) return { kind: "migrate", agent: current, path };
  const have = known.map((agent) => agent.version).join(", ");
  const because =
    `it was begun by version ${run.agentVersion} of ${run.agent}, and this process has ` +
    `${have === "" ? "no such agent" : `${have} and no migration from it`}; declare that version in ` +
    `formerAgents, or a migration, and it goes on`;
  return { kind: "missing", because };
}

/** Migrations one after the other, each from where the one before ended, up to the agent's own version. */
function pathTo(agent: Agent, from: number): readonly Migration[] | undefined {
  const path: Migration[] = [];
  for (let version = from; version !== agent.version;) {
    const next = (agent.migrate ?? []).find((one) => one.from === version && one.to > version);
    if (next === undefined) return undefined;
    path.push(next);
    version = next.to;
  }
  return path;
}

/** Migrates a run in a turn of its own, which says so; then it is taken up again, as the later version's. */
export async function migrateRun(lease: Lease, path: readonly Migration[]): Promise<Run> {
  return await lease.turn(async (tx, run) => {
    const state = path.reduce((before, one) => one.step(before), readState(run.state));
    const input = migratedInput(path, run.input);
    const to = path.at(-1)?.to ?? run.agentVersion;
    await tx.query("update factotum.runs set agent_version = $2, input = $3 where id = $1", [
      ...[run.id, to, JSON.stringify(input)],
    ]);
    const data = { from: run.agentVersion, to };
    await appendStep(tx, run.id, { kind: "migrated", attempt: null, data });
    return { kind: "continue", state };
  });
}

/** A run's input as the version at the end of the path reads it. */
export function migratedInput(path: readonly Migration[], input: Json): Json {
  return path.reduce((before, one) => one.input?.(before) ?? before, input);
}

/** Parks a run that nobody here can drive, and says once why. Whoever can drive it wakes it. */
export async function strand(lease: Lease, because: string): Promise<Run> {
  return await lease.turn(async (tx, run, now) => {
    const { rowCount } = await tx.query(
      `insert into factotum.stranded (run_id, agent, version) values ($1, $2, $3)
       on conflict on constraint stranded_pkey do nothing`,
      [run.id, run.agent, run.agentVersion],
    );
    const known = await tx.query(
      "select from factotum.steps where run_id = $1 and kind = 'version-missing' and seq > $2 - 20 limit 1",
      [run.id, String(run.steps)],
    );
    if (rowCount === 1 && known.rows.length === 0) {
      const data = { code: "version-missing", version: run.agentVersion, because };
      await appendStep(tx, run.id, { kind: "version-missing", attempt: null, data });
    }
    const { state, wakeAt } = run;
    // What sleeps until a time goes on sleeping: whoever can drive it begins then, not before.
    return { kind: "park", state, ...(wakeAt !== null && wakeAt > (await now()) && { until: wakeAt }) };
  });
}

/** A run that nobody could drive. */
export type StrandedRun = { readonly runId: RunId; readonly agent: string; readonly version: number };

/** Runs that nobody could drive when they were taken up last, oldest first. */
export async function listStranded(db: Pick<Database, "query">): Promise<readonly StrandedRun[]> {
  const { rows } = await db.query<StrandedRun>(
    `select s.run_id as "runId", s.agent, s.version from factotum.stranded s
     join factotum.runs r on r.id = s.run_id
     where r.status not in ('done', 'failed', 'cancelled') order by s.run_id limit $1`,
    [STRANDED_MAX],
  );
  return rows;
}

/** The most stranded runs that are looked at together. */
const STRANDED_MAX = 1_000;

/** Wakes the stranded runs that this process can drive; answers how many. */
export async function unstrand(db: Database, versions: Versions): Promise<number> {
  const able = (await listStranded(db)).filter(
    ({ agent, version }) => versionFor(versions, { agent, agentVersion: version }).kind !== "missing",
  );
  for (const { runId } of able) {
    await db.transaction(async (tx) => {
      await tx.query("delete from factotum.stranded where run_id = $1", [runId]);
      await wake(tx, runId);
    });
  }
  return able.length;
}
