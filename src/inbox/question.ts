import type { Json, QuestionId, RunId, TenantId } from "../kernel/index.ts";

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

/** A question with its state. `by` is `default` where its time-out answered. */
export type Question = {
  readonly id: QuestionId;
  readonly runId: RunId;
  readonly tenant: TenantId;
  readonly agent: string;
  readonly card: Card;
  readonly status: "open" | "answered" | "expired" | "withdrawn";
  readonly defaultChoice: string | null;
  readonly dueAt: Date | null;
  readonly askedAt: Date;
  readonly answer: Answer | null;
  readonly by: string | null;
};
