import type { Json, MicroUsd, QuestionId, RunId, TenantId } from "../kernel/index.ts";
import type { Level } from "./people.ts";

/** One thing a person may choose. `wants` says what must come with the choice. */
export type Choice = {
  readonly id: string;
  readonly label: string;
  /** `calls`: the tool calls to make instead, as `[{ "tool": ..., "input": ... }]`. */
  readonly wants?: "calls";
};

/** A staged row as a card shows it, values as Postgres text. */
export type CardChange = {
  readonly kind: "insert" | "update" | "delete";
  readonly table: string;
  readonly key: { readonly [column: string]: string | null };
  readonly fields: readonly {
    readonly column: string;
    readonly before: string | null;
    readonly after: string | null;
  }[];
};

/** One thing that was asked for. */
export type CardWish = { readonly what: string; readonly done: boolean };

/** One card for a whole change set: what would change, what is unsure and why, and the choices. */
export type Card = {
  readonly title: string;
  /** What the work came from, as the agent presents it; untrusted text. */
  readonly about: string;
  readonly because: readonly string[];
  /** What was asked for, and what became of it, where a check lists that. */
  readonly wishes?: readonly CardWish[];
  readonly changes: readonly CardChange[];
  /** The tool calls that staged the changes: what a correction starts from. */
  readonly calls: readonly { readonly tool: string; readonly input: Json }[];
  readonly choices: readonly Choice[];
};

/** A person's answer; `calls` where the choice wants them. */
export type Answer = {
  readonly choice: string;
  readonly calls?: readonly { readonly tool: string; readonly input: Json }[];
  readonly note?: string;
};

/** How much it matters: what an answer is worth is weighed with it, and `urgent` passes quiet hours. */
export type Importance = "low" | "normal" | "high" | "urgent";

/** Every importance, the least first. */
export const importances: readonly Importance[] = ["low", "normal", "high", "urgent"];

/** Where an answer came from. */
export type Via = "cli" | "http" | "link" | "chat";

/**
 * `open`; `answered` by a person; `expired`: its time-out took the default; `withdrawn` with its run;
 * `spared`: never put, because an answer was worth less than the interruption, so the default stands.
 */
export type QuestionStatus = "open" | "answered" | "expired" | "withdrawn" | "spared";

/** A question with its state. `by` is `default` where its time-out, or the reckoning, answered. */
export type Question = {
  readonly id: QuestionId;
  readonly runId: RunId;
  readonly tenant: TenantId;
  readonly agent: string;
  readonly card: Card;
  readonly status: QuestionStatus;
  readonly defaultChoice: string | null;
  readonly dueAt: Date | null;
  readonly askedAt: Date;
  readonly answer: Answer | null;
  readonly by: string | null;
  readonly answeredAt: Date | null;
  readonly via: Via | null;
  /** What kind of question it is; `card` for one about a whole change set. */
  readonly topic: string;
  readonly importance: Importance;
  /** What a wrong choice would cost; null where nobody said. */
  readonly stake: MicroUsd | null;
  /** The reckoning by which it was put to people, or spared them. */
  readonly because: string | null;
  /** Who may answer, level after level; null: anybody. */
  readonly chain: readonly Level[] | null;
  /** How far it has been escalated: everybody up to this level may answer. */
  readonly level: number;
  /** Who was told of it by a channel of theirs. */
  readonly told: readonly string[];
  /** When people see it: now, or at the end of their quiet hours. */
  readonly showAt: Date;
  /** When the next level is asked too. */
  readonly escalateAt: Date | null;
  /** The question, asked before, whose answer is this one's too. */
  readonly mergedInto: QuestionId | null;
  /** Other runs that wait for the same answer. */
  readonly alsoFor: number;
};
