import type { Json, TenantId } from "../kernel/index.ts";
import type { Missed, Timing } from "../runs/index.ts";

/** Whose work it is that begins by itself, and how soon it is taken up. */
export type StartFor = {
  /** `default`, the one business, unless told. */
  readonly tenant?: TenantId;
  /** Higher goes first; 0 unless told. */
  readonly priority?: number;
};

/** When runs of an agent begin by themselves, by the business clock. Each occurrence is one run. */
export type Schedule = Timing &
  StartFor & {
    /** Unique among those of the agent; part of the runs' keys. */
    readonly name: string;
    /** What is done about occurrences that came while no process ran; `one` unless told. */
    readonly missed?: Missed;
    /** The input of the run of an occurrence. */
    input(at: Date): Json;
    /** How long after its occurrence a run must be over. */
    readonly deadlineMs?: number;
  };

/** A row of a watched table that was changed, values as JSON. */
export type TableChange = {
  readonly table: string;
  readonly operation: "insert" | "update" | "delete";
  readonly former: { readonly [column: string]: Json } | null;
  readonly present: { readonly [column: string]: Json } | null;
  readonly at: Date;
};

/** A file that came into a watched folder. */
export type ComeFile = { readonly name: string; readonly bytes: Uint8Array };

/** On what runs of an agent begin by themselves. `input` answers undefined for what is no work. */
export type Trigger = StartFor & Cause;

type Cause =
  | {
      /** POST /hooks/NAME, signed as Standard Webhooks says. One run for each `webhook-id`. */
      readonly kind: "webhook";
      /** Unique in the configuration. */
      readonly name: string;
      /** What the sender signs with: `whsec_` and base64 of 24 to 64 bytes. Several while one is replaced. */
      readonly secrets: readonly string[];
      input(body: Json): Json | undefined | Promise<Json | undefined>;
    }
  | {
      /** A row was changed, by anybody, an agent too. One run for each change, however long nobody looked. */
      readonly kind: "table";
      readonly name: string;
      /** `schema.table` */
      readonly table: string;
      readonly on: readonly TableChange["operation"][];
      /** An SQL condition over "new" and "old", such as `"new".status = 'open'`; NULL is no. */
      readonly when?: string;
      input(change: TableChange): Json | undefined;
    }
  | {
      /** A file came into a folder. One run for each content, however often and under what name it comes. */
      readonly kind: "folder";
      readonly name: string;
      readonly path: string;
      /** How long a file must have stood still before it is read; 2 s unless told. */
      readonly settleMs?: number;
      input(file: ComeFile): Json | undefined | Promise<Json | undefined>;
    };
