import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["factotum-source", "node"] },
  ssr: {
    resolve: { conditions: ["factotum-source", "node"], externalConditions: ["factotum-source", "node"] },
  },
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts", "examples/**/*.test.ts"],
    globalSetup: ["test/postgres-server.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
