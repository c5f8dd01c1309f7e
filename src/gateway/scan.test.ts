/** Fields are found by their bytes as a parser finds them, however they are written. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { namesOf, scanObject, valueOf } from "./scan.ts";

const WANTED = ["model", "n", "messages", "stream"] as const;
const NAMES = namesOf(...WANTED);

const blank = fc.string({ unit: fc.constantFrom(" ", "\n", "\t", "\r"), maxLength: 3 });
/** Names that are wanted, nearly so, and any others, plain or with every character escaped. */
const name = fc.oneof(
  fc.constantFrom(...WANTED, "mode", "models", "N", ""),
  fc.string({ maxLength: 80, unit: "grapheme" }),
);
const written = (text: string, escaped: boolean): string => {
  if (!escaped) return JSON.stringify(text);
  const units = text.split("").map((unit) => unit.charCodeAt(0).toString(16).padStart(4, "0"));
  return `"${units.map((unit) => `\\u${unit}`).join("")}"`;
};
/** Long strings, and quotes and backslashes at every distance from where the search changes its way. */
const said = fc
  .tuple(fc.nat(140), fc.array(fc.constantFrom('"', "\\", "x", "é"), { maxLength: 6 }))
  .map(([length, rest]) => "y".repeat(length) + rest.join(""));
const value = fc.oneof(
  said,
  fc.nat(),
  fc.constantFrom(0, -1, 1.5, 1e21, 123_456_789_012_345_680, true, null),
  fc.jsonValue({ maxDepth: 3 }),
);
const field = fc.record({ name, value, escaped: fc.boolean(), space: fc.tuple(blank, blank, blank) });

test("every wanted field has the value that a parser reads, and one that comes twice is refused", () => {
  let found = 0;
  fc.assert(
    fc.property(fc.array(field, { maxLength: 8 }), (fields) => {
      const inside = fields.map(
        ({ name: text, value: what, escaped, space: [a, b, c] }) =>
          `${a}${written(text, escaped)}${b}:${c}${JSON.stringify(what)}${a}`,
      );
      const text = Buffer.from(`{${inside.join(",")}}`);
      const scan = scanObject(text, NAMES);
      const wanted = fields.filter((one) => WANTED.some((each) => each === one.name));
      const twice = new Set(wanted.map((one) => one.name)).size < wanted.length;
      expect(scan.kind).toBe(twice ? "refused" : "object");
      if (scan.kind === "refused") return;
      const parsed = JSON.parse(text.toString()) as Record<string, unknown>;
      for (const each of WANTED) expect(valueOf(text, scan.fields.get(each))).toEqual(parsed[each]);
      found += wanted.length;
    }),
  );
  expect(found).toBeGreaterThan(10);
});

test("a text that a parser refuses is refused, or its fields are not JSON", () => {
  fc.assert(
    fc.property(fc.array(field, { minLength: 1, maxLength: 4 }), fc.nat(), (fields, at) => {
      const all = fields.map((one) => `${written(one.name, one.escaped)}:${JSON.stringify(one.value)}`);
      const whole = `{${all.join(",")}}`;
      const cut = Buffer.from(whole).subarray(0, at % Buffer.byteLength(whole));
      expect(scanObject(cut, NAMES).kind).toBe("refused");
    }),
  );
});

test.each(['"\\x"', '"a\nb"', "01", "+1", "1.", "-", "tru", "NaN"])("%j is no value", (text) => {
  const body = Buffer.from(`{"n":${text}}`);
  const scan = scanObject(body, NAMES);
  expect(scan.kind === "refused" || valueOf(body, scan.fields.get("n")) === undefined).toBe(true);
});
