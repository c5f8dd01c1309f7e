import { commit, emit, emptyChangeSet, stage } from "../changes/index.ts";
import {
  dueTogether,
  getQuestion,
  lookAgain,
  markTold,
  messagesOf,
  type Question,
  tellsAt,
  tend,
  toldNow,
} from "../inbox/index.ts";
import { defaultTenant, type QuestionId } from "../kernel/index.ts";
import { appendStep, type Run } from "../runs/index.ts";
import { businessTime } from "./business-time.ts";
import type { Working } from "./workshop.ts";

/** A question that a run waits for, as it stands now. */
export type Attended =
  | { readonly kind: "closed"; readonly question: Question }
  /** Still open: park until then. */
  | { readonly kind: "open"; readonly question: Question; readonly until: Date | null }
  /** A turn was taken to tell people of it: look again. */
  | { readonly kind: "told"; readonly run: Run };

/** The number that change sets of messages about questions carry: they are of no attempt. */
export const NO_ATTEMPT = 0;

/**
 * Looks after the question that a run waits for: takes its default when its time is up, asks the next level
 * when nobody of this one answered, and tells those who are to see it now by their channels.
 */
export async function attend(w: Working, id: QuestionId): Promise<Attended> {
  const { db, attention = {} } = w.workshop;
  const at = await businessTime(w.workshop);
  const { question, until } = await db.transaction((tx) => tend(tx, id, at, attention));
  if (question.status !== "open") return { kind: "closed", question };
  const people = toldNow(question, attention, at);
  if (people.length > 0) return { kind: "told", run: await tell(w, question, people, at) };
  return { kind: "open", question, until: lookAgain(at, until, tellsAt(question, attention, at)) };
}

/**
 * Tells people of a question, each with those that waited with it for the end of quiet hours, as effects
 * of the run: they leave once, and not before the question is there.
 */
async function tell(w: Working, question: Question, people: readonly string[], at: Date): Promise<Run> {
  const { run, bench, workshop, lease, state } = w;
  const { attention = {}, linkTo } = workshop;
  const ids = await dueTogether(workshop.db, question, people);
  const others = await Promise.all(ids.map((id) => getQuestion(workshop.db, id)));
  const messages = messagesOf(question, attention, at, linkTo, others);
  const channels = [...new Set(messages.map((message) => message.channel))];
  const options = { tables: [], effects: channels, tenant: run.tenant ?? defaultTenant };
  const { changes } = await stage(workshop.db, emptyChangeSet, options, async (tx) => {
    for (const { channel, body } of messages) await emit(tx, { channel, body });
  });
  return lease.turn(async (tx) => {
    if (await markTold(tx, messages)) {
      const because = `asks ${messages.map((message) => message.person).join(", ")}`;
      await commit(tx, changes, { runId: run.id, attempt: NO_ATTEMPT, agent: bench.agent.name, because });
      const together = messages.flatMap((message) => message.questions.filter((id) => id !== question.id));
      const told = { question: question.id, level: question.level, because };
      const data = together.length === 0 ? told : { ...told, together: [...new Set(together)] };
      await appendStep(tx, run.id, { kind: "told", attempt: null, data });
    }
    return { kind: "continue", state };
  });
}
