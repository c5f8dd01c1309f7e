/** Imports the modules whose paths come in on standard input, in turn, and says where each ends. */
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { inspect } from "node:util";

for await (const path of createInterface({ input: process.stdin })) {
  let failed = false;
  try {
    await import(pathToFileURL(path).href);
  } catch (error) {
    failed = true;
    process.stdout.write(`${inspect(error)}\n`);
  }
  process.stdout.write(`\0${failed ? 1 : 0}\n`);
}
