import type { Source } from "./ask.ts";

const DATA_URL = /^data:([\w.+-]+\/[\w.+-]+)?(?:;[\w-]+=[^;,]*)*;base64,/;

/** A picture's or a file's address as a source: contained where it is a data URL. */
export function sourceOf(url: string): Source {
  const found = DATA_URL.exec(url);
  return found === null
    ? { kind: "url", url }
    : { kind: "data", mediaType: found[1] ?? "application/octet-stream", base64: url.slice(found[0].length) };
}

/** What is contained, with or without the frame of a data URL. */
export function dataSourceOf(text: string, mediaType: string): Source {
  const source = sourceOf(text);
  return source.kind === "data" ? source : { kind: "data", mediaType, base64: text };
}

/** A source as an address. */
export function urlOf(source: Source): string {
  return source.kind === "url" ? source.url : `data:${source.mediaType};base64,${source.base64}`;
}
