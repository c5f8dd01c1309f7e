import { must } from "../kernel/index.ts";
import type { Database } from "../postgres/index.ts";
import type { KeyId, KeyRecord } from "./keys.ts";

/** What a call has taken of its key's minute. */
export type Paced = {
  readonly kind: "paced";
  /** Says how many tokens it came to; the rest may be used by others while the minute lasts. */
  settle(tokens: number): void;
  /** Nothing was sent. */
  giveBack(): void;
};

/** Whether a key had room. */
export type Pacing = Paced | Over;
type Over = {
  readonly kind: "over";
  readonly what: "requests" | "tokens";
  readonly limit: number;
  readonly retryAfterS: number;
};

/** Requests and tokens per minute of every key, never more over all replicas than its limits say. */
export type Paces = {
  /** Answers at once from what this replica has in hand, and after a visit to Postgres where it has not. */
  take(key: KeyRecord, requests: number, tokens: number): Pacing | Promise<Pacing>;
  close(): Promise<void>;
};

/** A part of a key's minute that this replica may use up. */
type Share = {
  readonly minute: Date;
  readonly endsAt: number;
  readonly openedAt: number;
  usedAt: number;
  requests: number;
  tokens: number;
};
type Waiting = {
  readonly requests: number;
  readonly tokens: number;
  resolve(pacing: Pacing): void;
  reject(error: unknown): void;
};
type Line = {
  key: KeyRecord;
  /** Those whom the visit under way is for, and those who came since. */
  asking: Waiting[];
  waiting: Waiting[];
  share: Share | null;
  /** What is asked for beyond what is needed. */
  more: { requests: number; tokens: number };
};

/** A share used up sooner was too small; one that lies idle for so long is given back. */
const QUICK_MS = 200;
const IDLE_MS = 250;
const MORE_MAX = 2 ** 40;
const TAKE = "select * from factotum.take_pace($1, $2, $3, $4, $5)";

/**
 * Opens the paces of a replica. A minute is one of the database's clock. Shares double while they are used up
 * quickly, and Postgres gives at most an eighth of what is left beyond what is needed; what lies idle is
 * given back, so that the last request of a limit can be had, whichever replica it reaches.
 */
export function openPaces(db: Database, say: (line: string) => void): Paces {
  const lines = new Map<KeyId, Line>();
  let visiting: Promise<void> | undefined;
  const lineOf = (key: KeyRecord): Line => {
    const line: Line = lines.get(key.id) ?? {
      key,
      asking: [],
      waiting: [],
      share: null,
      more: { requests: 0, tokens: 0 },
    };
    if (line.key !== key) {
      const { requestsPerMinute, tokensPerMinute } = line.key;
      const same = key.requestsPerMinute === requestsPerMinute && key.tokensPerMinute === tokensPerMinute;
      if (!same) line.share = null;
      line.key = key;
    }
    lines.set(key.id, line);
    return line;
  };
  const begin = (): void => {
    visiting ??= new Promise<void>((resolve) => setImmediate(resolve))
      .then(async () =>
        visit(
          db,
          [...lines.values()].filter(({ waiting }) => waiting.length > 0),
        ),
      )
      .finally(() => {
        visiting = undefined;
        if ([...lines.values()].some(({ waiting }) => waiting.length > 0)) begin();
      });
  };
  const giveBack = async (idleSince: number): Promise<void> => {
    for (const [id, line] of lines) {
      const { share } = line;
      if (share === null || share.usedAt > idleSince || line.asking.length > 0) continue;
      line.more = { requests: 0, tokens: 0 };
      await returnShare(db, id, share);
    }
  };
  const timer = setInterval(() => {
    giveBack(performance.now() - IDLE_MS).catch((error: unknown) =>
      say(`shares of minutes could not be given back: ${String(error)}`),
    );
  }, IDLE_MS);
  timer.unref();
  return {
    take(key, requests, tokens) {
      const line = lineOf(key);
      if (line.asking.length + line.waiting.length === 0) {
        const taken = takeFrom(line.share, requests, tokens);
        if (taken !== null) return taken;
      }
      return new Promise<Pacing>((resolve, reject) => {
        line.waiting.push({ requests, tokens, resolve, reject });
        begin();
      });
    },
    async close() {
      clearInterval(timer);
      await visiting;
      await giveBack(Infinity);
    },
  };
}

