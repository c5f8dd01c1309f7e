import { InputError, type RunId, storableText } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import { getRun, type Run, wake } from "../runs/index.ts";
import { readState } from "./state.ts";

/** One message of a conversation. */
export type Said = {
  /** Rises within a run, in the order in which things were said. */
  readonly id: string;
  readonly runId: RunId;
  readonly speaker: "person" | "agent";
  readonly by: string;
  readonly text: string;
  /** The person ends the conversation with it. */
  readonly ends: boolean;
  readonly at: Date;
  /** When the agent took it up; null while it waits. */
  readonly heardAt: Date | null;
};

/** What a person says to a run. */
export type Saying = {
  readonly by: string;
  /** Empty only where `ends` is set. */
  readonly text: string;
  /** Ends the conversation: what was staged by then is checked and committed, or put to a person. */
  readonly ends?: boolean;
  /** The sender's own id of the message: sent again, it is said once. */
  readonly key?: string;
};

/** The most characters of one message. */
const TEXT_CHARS_MAX = 20_000;
/** The most messages one listing returns. */
const LIST_MAX = 1_000;

const COLUMNS = `id, run_id as "runId", speaker, said_by as "by", text, ends, at, heard_at as "heardAt"`;

/**
 * Says something to a run on behalf of the person on its other side, when `tx` commits, and wakes it.
 *
 * @throws {InputError} `message-empty`, `message-too-long`, `conversation-over`; {RunError} `run-unknown`
 */
export async function say(tx: Transaction, runId: RunId, saying: Saying): Promise<Said> {
  const { by, ends = false, key = null } = saying;
  const text = storableText(saying.text).trim();
  if (text === "" && !ends) throw unsayable("message-empty", "a message needs text, unless it ends the talk");
  if (text.length > TEXT_CHARS_MAX) {
    const message = `a message may have ${TEXT_CHARS_MAX} characters, this one has ${text.length}`;
    throw unsayable("message-too-long", message);
  }
  // The lock puts it before or after a turn of the run as a whole, never beside one that ends the talk.
  const run = await getRun(tx, runId, { lock: true });
  const before = key === null ? undefined : await sentBefore(tx, runId, key);
  if (before !== undefined) return before;
  refuseWhereOver(run);
  const { rows } = await tx.query<Said>(
    `insert into factotum.messages (run_id, speaker, said_by, text, ends, key)
     values ($1, 'person', $2, $3, $4, $5) returning ${COLUMNS}`,
    [runId, storableText(by), text, ends, key],
  );
  await wake(tx, runId);
  return rows[0] as Said;
}

/** What was said in a run, in order, after the message `after`. */
export async function listSaid(
  tx: Pick<Transaction, "query">,
  runId: RunId,
  page: { readonly after?: string; readonly limit?: number } = {},
): Promise<readonly Said[]> {
  const { rows } = await tx.query<Said>(
    `select ${COLUMNS} from factotum.messages where run_id = $1 and id > $2 order by id limit $3`,
    [runId, page.after ?? "0", Math.min(page.limit ?? LIST_MAX, LIST_MAX)],
  );
  return rows;
}

/** Takes up what the person said and nobody has heard yet, oldest first; heard when `tx` commits. */
export async function hear(tx: Transaction, runId: RunId): Promise<readonly Said[]> {
  const { rows } = await tx.query<Said>(
    `update factotum.messages set heard_at = factotum.now()
     where run_id = $1 and heard_at is null returning ${COLUMNS}`,
    [runId],
  );
  return rows.toSorted((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1));
}

/** Whether the person has said something that no turn has taken up. */
export async function isUnheard(tx: Pick<Transaction, "query">, runId: RunId): Promise<boolean> {
  const { rows } = await tx.query(
    "select from factotum.messages where run_id = $1 and heard_at is null limit 1",
    [runId],
  );
  return rows.length > 0;
}

/** Says something to the person, in the turn that `tx` is. */
export async function sayToPerson(tx: Transaction, run: Run, text: string): Promise<void> {
  await tx.query(
    `insert into factotum.messages (run_id, speaker, said_by, text, heard_at)
     values ($1, 'agent', $2, $3, factotum.now())`,
    [run.id, run.agent, storableText(text)],
  );
}

async function sentBefore(tx: Transaction, runId: RunId, key: string): Promise<Said | undefined> {
  const { rows } = await tx.query<Said>(
    `select ${COLUMNS} from factotum.messages where run_id = $1 and key = $2`,
    [runId, key],
  );
  return rows[0];
}

function refuseWhereOver(run: Run): void {
  const { phase, talk } = readState(run.state);
  // What is said to a paused run is heard when it goes on.
  const open = ["ready", "waiting", "paused"].includes(run.status);
  if (open && phase === "attempt" && talk.over === null) return;
  const because =
    talk.over === null ? `the run is ${open ? phase : run.status}` : `it was ended: ${talk.over.by}`;
  throw unsayable("conversation-over", `nobody listens in run ${run.id} any more, since ${because}`);
}

function unsayable(code: string, message: string): InputError {
  return new InputError({ code, message });
}
