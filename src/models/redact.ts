/** Shapes of keys that providers quote back, masked in part or whole: OpenAI, Anthropic, Google, bearer. */
const KEY_SHAPES = [
  /\bsk-[A-Za-z0-9_*.-]{6,}/g,
  /\bAIza[A-Za-z0-9_*-]{10,}/g,
  /\bBearer\s+[A-Za-z0-9._~+/=*-]{6,}/gi,
];
const KEY_LENGTH_MIN = 4;
const REDACTED = "[key removed]";

/** Longest excerpt of a provider's own words that goes into a message. */
const EXCERPT_CHARS_MAX = 300;

/** `text` without the keys given and without anything shaped like a key. */
export function withoutKeys(text: string, keys: readonly (string | undefined)[]): string {
  let clean = text;
  for (const key of keys) {
    if (key !== undefined && key.length >= KEY_LENGTH_MIN) clean = clean.replaceAll(key, REDACTED);
  }
  for (const shape of KEY_SHAPES) clean = clean.replaceAll(shape, REDACTED);
  return clean;
}

/** One line of a provider's own words, short and without keys. */
export function excerpt(text: string, keys: readonly (string | undefined)[]): string {
  const line = withoutKeys(text, keys).replaceAll(/\s+/g, " ").trim();
  return line.length > EXCERPT_CHARS_MAX ? `${line.slice(0, EXCERPT_CHARS_MAX)}…` : line;
}
