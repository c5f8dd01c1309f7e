import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { throwawayDatabase } from "../testing/index.ts";
import { formatRecord, parseRecord } from "./record.ts";

const VALUE = fc.option(
  fc.oneof(
    fc.string({ unit: fc.constantFrom('"', "\\", ",", "(", ")", " ", "\n", "\t", "a", "ü", "'", "{", "}") }),
    fc.string({ unit: "grapheme" }).map((text) => text.replaceAll("\u0000", "")),
  ),
);
const RECORD = fc.array(VALUE, { minLength: 2, maxLength: 6 });

describe("record text", () => {
  test("is read back as it was written", () => {
    fc.assert(
      fc.property(RECORD, (values) => {
        expect(parseRecord(formatRecord(values))).toEqual(values);
      }),
    );
  });

  test("is written and read as Postgres does", async () => {
    const db = await throwawayDatabase();
    const records = fc.sample(
      RECORD.map((values) => [...values, null, null, null, null].slice(0, 4)),
      300,
    );
    const { rows } = await db.query<{ text: string }>(
      `select row(r.a, r.b, r.c, r.d)::text as text
       from json_to_recordset($1::json) r(a text, b text, c text, d text, at integer) order by at`,
      [JSON.stringify(records.map(([a, b, c, d], at) => ({ a, b, c, d, at })))],
    );
    expect(rows.map((row) => parseRecord(row.text))).toEqual(records);
    expect(records.map(formatRecord)).toEqual(rows.map((row) => row.text));
  });

  test("of one column, and of nothing, is told apart", () => {
    expect(parseRecord("()")).toEqual([null]);
    expect(parseRecord('("")')).toEqual([""]);
    expect(parseRecord('(1,"a ""b"" \\\\ \\"",)')).toEqual(["1", 'a "b" \\ "', null]);
    expect(() => parseRecord("(1")).toThrow("not the text of a Postgres record");
  });
});
