/** White space and comments as Postgres skips them; block comments nest. */
const BLANK = /[\s;]+|--[^\n\r]*/y;
const WORD = /[a-z]+/iy;

/**
 * The command in a statement that would end, start or chain its transaction, such as `COMMIT`, or
 * undefined. Savepoints are not among them: a tool may use those.
 *
 * A statement arrives alone (the extended protocol refuses a second one), so its first words decide.
 */
export function transactionCommand(sql: string): string | undefined {
  const [first, second] = words(sql);
  if (first === undefined) return undefined;
  if (["begin", "commit", "end", "abort"].includes(first)) return first.toUpperCase();
  if (first === "rollback" && !rollsBackToSavepoint(sql)) return "ROLLBACK";
  if ((first === "start" || first === "prepare") && second === "transaction") {
    return `${first} ${second}`.toUpperCase();
  }
  return undefined;
}

/** Whether a statement is a query, by its first word; a read-only transaction sees to it that none writes. */
export function isQuery(sql: string): boolean {
  return ["select", "with", "values", "table"].includes(words(sql)[0] ?? "");
}

function rollsBackToSavepoint(sql: string): boolean {
  const [, second, third] = words(sql);
  return second === "to" || ((second === "work" || second === "transaction") && third === "to");
}

/** The first three words of a statement, in lower case. */
function words(sql: string): string[] {
  const found: string[] = [];
  let at = 0;
  while (found.length < 3) {
    at = skipBlank(sql, at);
    WORD.lastIndex = at;
    const word = WORD.exec(sql)?.[0];
    if (word === undefined) break;
    found.push(word.toLowerCase());
    at = WORD.lastIndex;
  }
  return found;
}

function skipBlank(sql: string, start: number): number {
  let at = start;
  for (;;) {
    BLANK.lastIndex = at;
    if (BLANK.test(sql)) at = BLANK.lastIndex;
    else if (sql.startsWith("/*", at)) at = skipBlockComment(sql, at);
    else return at;
  }
}

function skipBlockComment(sql: string, start: number): number {
  let depth = 0;
  let at = start;
  do {
    if (sql.startsWith("/*", at)) {
      depth += 1;
      at += 2;
    } else if (sql.startsWith("*/", at)) {
      depth -= 1;
      at += 2;
    } else at += 1;
  } while (depth > 0 && at < sql.length);
  return at;
}
