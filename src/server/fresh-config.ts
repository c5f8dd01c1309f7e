import { extname, join } from "node:path";
import { Worker } from "node:worker_threads";
import type { CardConfig } from "../models/index.ts";
import type { GatewayConfig } from "./config.ts";

/** What of a configuration can be changed while a gateway serves. */
export type Changeable = { readonly models: readonly CardConfig[]; readonly gateway: GatewayConfig };

/** A configuration as it is on the disk now, with the files that it is made of, or why it is none. */
export type FreshConfig =
  | ({ readonly kind: "read"; readonly files: readonly string[] } & Changeable)
  | { readonly kind: "refused"; readonly message: string };

/** A module that waits for ever is given up. */
const READ_MS_MAX = 30_000;

/** Reads a configuration anew, also what it imports: a process loads a module once, so a thread does it. */
export async function readFreshConfig(path: string): Promise<FreshConfig> {
  const file = join(import.meta.dirname, "..", "server", `config-worker${extname(import.meta.filename)}`);
  const worker = new Worker(file, { workerData: path });
  const refused = (message: string): FreshConfig => ({ kind: "refused", message });
  let timer: NodeJS.Timeout | undefined;
  const read = new Promise<FreshConfig>((resolve) => {
    worker.once("message", (found: FreshConfig) => resolve(found));
    worker.once("error", (error) => resolve(refused(`${path} cannot be loaded: ${String(error)}`)));
    worker.once("exit", () => resolve(refused(`${path} ended the thread that loaded it`)));
    timer = setTimeout(() => resolve(refused(`${path} is not loaded after 30 s`)), READ_MS_MAX);
  });
  try {
    return await read;
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}