function takeFrom(share: Share | null, requests: number, tokens: number): Paced | null {
  if (share === null || share.requests < requests || share.tokens < tokens) return null;
  const now = performance.now();
  if (now >= share.endsAt) return null;
  share.requests -= requests;
  share.tokens -= tokens;
  share.usedAt = now;
  return {
    kind: "paced",
    settle(actual) {
      share.tokens += tokens - actual;
      share.usedAt = performance.now();
    },
    giveBack() {
      share.requests += requests;
      share.tokens += tokens;
    },
  };
}

type Row = {
  readonly key: KeyId;
  readonly minute: Date;
  readonly ends_in_ms: number;
  readonly requests: string | null;
  readonly tokens: string | null;
};

/** Takes shares for all who wait, of all keys, at once. */
async function visit(db: Database, lines: readonly Line[]): Promise<void> {
  for (const line of lines) {
    line.asking = line.waiting;
    line.waiting = [];
  }
  const asked = lines.map((line) => wants(line));
  // The minute ends for us by the time at which we asked: rather too early than too late.
  const askedAt = performance.now();
  try {
    const { rows } = await db.query<Row>(TAKE, [
      lines.map(({ key }) => key.id),
      asked.map(({ requests }) => requests),
      lines.map(({ more }) => more.requests),
      asked.map(({ tokens }) => tokens),
      lines.map(({ more }) => more.tokens),
    ]);
    const found = new Map(rows.map((row) => [row.key, row]));
    for (const line of lines) serve(line, must(found.get(line.key.id), "a key's minute"), askedAt);
  } catch (error) {
    for (const { asking } of lines) for (const one of asking.splice(0)) one.reject(error);
  }
}

/** What those who wait need beyond what is in hand; what is asked for beside it grows with haste. */
function wants(line: Line): { readonly requests: number; readonly tokens: number } {
  const { share, asking, more } = line;
  const now = performance.now();
  const fresh = share !== null && now < share.endsAt ? share : null;
  const requests = asking.reduce((sum, one) => sum + one.requests, 0);
  const tokens = asking.reduce((sum, one) => sum + one.tokens, 0);
  if (fresh !== null && now - fresh.openedAt < QUICK_MS) {
    more.requests = Math.min(MORE_MAX, more.requests * 2 + requests);
    more.tokens = Math.min(MORE_MAX, more.tokens * 2 + tokens);
  }
  return {
    requests: Math.max(0, requests - (finite(fresh?.requests) ?? 0)),
    tokens: Math.ceil(Math.max(0, tokens - (finite(fresh?.tokens) ?? 0))),
  };
}

function finite(count: number | undefined): number | null {
  return count !== undefined && Number.isFinite(count) ? count : null;
}

function serve(line: Line, row: Row, askedAt: number): void {
  const { key, share } = line;
  const endsAt = askedAt + row.ends_in_ms;
  if (performance.now() >= endsAt) {
    // An answer that comes after its minute says nothing of the next one, so that is asked for.
    line.waiting.unshift(...line.asking.splice(0));
    return;
  }
  const same = share !== null && share.minute.getTime() === row.minute.getTime() ? share : null;
  const fresh: Share = {
    ...{ minute: row.minute, endsAt, openedAt: askedAt, usedAt: askedAt },
    requests: row.requests === null ? Infinity : Number(row.requests) + (same?.requests ?? 0),
    tokens: row.tokens === null ? Infinity : Number(row.tokens) + (same?.tokens ?? 0),
  };
  // What calls under way give back goes to the share they took from; it becomes this one.
  const kept = same === null ? fresh : Object.assign(same, fresh);
  line.share = kept;
  const retryAfterS = Math.max(1, Math.ceil(row.ends_in_ms / 1000));
  const lacking = line.asking.splice(0).filter((one) => {
    const taken = takeFrom(kept, one.requests, one.tokens);
    if (taken !== null) one.resolve(taken);
    return taken === null;
  });
  for (const one of lacking) {
    const what = kept.requests < one.requests ? ("requests" as const) : ("tokens" as const);
    const limit = (what === "requests" ? key.requestsPerMinute : key.tokensPerMinute) ?? 0;
    one.resolve({ kind: "over", what, limit, retryAfterS });
  }
}

/** Empties a share. It stays in hand: calls under way give the rest of their tokens back to it. */
async function returnShare(db: Database, key: KeyId, share: Share): Promise<void> {
  const requests = finite(share.requests) ?? 0;
  const tokens = finite(share.tokens) ?? 0;
  if (requests <= 0 && tokens <= 0) return;
  share.requests -= requests;
  share.tokens -= tokens;
  await db.query("select factotum.give_back_pace($1, $2, $3, $4)", [
    ...[key, share.minute, Math.max(0, requests), Math.max(0, tokens)],
  ]);
}
