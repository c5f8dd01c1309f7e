import { type Database, isCommitUnknown, sqlStateOf } from "../postgres/index.ts";
import { type ClosedRow, type Closing, closingStatement } from "./closing.ts";
import { together } from "./closing-many.ts";

/** Writes the ends of turns that have no transaction of their own. */
export interface Closer {
  /** @throws what `factotum.refuse_turn` raises where the run is not the holder's as it knows it */
  close(closing: Closing): Promise<ClosedRow>;
}

/** Statements under way at once: the turns that end meanwhile make up the next one. */
const UNDER_WAY_MAX = 1;
/** Turns in one statement; more of them lock rows for longer and save nothing. */
const TOGETHER_MAX = 64;
/** Text that one statement may carry; a turn with more goes alone. */
const CHARS_MAX = 1_000_000;

type Waiting = { readonly closing: Closing; readonly chars: number } & PromiseWithResolvers<ClosedRow>;

/** Each turn's end in a statement, and so a transaction, of its own. */
export function closeAlone(db: Database): Closer {
  return {
    close: async (closing) => {
      const rows = await db.statement<ClosedRow>(closingStatement(closing));
      return rows[0] as ClosedRow;
    },
  };
}

/**
 * Turns that end at about the same time, of different runs, are committed by one statement: a commit waits
 * for the disk, and one wait does for all of them. Nobody waits for company: a turn that ends alone goes at
 * once. Each stays its own turn: one whose run is not as its holder knows it, or is locked by someone, is
 * left out and goes alone; where the statement fails as a whole, each goes alone.
 */
export function closeTogether(db: Database): Closer {
  const alone = closeAlone(db);
  let waiting: Waiting[] = [];
  let underWay = 0;

  /** Not counted as under way: it may wait for a row that someone has locked. */
  const goAlone = async ({ closing, resolve, reject }: Waiting): Promise<void> => {
    await alone.close(closing).then(resolve, reject);
  };
  const send = async (group: readonly Waiting[]): Promise<void> => {
    try {
      const rows = await db.statement<ClosedRow>(together(group.map(({ closing }) => closing)));
      const byId = new Map(rows.map((row) => [row.id, row]));
      for (const one of group) {
        const row = byId.get(one.closing.hold.run.id);
        if (row === undefined) void goAlone(one);
        else one.resolve(row);
      }
    } catch (error) {
      // Where Postgres did not say no, it may be kept: to send it again would be to hide that.
      const refused = sqlStateOf(error) !== undefined && !isCommitUnknown(error);
      for (const one of group) {
        if (refused) void goAlone(one);
        else one.reject(error);
      }
    }
  };
  const flush = (): void => {
    if (waiting.length === 0 || underWay >= UNDER_WAY_MAX) return;
    const group = takeGroup(waiting);
    waiting = waiting.slice(group.length);
    underWay += 1;
    void send(group).finally(() => {
      underWay -= 1;
      // Turns that were just told of their end may end their next one in this very moment.
      setImmediate(flush);
    });
  };
  return {
    close: async (closing) => {
      const one = { closing, chars: charsOf(closing), ...Promise.withResolvers<ClosedRow>() };
      waiting.push(one);
      if (waiting.length === 1) setImmediate(flush);
      return await one.promise;
    },
  };
}

/** From the first on, as many as one statement takes, at least one. */
function takeGroup(waiting: readonly Waiting[]): readonly Waiting[] {
  let chars = 0;
  const upTo = waiting.findIndex((one, at) => {
    chars += one.chars;
    return at > 0 && (at === TOGETHER_MAX || chars > CHARS_MAX);
  });
  return upTo === -1 ? waiting : waiting.slice(0, upTo);
}

function charsOf({ hold, steps }: Closing): number {
  return steps[2].reduce((sum, data) => sum + data.length, hold.stateText.length);
}
