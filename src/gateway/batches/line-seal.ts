import type { TenantId } from "../../kernel/index.ts";
import type { Vault } from "../vault.ts";

/** A line's place, and whose it is. */
type Place = { readonly batch: string; readonly tenant: TenantId };

const NEWLINE = 0x0a;

/** A caller's name for a line and its request, as one text: neither JSON string nor name has a line's end. */
export function askText(customId: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify(customId)}\n`), body]);
}

/** Seals what a line asks. */
export function sealAsk(vault: Vault, { tenant, batch }: Place, line: number, ask: Buffer): Buffer {
  return vault.seal(tenant, ask, bound("ask", batch, line));
}

/** What a line asks; null where another secret sealed it. */
export function openAsk(
  vault: Vault,
  { tenant, batch }: Place,
  line: number,
  sealed: Buffer,
): { readonly customId: string; readonly body: Buffer } | null {
  const plain = vault.open(tenant, sealed, bound("ask", batch, line));
  if (plain === null) return null;
  const end = plain.indexOf(NEWLINE);
  return { customId: JSON.parse(plain.toString("utf8", 0, end)) as string, body: plain.subarray(end + 1) };
}

/** Seals what came of a line. */
export function sealAnswer(vault: Vault, { tenant, batch }: Place, line: number, answer: Buffer): Buffer {
  return vault.seal(tenant, answer, bound("answer", batch, line));
}

/** What came of a line; null where another secret sealed it. */
export function openAnswer(
  vault: Vault,
  { tenant, batch }: Place,
  line: number,
  sealed: Buffer,
): Buffer | null {
  return vault.open(tenant, sealed, bound("answer", batch, line));
}

const bound = (what: string, batch: string, line: number): Buffer => Buffer.from(`${what} ${line} ${batch}`);
