/** Bytes of unknown encoding as text, and a word about it where a guess was needed. */

/** Text and, where the bytes were not plain UTF-8, how they were read. */
export type Decoded = { readonly text: string; readonly note: string | null };

/**
 * Decodes by byte order mark, else as UTF-8, else in the encoding that was declared, else as
 * Windows-1252, which has a letter for every byte.
 *
 * @param declared a charset label from a header; labels that nobody knows are ignored
 */
export function decodeText(bytes: Uint8Array, declared?: string): Decoded {
  const mark = markOf(bytes);
  if (mark !== null) {
    const note = mark === "utf-8" ? null : `read as ${mark} by its byte order mark`;
    return { text: plain(new TextDecoder(mark).decode(bytes)), note };
  }
  const label = declared?.trim().toLowerCase();
  if (label !== undefined && label !== "utf-8" && label !== "us-ascii") {
    const known = decoderOf(label);
    if (known !== null) return { text: plain(known.decode(bytes)), note: null };
  }
  try {
    return { text: plain(new TextDecoder("utf-8", { fatal: true }).decode(bytes)), note: null };
  } catch {
    return {
      text: plain(new TextDecoder("windows-1252").decode(bytes)),
      note: "not UTF-8 as expected; read as windows-1252",
    };
  }
}

/** The encoding that a byte order mark announces. */
export function markOf(bytes: Uint8Array): "utf-8" | "utf-16le" | "utf-16be" | null {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return "utf-8";
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le";
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return "utf-16be";
  return null;
}

function decoderOf(label: string): InstanceType<typeof TextDecoder> | null {
  try {
    return new TextDecoder(label);
  } catch {
    return null;
  }
}

/** Without NUL, which Postgres text cannot hold, and without a mark at the front. */
function plain(text: string): string {
  return text.replaceAll("\u0000", "").replace(/^\ufeff/, "");
}
