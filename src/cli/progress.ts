import type { Options } from "cli-progress";
import { cleanText } from "./clean-text.ts";
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
export async function startProgress(noun: string, terminal: Terminal): Promise<Progress> {
  return terminal.drawn ? drawnProgress(noun, terminal) : loggedProgress(noun, terminal);
}

async function drawnProgress(noun: string, terminal: Terminal): Promise<Progress> {
  const { default: cliProgress } = await import("cli-progress");
  const options: Options = {
    format: `{bar} {value}/{total} ${noun}, {duration_formatted}`,
    hideCursor: true,
    clearOnComplete: true,
    emptyOnZero: true,
    gracefulExit: false,
    stream: process.stderr,
  };
  // One bar in a MultiBar, because only that can print lines above itself.
  const bars = new cliProgress.MultiBar(options, cliProgress.Presets.shades_classic);
  const bar = bars.create(0, 0);
  // A log line waits for the next drawing, and is dropped where there is none.
  const unseen: string[] = [];
  bars.on("redraw-post", () => unseen.splice(0));
  return {
    update: (done, total) => {
      bar.setTotal(total);
      bar.update(done);
    },
    note: (line) => {
      unseen.push(line);
      bars.log(`${cleanText(line)}\n`);
    },
    stop: () => {
      bars.stop();
      unseen.forEach(terminal.note);
    },
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
