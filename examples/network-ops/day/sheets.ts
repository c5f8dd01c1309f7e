/** Circuit lists as files. */
import { unzipSync, zipSync } from "fflate";

/** Rows as CSV with the given separator. */
export function csvFile(rows: readonly (readonly string[])[], separator: "," | ";"): string {
  return rows.map((row) => row.map(csvCell).join(separator)).join("\r\n") + "\r\n";
}

/** Rows as a spreadsheet. The zip inside is written anew with one fixed date, so that bytes repeat. */
export async function sheetFile(rows: readonly (readonly string[])[]): Promise<Uint8Array> {
  const { default: writeSheet } = await import("write-excel-file/node");
  const written = await writeSheet(
    rows.map((row) => row.map((value) => ({ value, type: String }))),
    { sheet: "Circuits" },
  ).toBuffer();
  const parts = Object.entries(unzipSync(new Uint8Array(written)));
  const sorted = parts.sort(([one], [other]) => (one < other ? -1 : 1));
  // A zip's dates have no zone: this one reads the same wherever it is written.
  return zipSync(Object.fromEntries(sorted), { mtime: new Date(2020, 0, 1) });
}

function csvCell(text: string): string {
  return /[",;\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
