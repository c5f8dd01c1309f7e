/** Nothing was memorised: no carrier is known to the code, and real notices are read without a wrong one. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { CARRIERS } from "../../examples/network-ops/business/index.ts";
import { parseRows } from "../../examples/network-ops/reading/bench-rows.ts";
import { measure } from "../../examples/network-ops/reading/measure.ts";
import { describe, expect, test } from "vitest";

const REAL = new URL("../../../shared/data/notices/dev.jsonl", import.meta.url);
const rows = existsSync(REAL) ? parseRows(readFileSync(REAL, "utf8")) : [];
/** Rooms that know providers of models, one of which is a carrier, too; no notice comes to them. */
const MODELS = /^src.(?:models|gateway)\b/;
const code = [
  ...globSync("src/**/*.ts").filter((file) => !MODELS.test(file)),
  ...globSync("examples/network-ops/{reading,calendar,desk,intake}/**/*.ts"),
].filter((file) => !file.endsWith(".test.ts"));

/** Files of the reader and the rooms in which one of the names stands as a word. */
const naming = (names: readonly string[]): readonly string[] =>
  code.flatMap((file) => {
    const words = ` ${readFileSync(file, "utf8").replaceAll(/[^\p{L}\p{N}]+/gu, " ")} `;
    return names.filter((name) => words.includes(` ${name} `)).map((name) => `${file}: ${name}`);
  });

test("no carrier of the made-up business is named in the code that reads its mail", () => {
  const names = CARRIERS.map((carrier) => carrier.name);
  expect([names.length > 5, code.length > 100]).toEqual([true, true]);
  expect(naming(names)).toEqual([]);
});

describe.skipIf(rows.length === 0)(
  "on the real notices beside the checkout (skipped where they are absent)",
  () => {
    test("no carrier of theirs is named in the code", () => {
      expect(naming([...new Set(rows.map((row) => row.provider))])).toEqual([]);
    });

    test("nothing that the reader is sure of is wrong, at first contact and taught", () => {
      for (const taught of [false, true]) {
        const measured = measure(rows, { taught });
        expect(measured.filter((one) => one.outcome === "wrong")).toEqual([]);
        expect(measured.filter((one) => one.outcome === "resolved").length).toBeGreaterThan(rows.length / 2);
      }
    });
  },
);
