import { listSaid, type Said, say, type Saying } from "../agents/index.ts";
import { InputError, type RunId } from "../kernel/index.ts";
import type { Database } from "../postgres/index.ts";
import { getRun, type Run } from "../runs/index.ts";
import type { Config } from "./config.ts";

/** What the person on the other side of a run may do. */
export type TalkDoor = {
  /** Says something to a run whose agent converses. @throws {InputError} what `say` of agents throws */
  say(id: RunId, saying: Saying): Promise<Said>;
  /** What was said in a run, in order, after the message `after`. */
  messages(id: RunId, after?: string): Promise<readonly Said[]>;
};

/** Makes the door. */
export function makeTalk(config: Config, db: Database): TalkDoor {
  return {
    say: (id, saying) =>
      db.transaction(async (tx) => {
        refuseWhereMute(config, await getRun(tx, id));
        return say(tx, id, saying);
      }),
    async messages(id, after) {
      await getRun(db, id);
      return listSaid(db, id, after === undefined ? {} : { after });
    },
  };
}

function refuseWhereMute(config: Config, run: Run): void {
  const agent = config.agents.find((one) => one.name === run.agent);
  if (agent?.converse !== undefined) return;
  const message = `run ${run.id} belongs to ${run.agent}, an agent that does not converse`;
  throw new InputError({ code: "not-conversing", message });
}
