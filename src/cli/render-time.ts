/** An instant as people read it, always in UTC: `2026-03-01 04:05:06Z`. */
export function renderTime(at: Date): string {
  return `${at.toISOString().slice(0, 19).replace("T", " ")}Z`;
}
