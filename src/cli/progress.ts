import { type Options, Presets, SingleBar } from "cli-progress";
import type { Terminal } from "./terminal.ts";

/** Shows how far a body of work is. */
export type Progress = {
  readonly update: (done: number, total: number) => void;
  /** A line beside the progress, which does not tear it. */
  readonly note: (line: string) => void;
  readonly stop: () => void;
};

/** In a pipe a line is written for each tenth of the work, not more. */
const LINES_MAX = 10;

/** A bar on a terminal, now and then a line in a pipe; both on stderr. */
export function startProgress(noun: string, terminal: Terminal): Progress {
  return terminal.drawn ? drawnProgress(noun, terminal) : loggedProgress(noun, terminal);
}

function drawnProgress(noun: string, terminal: Terminal): Progress {
  const options: Options = {
    format: `{bar} {value}/{total} ${noun}, {duration_formatted}`,
    hideCursor: true,
    clearOnComplete: true,
    emptyOnZero: true,
    gracefulExit: false,
    stream: process.stderr,
  };
  const bar = new SingleBar(options, Presets.shades_classic);
  bar.start(0, 0);
  return {
    update: (done, total) => {
      bar.setTotal(total);
      bar.update(done);
    },
    note: (line) => {
      process.stderr.write("\r\u001b[K");
      terminal.note(line);
    },
    stop: () => bar.stop(),
  };
}

function loggedProgress(noun: string, terminal: Terminal): Progress {
  let told = 0;
  return {
    update: (done, total) => {
      const tenth = total === 0 ? 0 : Math.floor((done * LINES_MAX) / total);
      if (tenth <= told) return;
      told = tenth;
      terminal.note(`${done} of ${total} ${noun} worked off`);
    },
    note: terminal.note,
    stop: () => {},
  };
}
