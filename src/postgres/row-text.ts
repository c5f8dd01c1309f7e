/**
 * Rows on their way to Postgres as one JSON text, for `json_to_recordset($1::json)`. They are bytes from the
 * start: objects and strings that wait for their batch are looked at and moved by every collection meanwhile,
 * bytes are not; and the driver sends a buffer as it is, where it writes a list element by element.
 */
export type RowText = {
  readonly rows: number;
  /** @param row what `JSON.stringify` takes */
  add(row: object): void;
  /** All rows; good until the next is added. */
  text(): Buffer;
  /** Begins anew, in the same memory. */
  clear(): void;
};

const BYTES_FIRST = 64 * 1024;
/** The most bytes of UTF-8 that one unit of a string becomes. */
const BYTES_A_UNIT_MAX = 3;
const [OPEN, COMMA, CLOSE] = [0x5b, 0x2c, 0x5d];

/** No rows yet. */
export function makeRowText(): RowText {
  let bytes = Buffer.allocUnsafeSlow(BYTES_FIRST);
  let length = 0;
  let rows = 0;
  const clear = (): void => {
    length = bytes.writeUInt8(OPEN, 0);
    rows = 0;
  };
  clear();
  return {
    get rows() {
      return rows;
    },
    add(row) {
      const text = JSON.stringify(row);
      const needed = length + text.length * BYTES_A_UNIT_MAX + 2;
      if (needed > bytes.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(needed, bytes.length * 2));
        bytes.copy(larger, 0, 0, length);
        bytes = larger;
      }
      if (rows > 0) length = bytes.writeUInt8(COMMA, length);
      length += bytes.write(text, length, "utf8");
      rows += 1;
    },
    text() {
      bytes.writeUInt8(CLOSE, length);
      return bytes.subarray(0, length + 1);
    },
    clear,
  };
}
