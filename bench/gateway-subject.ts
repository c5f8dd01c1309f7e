/**
 * The gateway of `bench:gateway`, with everything on. Sends its port to its parent; `process.argv[2]` is the
 * database, `process.argv[3]` the provider's base address.
 */
import { randomBytes } from "node:crypto";
import { openGateway } from "factotum/gateway";
import { systemClock } from "factotum/kernel";
import { discoverModels } from "factotum/models";
import { openDatabase } from "factotum/postgres";

const db = await openDatabase({ kind: "url", url: process.argv[2] ?? "" });
const { cards, keys } = discoverModels(
  { BENCH_KEY: "bench-upstream-key" },
  {
    models: [
      {
        ...{ id: "openai/small", baseUrl: process.argv[3] ?? "", keyFrom: "BENCH_KEY", outputTokensMax: 100 },
        price: { inputUsdPerMtok: "1", outputUsdPerMtok: "10" },
      },
    ],
  },
);
const gateway = await openGateway({
  ...{ db, cards, keys, clock: systemClock, random: randomBytes, host: "127.0.0.1", port: 0 },
  ...{
    name: "bench",
    secret: "what the replicas of this bench share",
    say: (line) => process.stderr.write(`${line}\n`),
  },
});
process.send?.(Number(new URL(gateway.url).port));
process.on("disconnect", () => process.exit(0));
process.on("SIGTERM", () => void gateway.close().then(() => process.exit(0)));
