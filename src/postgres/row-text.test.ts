import fc from "fast-check";
import { expect, test } from "vitest";
import { makeRowText } from "./index.ts";

test("rows are one JSON text, whatever is in them and however many, also once begun anew", () => {
  const rows = makeRowText();
  const row = fc.record({ text: fc.string({ unit: "binary", size: "large" }), count: fc.integer() });
  fc.assert(
    fc.property(fc.array(row, { maxLength: 50, size: "max" }), (many) => {
      rows.clear();
      for (const one of many) rows.add(one);
      expect(rows.rows).toBe(many.length);
      expect(JSON.parse(rows.text().toString("utf8"))).toEqual(many);
    }),
  );
});
