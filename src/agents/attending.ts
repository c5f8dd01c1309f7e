import { commit, emit, emptyChangeSet, stage } from "../changes/index.ts";
import { dueTogether, getQuestion, markTold, messagesOf, type Question, tend } from "../inbox/index.ts";
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
  const { db, attention } = w.workshop;
  const at = await businessTime(w.workshop);
  const { question, until } = await db.transaction((tx) => tend(tx, id, at, attention));
  if (question.status !== "open") return { kind: "closed", question };
  const messages = messagesOf(question, attention ?? {}, at, w.workshop.linkTo);
  if (messages.length > 0) return { kind: "told", run: await tell(w, question, at) };
  return { kind: "open", question, until };
}

/**
 * Tells people of a question, and of those that waited with it for the end of their quiet hours, as effects
 * of the run: they leave once, and not before the question is there.
 */
async function tell(w: Working, question: Question, at: Date): Promise<Run> {
  const { run, bench, workshop, lease, state } = w;
  const ids = await dueTogether(workshop.db, question, at);
  const together = await Promise.all(ids.map((id) => getQuestion(workshop.db, id)));
  const messages = messagesOf(question, workshop.attention ?? {}, at, workshop.linkTo, together);
  const channels = [...new Set(messages.map((message) => message.channel))];
  const tenant = run.tenant ?? defaultTenant;
  const options = { tables: [], effects: channels, tenant };
  const { changes } = await stage(workshop.db, emptyChangeSet, options, async (tx) => {
    for (const { channel, body } of messages) await emit(tx, { channel, body });
  });
  return lease.turn(async (tx) => {
    if (await markTold(tx, [question.id, ...ids], question.level)) {
      const because = `asks ${messages.map((message) => message.person).join(", ")}`;
      await commit(tx, changes, { runId: run.id, attempt: NO_ATTEMPT, agent: bench.agent.name, because });
      const told = { question: question.id, level: question.level, because };
      const data = ids.length === 0 ? told : { ...told, together: ids };
      await appendStep(tx, run.id, { kind: "told", attempt: null, data });
    }
    return { kind: "continue", state };
  });
}
