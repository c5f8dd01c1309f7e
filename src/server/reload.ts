import { unwatchFile, watchFile } from "node:fs";
import { messageOf } from "../kernel/index.ts";
import { type Changeable, readFreshConfig } from "./fresh-config.ts";

/** A configuration that is followed while a gateway serves. */
export type Followed = {
  /** Reads it now, changed or not; what it says is in force, or refused, once this resolves. */
  reload(): Promise<void>;
  close(): Promise<void>;
};

/** What is followed, and who hears of it. */
export type Following = {
  readonly path: string;
  /** What it is made of. */
  readonly files: readonly string[];
  /** Puts a configuration in force. @throws where it cannot be: then the former one stays */
  readonly take: (changed: Changeable) => Promise<void>;
  readonly say: (line: string) => void;
};

/** Looked at by name, since editors and orchestrators put another file in its place. */
const LOOK_MS = 500;

/**
 * Follows a configuration: whenever one of its files changes it is read anew and put in force. One that is
 * broken is told, and the former one stays.
 */
export function followConfig({ path, files: first, take, say }: Following): Followed {
  const watched = new Set<string>();
  let closed = false;
  let reading: Promise<void> | undefined;
  let again = false;
  const follow = (files: readonly string[]): void => {
    for (const file of files) {
      if (closed || watched.has(file)) continue;
      watched.add(file);
      watchFile(file, { interval: LOOK_MS, persistent: false }, () => void reload());
    }
  };
  const read = async (): Promise<void> => {
    again = false;
    const found = await readFreshConfig(path);
    if (found.kind === "refused") tellRefused(found.message);
    else {
      follow(found.files);
      await put(found);
    }
    if (again && !closed) await read();
  };
  const put = async ({ models, gateway }: Changeable): Promise<void> => {
    try {
      await take({ models, gateway });
      say("the configuration was read anew and is in force");
    } catch (error) {
      tellRefused(messageOf(error));
    }
  };
  const tellRefused = (message: string): void => {
    say(`the changed configuration is refused, and the former one stays: ${message}`);
  };
  const reload = (): Promise<void> => {
    // What changes while it is read is read once more.
    again = reading !== undefined;
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  };
  follow(first);
  return {
    reload,
    async close() {
      closed = true;
      for (const file of watched) unwatchFile(file);
      await reading;
    },
  };
}
