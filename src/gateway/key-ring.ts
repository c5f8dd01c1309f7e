import type { Database, Session } from "../postgres/index.ts";
import { digestOfKey, type KeyId, type KeyRecord, loadKeys } from "./keys.ts";

/** The keys of this replica: a snapshot that is replaced as a whole whenever somebody changes one. */
export type KeyRing = {
  /**
   * @param at milliseconds of the wall clock
   * @param connection where it was said
   */
  find(secret: string, at: number, connection: Connection): KeyRecord | null;
  /** A key by its number, for what it brought in before. */
  withId(id: KeyId, at: number): KeyRecord | null;
  /** Reads them anew; happens by itself when told by Postgres, and every few seconds. */
  refresh(): Promise<void>;
  close(): Promise<void>;
};

const SAID = Symbol("the key that a connection said last");

/**
 * A client's connection. It says the same key again and again, and a digest takes longer than all that is
 * looked up by it, so the last one is kept beside it: as long as the connection, and no longer.
 */
type Connection = object & { [SAID]?: { readonly secret: string; readonly digest: string } };

/** In case a notification was lost with its connection. */
const REFRESH_MS = 5_000;
/** Longer than any key: nobody may have us hash a megabyte. */
const SECRET_CHARS_MAX = 200;

/** Opens the ring: reads all keys and listens for changes. */
export async function openKeyRing(db: Database, say: (line: string) => void): Promise<KeyRing> {
  let keys: ReadonlyMap<string, KeyRecord> = new Map();
  let byId: ReadonlyMap<KeyId, KeyRecord> = new Map();
  let session: Session | undefined;
  let closed = false;
  const refresh = async (): Promise<void> => {
    keys = await loadKeys(db);
    // Its former text, which ends sooner, comes after its present one.
    byId = new Map([...keys.values()].toReversed().map((key) => [key.id, key]));
  };
  const tell = (error: unknown): void => say(`the gateway's keys could not be read: ${String(error)}`);
  const listen = async (): Promise<void> => {
    const opened = await db.session();
    session = opened;
    opened.client.on("notification", () => void refresh().catch(tell));
    opened.client.on("end", () => {
      if (session === opened) session = undefined;
    });
    await opened.query("listen factotum_gateway");
  };
  let refreshing: Promise<void> | undefined;
  const again = async (): Promise<void> => {
    // Listening first: what changes between the two is told.
    if (session === undefined && !closed) await listen();
    await refresh();
  };
  await again();
  const timer = setInterval(() => {
    refreshing ??= again()
      .catch(tell)
      .finally(() => {
        refreshing = undefined;
      });
  }, REFRESH_MS);
  timer.unref();
  return {
    refresh,
    find(secret, at, connection) {
      if (secret.length > SECRET_CHARS_MAX) return null;
      const found = keys.get(digestOf(secret, connection));
      return found !== undefined && at < found.until ? found : null;
    },
    withId(id, at) {
      const found = byId.get(id);
      return found !== undefined && at < found.until ? found : null;
    },
    async close() {
      closed = true;
      clearInterval(timer);
      await refreshing;
      session?.destroy();
    },
  };
}

function digestOf(secret: string, connection: Connection): string {
  const said = connection[SAID];
  if (said?.secret === secret) return said.digest;
  const digest = digestOfKey(secret);
  connection[SAID] = { secret, digest };
  return digest;
}
