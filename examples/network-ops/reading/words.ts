/**
 * A pattern of many alternatives, written over several lines.
 *
 * @param alternatives pieces of one alternation; each may hold several alternatives with `|` between
 */
export function wordsIn(
  before: string,
  alternatives: readonly string[],
  after: string,
  flags: string,
): RegExp {
  return new RegExp(`${before}(?:${alternatives.join("|")})${after}`, flags);
}
