import type { Session } from "./connections.ts";
import type { Database } from "./database.ts";

const RECONNECT_MS = 1_000;

/**
 * Keeps a connection that listens on a channel for as long as the signal allows; one that is lost is made
 * again. Notifications may be lost with it, so that `ring` says no more than that there may be something.
 */
export async function listenTo(
  db: Pick<Database, "session">,
  channel: string,
  ring: () => void,
  signal: AbortSignal,
): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  while (!signal.aborted) {
    const session = await open(db, channel);
    if (session === undefined) {
      await pause(RECONNECT_MS, stopped);
      continue;
    }
    const lost = Promise.withResolvers<void>();
    const { client } = session;
    client.on("notification", ring);
    client.on("error", () => lost.resolve());
    client.on("end", () => lost.resolve());
    // What was told before this connection listened is found by a look.
    ring();
    await Promise.race([stopped, lost.promise]);
    client.removeAllListeners("notification");
    session.destroy();
  }
}

async function open(db: Pick<Database, "session">, channel: string): Promise<Session | undefined> {
  let session: Session | undefined;
  try {
    session = await db.session();
    await session.query(`listen ${channel}`);
    return session;
  } catch {
    session?.destroy();
    return undefined;
  }
}

async function pause(milliseconds: number, sooner: Promise<void>): Promise<void> {
  const timeUp = Promise.withResolvers<void>();
  const timer = setTimeout(() => timeUp.resolve(), milliseconds);
  await Promise.race([timeUp.promise, sooner]).finally(() => clearTimeout(timer));
}
