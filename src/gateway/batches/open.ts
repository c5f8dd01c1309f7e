import type { RequestListener } from "node:http";
import type { Clock } from "../../kernel/index.ts";
import type { Database } from "../../postgres/index.ts";
import type { KeyRing } from "../key-ring.ts";
import type { Random } from "../keys.ts";
import { makeVault } from "../vault.ts";
import { openBatches } from "./batch-store.ts";
import { type Desk, openDesk } from "./desk.ts";
import { openFiles } from "./file-store.ts";
import { openInside } from "./inside.ts";
import { openLines } from "./lines.ts";
import { startWorker } from "./worker.ts";

/** What files and batches are made of. */
export type BatchRoomOptions = {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly secret?: string;
  readonly leaseMs?: number;
  readonly say: (line: string) => void;
};

/** What they need of the gateway they are part of. */
export type Host = {
  readonly ring: KeyRing;
  /** A name that no other replica ever had. */
  readonly nonce: string;
  /** How many calls are under way. */
  readonly underWay: () => number;
};

/** Files and batches of one replica. */
export type BatchRoom = { readonly desk: Desk; close(): Promise<void> };

const LEASE_MS = 15_000;

/**
 * Opens them: the desk that answers for them, and the worker that makes their calls. Without a secret that
 * replicas share nothing could be read again after a restart, so then nothing is taken in.
 *
 * @param listenerOf what answers calls, by the keys of a ring
 */
export function openBatchRoom(
  options: BatchRoomOptions,
  { ring, nonce, underWay }: Host,
  listenerOf: (ring: KeyRing) => RequestListener,
): BatchRoom {
  const { db, clock, random, secret, leaseMs = LEASE_MS, say } = options;
  if (secret === undefined) return { desk: openDesk(null, say), close: async () => {} };
  const vault = makeVault(secret, "files", random);
  const files = openFiles(db, vault, random);
  const batches = openBatches(db, vault, random);
  const worker = startWorker({
    ...{ db, files, batches, vault, ring, leaseMs, underWay, say },
    ...{ lines: openLines(db, nonce, leaseMs), inside: openInside(listenerOf, random) },
    now: () => clock.now().getTime(),
  });
  return { desk: openDesk({ files, batches, kick: () => worker.kick() }, say), close: () => worker.close() };
}
