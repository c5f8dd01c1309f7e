/** The order of test files: a fresh clone knows no durations, and with the longest last a core is idle. */
import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** What takes 15 s or more alone on two cores, longest first. */
const LONGEST = [
  ...[
    "test/docs.test.ts",
    "src/cli/main.test.ts",
    "test/journeys/bad-input.test.ts",
    "test/desk/day.test.ts",
  ],
  ...["test/journeys/kill.test.ts", "test/agents/crash.test.ts", "src/postgres/embedded/embedded.test.ts"],
  ...["src/changes/random-schema.test.ts", "src/outbox/kill.test.ts", "test/terms/random.test.ts"],
  ...["test/kills.test.ts", "test/chaos.test.ts", "test/mcp/verifiers.test.ts", "test/desk/month.test.ts"],
];

/** Starts the longest files first, and the rest as vitest would. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.indexOf(relative(this.ctx.config.root, moduleId).replaceAll("\\", "/"));
      return at < 0 ? LONGEST.length : at;
    };
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other));
  }
}
