/** The command as it is published: tests that start processes start that, which loads in half the time. */
import { join } from "node:path";

const root = join(import.meta.dirname, "..");

/** Where the global setup builds it. */
export const dist: string = join(root, "dist");

/** The command's main module; start it with node. */
export const builtCommand: string = join(dist, "cli", "main.js");

/** Where compiled code is kept from one process to the next. */
export const compileCache: string = join(root, "node_modules", ".cache", "factotum");
