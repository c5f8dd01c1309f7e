import { listStranded } from "../agents/index.ts";
import type { Database } from "../postgres/index.ts";
import { listBadEvents, listSchedules } from "../runs/index.ts";
import type { Config } from "./config.ts";
import type { Finding } from "./finding.ts";
import { schedulesOf } from "./starts.ts";

/** Work that should be under way and is not; nothing where there is none. */
export async function diagnoseRuns(db: Database, config: Config): Promise<readonly Finding[]> {
  return [...(await unfired(db, config)), ...(await changesWithoutRun(db)), ...(await withoutVersion(db))];
}

async function unfired(db: Database, config: Config): Promise<readonly Finding[]> {
  const lines = await listSchedules(db, schedulesOf(config));
  return lines.flatMap(({ agent, name, problem }): Finding[] =>
    problem === null
      ? []
      : [
          {
            ...{ what: `schedule ${name} of ${agent}`, state: "warning" },
            detail: `its last occurrence started no run: ${problem}`,
            remedy: "mend what the schedule makes of an instant; for that occurrence: factotum start",
          },
        ],
  );
}

async function changesWithoutRun(db: Database): Promise<readonly Finding[]> {
  return (await listBadEvents(db)).map(({ trigger, count, problem }) => ({
    ...{ what: `trigger ${trigger}`, state: "warning" },
    detail: `${count} changes of its table started no run, such as: ${problem}`,
    remedy: "mend what the trigger makes of a change; the next worker that starts tries them again",
  }));
}

async function withoutVersion(db: Database): Promise<readonly Finding[]> {
  const stranded = await listStranded(db);
  if (stranded.length === 0) return [];
  const versions = [...new Set(stranded.map(({ agent, version }) => `${agent} ${version}`))].join(", ");
  return [
    {
      ...{ what: "versions", state: "warning" },
      detail: `${stranded.length} runs wait for a version of their agent that no worker has: ${versions}`,
      remedy: "declare it in formerAgents, or a migration from it, and start a worker; or: factotum cancel",
    },
  ];
}
