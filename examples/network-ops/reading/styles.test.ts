import { describe, expect, test } from "vitest";
import { differencesOf } from "./measure.ts";
import { mutantsOf } from "./mutations.ts";
import { readNotice } from "./read.ts";
import { STYLE_KNOWLEDGE, STYLES } from "./styles.ts";

describe("notices of carriers never seen", () => {
  test("there are enough of them, of both kinds", () => {
    expect(STYLES.length).toBeGreaterThan(50);
    expect(STYLES.filter((style) => style.ask).length).toBeGreaterThan(15);
  });

  test.each(STYLES.map((style) => [style.name, style] as const))("%s", (_, style) => {
    const reading = readNotice(style.notice, STYLE_KNOWLEDGE);
    const sure = reading.doubts.length === 0;
    expect(sure).toBe(!style.ask);
    // Asking is never wrong; being sure must be right.
    const differences = differencesOf(reading.statements, [style.expected], new Set());
    expect(sure ? differences : []).toEqual([]);
  });
});

describe("mutated notices", () => {
  const mutants = STYLES.filter((style) => !style.ask).flatMap((style) =>
    mutantsOf(style.notice, style.expected).map(
      (mutant) => [`${style.name}: ${mutant.name}`, mutant] as const,
    ),
  );

  test("there are enough of them", () => {
    expect(mutants.length).toBeGreaterThan(300);
  });

  test("what is sure of a mutant is still right", () => {
    const wrong = mutants.filter(([, mutant]) => {
      const reading = readNotice(mutant.notice, STYLE_KNOWLEDGE);
      return reading.doubts.length === 0 && !reading.statements.every((one) => mutant.allows(one));
    });
    expect(wrong.map(([name]) => name)).toEqual([]);
  });
});
