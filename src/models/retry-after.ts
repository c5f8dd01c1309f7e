const SECONDS = /^\d+(?:\.\d+)?$/;
/** Google states the wait in the body: `"retryDelay": "13s"`. */
const RETRY_DELAY = /"retryDelay"\s*:\s*"(\d+(?:\.\d+)?)s"/;

/**
 * How long an answer asks to wait, milliseconds, from `retry-after-ms`, `retry-after` (seconds or a date,
 * which is measured from the answer's own `date`, so that no clock of ours is needed) or Google's body.
 *
 * @returns null when it does not ask
 */
export function retryAfterMs(headers: Readonly<Record<string, string>>, body: string): number | null {
  const millis = headers["retry-after-ms"];
  if (millis !== undefined && SECONDS.test(millis)) return Math.ceil(Number(millis));
  const header = headers["retry-after"]?.trim();
  if (header !== undefined && SECONDS.test(header)) return Math.ceil(Number(header) * 1000);
  if (header !== undefined) {
    const wait = Date.parse(header) - Date.parse(headers["date"] ?? "");
    if (Number.isFinite(wait)) return Math.max(0, wait);
  }
  const delay = RETRY_DELAY.exec(body)?.[1];
  return delay === undefined ? null : Math.ceil(Number(delay) * 1000);
}
