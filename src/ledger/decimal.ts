/** Digits after the point in an amount of USD per million tokens that are kept: whole pico-USD per token. */
const PLACES = 6;
const DECIMAL = /^(\d+)(?:\.(\d+))?(?:e([+-]?\d{1,3}))?$/i;

/**
 * An exact decimal, such as the shortest text of a catalogue's number, in whole millionths, half up. USD
 * per million tokens in millionths are pico-USD per token. The catalogue holds a few thirds (0.08333…),
 * which is why it rounds at all.
 *
 * @returns null when the text is not a decimal of 0 or more
 */
export function millionths(text: string): bigint | null {
  const parts = DECIMAL.exec(text);
  if (parts === null) return null;
  const fraction = parts[2] ?? "";
  const digits = BigInt(`${parts[1] ?? "0"}${fraction}`);
  const shift = PLACES - fraction.length + Number(parts[3] ?? "0");
  if (shift >= 0) return digits * 10n ** BigInt(shift);
  const divisor = 10n ** BigInt(-shift);
  return (digits + divisor / 2n) / divisor;
}
