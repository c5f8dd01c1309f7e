import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { chaos } from "../../bench/ledger-chaos.ts";

const directory = mkdtempSync(join(tmpdir(), "factotum-chaos-"));
// Where root runs this, the server's unprivileged user has to get to its folder.
chmodSync(directory, 0o755);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The long form is `npm run bench:ledger -- --chaos`. */
test("kill spenders and the server: no budget is overrun, no hold leaks, no call is unbooked", async () => {
  const report = await chaos({
    ...{ directory, processes: 2, spenders: 128, seconds: 8, seed: 7, killPostgres: true },
  });
  expect(report).toMatchObject({ overrun: 0, leaked: 0, unbooked: 0, imbalances: 0 });
  expect(report.kills.clients).toBeGreaterThan(1);
  expect(report.kills.postgres).toBeGreaterThan(0);
  expect(report.calls).toBeGreaterThan(100);
  expect(report.excess).toBeGreaterThan(0);
});
