import { listCommitted } from "../changes/index.ts";
import type { ChangeSetId, QuestionId, RunId } from "../kernel/index.ts";
import type { Database } from "../postgres/index.ts";
import { outsideOf } from "./outside-end.ts";
import type { Held } from "./outside-held.ts";

/** How work begun from outside stands. */
export type Standing = { readonly run: RunId } & (
  | {
      readonly kind: "open";
      readonly rows: number;
      readonly calls: number;
      readonly expiresAt: string | null;
    }
  /** Checked and made real; `by` a person where one was asked first. */
  | {
      readonly kind: "committed";
      readonly by: "client" | "person";
      readonly changeSets: readonly ChangeSetId[];
    }
  /** A worker has its verifiers asked: `commit` again tells what came of it. */
  | { readonly kind: "verifying" }
  /** Put to a person; `status` tells what they said. */
  | { readonly kind: "asked"; readonly question: QuestionId | null; readonly because: string | null }
  /** The attempt met rows that moved, or was begun again; the work itself is still open. */
  | { readonly kind: "thrown-away"; readonly because: string | null }
  /** The work is over and nothing was changed. */
  | { readonly kind: "discarded" | "expired" | "undone" | "failed"; readonly because: string | null }
);

/** Tells how a run stands towards the client that began it. */
export async function standingOf(db: Pick<Database, "transaction">, h: Held): Promise<Standing> {
  const { run, state, attempt } = h;
  const base = { run: run.id };
  if (run.status === "failed" || run.status === "cancelled") {
    return { ...base, kind: "failed", because: run.because };
  }
  switch (state.disposition) {
    case "resolved":
    case "answered": {
      const committed = (await db.transaction((tx) => listCommitted(tx, run.id))).filter(
        (set) => set.undoneBy === null,
      );
      const by = state.disposition === "resolved" ? "client" : "person";
      return { ...base, kind: "committed", by, changeSets: committed.map((set) => set.id) };
    }
    case "undone":
      return { ...base, kind: "undone", because: run.because };
    case "discarded":
    case "refused":
      return { ...base, kind: run.outcome === "expired" ? "expired" : "discarded", because: attempt.because };
    // Its run went on after that: a person took the end back.
    case "cancelled":
    case "overdue":
    // A rehearsal has no client.
    case "rehearsed":
    case null:
      break;
  }
  if (state.phase === "verify") return { ...base, kind: "verifying" };
  if (state.phase !== "outside") {
    return { ...base, kind: "asked", question: state.question, because: attempt.because };
  }
  if (!outsideOf(state).open || h.handle.attempt !== state.attempt + 1) {
    return { ...base, kind: "thrown-away", because: attempt.because };
  }
  const { calls } = outsideOf(state);
  const rows = attempt.changeSet.rows.length;
  return { ...base, kind: "open", rows, calls, expiresAt: run.wakeAt?.toISOString() ?? null };
}
