/**
 * Reads a configuration in a thread of its own: its modules are loaded anew, and are gone with the thread.
 * Sends what of it can be changed while a gateway serves, and the files that it is made of.
 */
import { dirname } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { messageOf } from "../kernel/index.ts";
import { loadConfig } from "./load-config.ts";

// oxlint-disable unicorn/require-post-message-target-origin -- a thread has no origin
const path = String(workerData);
try {
  const { config, files } = await loadConfig(dirname(path), path);
  const { models = [], gateway = {} } = config;
  parentPort?.postMessage({ kind: "read", models, gateway, files });
} catch (error) {
  parentPort?.postMessage({ kind: "refused", message: messageOf(error) });
}
