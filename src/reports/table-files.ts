import type { ColumnSource } from "hyparquet-writer";
import { usd } from "./money.ts";

/** What a column of a table holds. */
export type TableColumn = {
  readonly name: string;
  readonly type: "string" | "decimal" | "date-time" | "json";
};

/** A row of a table; null where there is no value. */
export type TableRow = Readonly<Record<string, string | null>>;

/** Digits of a decimal in Parquet, and how many stand after its point: picodollars are exact. */
const PRECISION = 38;
const SCALE = 12;
const DECIMAL_BYTES = 16;

/** A table as CSV with a header; null is an empty cell. */
export async function csvOf(columns: readonly TableColumn[], rows: readonly TableRow[]): Promise<string> {
  const { stringify } = await import("csv-stringify/sync");
  return stringify(
    rows.map((row) => columns.map(({ name }) => row[name] ?? null)),
    { header: true, columns: columns.map(({ name }) => ({ key: name })) },
  );
}

/**
 * A table as Parquet: text as UTF-8, times in milliseconds of UTC, and decimals exact, with 38 digits of
 * which 12 are after the point.
 */
export async function parquetOf(
  columns: readonly TableColumn[],
  rows: readonly TableRow[],
): Promise<Uint8Array> {
  const { parquetWriteBuffer, schemaFromColumnData } = await import("hyparquet-writer");
  const columnData = columns.map(({ name, type }): ColumnSource => {
    const values = rows.map((row) => row[name] ?? null);
    if (type === "decimal")
      return { name, data: values.map((value) => (value === null ? null : unscaled(value))) };
    if (type === "date-time") {
      return {
        name,
        data: values.map((value) => (value === null ? null : new Date(value))),
        type: "TIMESTAMP",
        nullable: true,
      };
    }
    return { name, data: values, type: "STRING", nullable: true };
  });
  const decimals = columns.filter(({ type }) => type === "decimal");
  const schemaOverrides = Object.fromEntries(
    decimals.map(({ name }) => [
      name,
      {
        ...{ name, type: "FIXED_LEN_BYTE_ARRAY" as const, type_length: DECIMAL_BYTES },
        ...{ repetition_type: "OPTIONAL" as const, converted_type: "DECIMAL" as const },
        ...{ precision: PRECISION, scale: SCALE },
      },
    ]),
  );
  const schema = schemaFromColumnData({ columnData, schemaOverrides });
  const plain = columnData.map(({ name, data }) => ({ name, data }));
  return new Uint8Array(parquetWriteBuffer({ columnData: plain, schema, createdBy: "factotum" }));
}

function unscaled(text: string): bigint {
  return BigInt(
    usd(text)
      .times(usd(`1e${SCALE}`))
      .toFixed(0),
  );
}
