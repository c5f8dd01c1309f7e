/** Whether a list of names, of which each may end with "*", has this one. */
export function matches(patterns: readonly string[], text: string): boolean {
  return patterns.some((pattern) =>
    pattern.endsWith("*") ? text.startsWith(pattern.slice(0, -1)) : pattern === text,
  );
}
