/** What the processes of `bench:fire` say to each other. */
/** What the provider is told. */
export type ToProvider =
  /** Whole answers, or streams of which half never come to their end. */
  | { readonly kind: "part"; readonly expect: number; readonly hangs: boolean; readonly seed: number }
  /** The next request's stream is cut off after so many chunks. */
  | { readonly kind: "cut"; readonly after: number }
  | { readonly kind: "counts" };

/** What it tells: what has come since the part began. */
export type FromProvider = {
  readonly total: number;
  /** By user agent. */
  readonly by: Readonly<Record<string, number>>;
  readonly atOnceMax: number;
  /** Of streams: those whose usage was sent. */
  readonly whole: number;
};

/** What every answer says that it used. */
export const USAGE = { input: 3_000, output: 100 } as const;
/** Chunks of a stream before its usage. */
export const CHUNKS = 5;

/** A replica, and the name by which the provider knows what comes through it. */
export type Place = { readonly name: string; readonly url: string };

/** What clients are told. */
export type ToClient =
  | {
      readonly kind: "ask" | "leave";
      /** Clients at once. */
      readonly clients: number;
      /** Calls of each, one after the other. */
      readonly rounds: number;
      readonly secret: string;
      readonly places: readonly Place[];
      readonly seed: number;
    }
  | { readonly kind: "places"; readonly places: readonly Place[] }
  /** Whoever still waits for a stream goes. */
  | { readonly kind: "go" };

/** What came of it so far: answered in full, refused for want of money, broken off. */
export type Counts = { answered: number; refused: number; lost: number; gaveUp: number; left: number };
/** What clients tell: counts now and then, and at the end the ids of calls that were answered, by replica. */
export type FromClient = {
  readonly counts: Counts;
  readonly answered: Readonly<Record<string, readonly string[]>> | null;
};
