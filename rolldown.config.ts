/** How `npm run build` makes the JavaScript in `dist`: each door an entry, what they share in `dist/chunks`. */
import { join } from "node:path";
import type { OutputOptions, RolldownOptions } from "rolldown";
import manifest from "./package.json" with { type: "json" };

const root = import.meta.dirname;
const doors = Object.values(manifest.exports).flatMap((door) =>
  typeof door === "string" ? [] : [door["factotum-source"]],
);
/** What is started rather than imported. */
const programs = ["./src/cli/main.ts", "./src/server/config-worker.ts"];
const entries = [...doors, ...programs].map((path): [string, string] => [
  path.slice("./src/".length, -".ts".length),
  join(root, path),
]);

/** What is written, and where. */
export const output: OutputOptions = {
  ...{ dir: join(root, "dist"), format: "esm", cleanDir: true },
  chunkFileNames: "chunks/[name]-[hash].js",
};

const options: RolldownOptions = {
  ...{ input: Object.fromEntries(entries), output, platform: "node" },
  // Dependencies stay what npm installs.
  external: /^[^./]/,
};

export default options;
