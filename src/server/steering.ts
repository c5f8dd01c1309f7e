import { listNudges, type Nudged, steer, type WorkshopParts } from "../agents/index.ts";
import {
  editInstruction,
  instruct,
  type Instruction,
  type LessonOwner,
  listInstructions,
  withdrawInstruction,
} from "../context/index.ts";
import {
  answer,
  type Answer,
  getQuestion,
  listQuestions,
  type NewNudge,
  type Question,
  type QuestionFilter,
  secondsOf,
  type Via,
} from "../inbox/index.ts";
import type { QuestionId, RunId } from "../kernel/index.ts";
import { transfer } from "../ledger/index.ts";
import type { Database, Transaction } from "../postgres/index.ts";
import { getRun } from "../runs/index.ts";
import type { Config } from "./config.ts";
import type { Links } from "./links.ts";
import type { TalkDoor } from "./talk.ts";

/** What people may do about work under way. */
export type SteeringDoor = {
  /** Open questions, oldest first; with `person`, those that they may answer and are to see by now. */
  inbox(filter?: Pick<QuestionFilter, "person" | "limit">): Promise<readonly Question[]>;
  question(id: QuestionId): Promise<Question>;
  /** @throws {InputError} `question-closed` telling who was first, `answer-refused`, `choice-unknown` */
  answer(id: QuestionId, given: Answer & { readonly by: string; readonly via?: Via }): Promise<Question>;
  /** Says something to a run under way. @throws {InputError} `run-over` */
  nudge(id: RunId, given: NewNudge & { readonly by: string }): Promise<Nudged>;
  nudges(id: RunId): Promise<readonly Nudged[]>;
  /** What agents are always told. */
  instructions(owner?: Partial<LessonOwner>): Promise<readonly Instruction[]>;
  instruct(owner: LessonOwner, said: { readonly text: string; readonly by: string }): Promise<Instruction>;
  editInstruction(id: string, said: { readonly text: string; readonly by: string }): Promise<Instruction>;
  withdrawInstruction(id: string, by: string): Promise<Instruction>;
  /** Signs and reads links and calls of chat tools; undefined where the configuration has no `links`. */
  readonly links: Links | undefined;
};

/** All that people do with work under way. */
export type PeopleDoor = TalkDoor & SteeringDoor;

/** What the driver of runs has to know of people. */
export function steeredBy(
  { attention }: Pick<Config, "attention">,
  links: Links | undefined,
): Pick<WorkshopParts, "attention" | "linkTo"> {
  return {
    ...(attention !== undefined && { attention }),
    ...(links !== undefined && { linkTo: links.linkTo }),
  };
}

/** An answer wakes other runs than its own, so that it and a turn may wait for each other. */
const RETRIES = 5;

/** Makes the door. */
export function makeSteering(
  db: Database,
  links: Links | undefined,
  { attention = {} }: Pick<Config, "attention">,
): SteeringDoor {
  return {
    async inbox({ person, limit } = {}) {
      const { rows } = await db.query<{ at: Date }>("select factotum.now() as at");
      const at = rows[0]?.at;
      return listQuestions(db, {
        ...(person !== undefined && { person, ...(at !== undefined && { at }) }),
        ...(limit !== undefined && { limit }),
      });
    },
    question: (id) => getQuestion(db, id),
    answer: (id, given) =>
      db.transaction(
        async (tx) => {
          const answered = await answer(tx, id, given);
          await bookAttention(tx, answered, { by: given.by, seconds: secondsOf(attention) });
          return answered;
        },
        { retries: RETRIES },
      ),
    nudge: (id, given) => db.transaction((tx) => steer(tx, id, given), { retries: RETRIES }),
    async nudges(id) {
      await getRun(db, id);
      return listNudges(db, id);
    },
    instructions: (owner) => listInstructions(db, owner),
    instruct: (owner, said) => db.transaction((tx) => instruct(tx, owner, said)),
    editInstruction: (id, said) => db.transaction((tx) => editInstruction(tx, id, said)),
    withdrawInstruction: (id, by) => db.transaction((tx) => withdrawInstruction(tx, id, by)),
    links,
  };
}

const MILLI = 1_000;

/** An answer costs the time of whoever gave it, as long as the configuration takes one to be. */
async function bookAttention(
  tx: Transaction,
  { id, agent, card }: Question,
  { by, seconds }: { readonly by: string; readonly seconds: number },
): Promise<void> {
  const amount = BigInt(Math.round(seconds * MILLI));
  if (amount <= 0n) return;
  await transfer(tx, {
    ...{ ref: `answer to question ${id}`, unit: "attention.seconds", amount },
    ...{ debit: `attention/${agent}`, credit: `people/${by}` },
    because: `answered: ${card.title}`.slice(0, BECAUSE_CHARS_MAX),
  });
}

const BECAUSE_CHARS_MAX = 200;
