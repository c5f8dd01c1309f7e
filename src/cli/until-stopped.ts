import type { Worker } from "../server/index.ts";

/** Resolves when a person, or whatever runs the machine, wants the process to stop. */
export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/**
 * Waits until the process is asked to stop.
 *
 * @throws what ended the worker, when nobody asked it to stop
 */
export async function untilStopped(worker: Worker, signal: AbortSignal): Promise<void> {
  const fault = await Promise.race([aborted(signal), worker.ended]);
  if (fault !== undefined) throw fault;
}
