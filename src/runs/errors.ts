import { FactotumError, type Retry, type RunId } from "../kernel/index.ts";

/** Trouble with one run: `run-unknown`, `run-not-failed`, `start-unseen`, `too-big`, `drive-idle`. */
export class RunError extends FactotumError {
  readonly runId: RunId | undefined;

  constructor(fields: { code: string; retry: Retry; message: string; runId?: RunId; cause?: unknown }) {
    super(fields);
    this.runId = fields.runId;
  }
}

/**
 * A turn was begun by a worker that no longer holds the run: it was slow and another took over, or the
 * run was cancelled. Nothing of the turn was kept; the driver should let the error through and stop.
 */
export class FencedError extends FactotumError {
  readonly runId: RunId;

  constructor(runId: RunId, because: string) {
    super({
      code: "fenced",
      retry: "never",
      message: `run ${runId} is no longer held by this worker: ${because}; nothing was kept, drop it`,
    });
    this.runId = runId;
  }
}

/** The run is still this holder's, but not at the version it knows: the turn starts again from its row. */
export class RunMovedError extends FactotumError {
  readonly runId: RunId;

  constructor(runId: RunId) {
    super({
      code: "run-moved",
      retry: "later",
      message: `run ${runId} changed since it was last read; read it and take the turn again`,
    });
    this.runId = runId;
  }
}
