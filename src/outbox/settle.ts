import { type EffectId, storableText } from "../kernel/index.ts";
import type { Sender } from "./claim.ts";

/** What a try came to. */
export type Outcome =
  | { readonly kind: "delivered"; readonly note: string | null }
  | { readonly kind: "again"; readonly because: string; readonly inDoubt: boolean; readonly waitMs: number }
  | { readonly kind: "dead"; readonly because: string; readonly inDoubt: boolean };

/** A reason is a sentence, and so is a receiver's answer. */
const TEXT_CHARS_MAX = 1_000;

/**
 * Writes what a try came to, if it is still this deliverer's to write: a deliverer whose lease ran out, and
 * whose effect another took up, changes nothing.
 *
 * @param held.tries as `claim` gave it
 * @returns whether it was
 */
export async function settle(
  db: Sender,
  held: { readonly effect: EffectId; readonly tries: number; readonly holder: string },
  outcome: Outcome,
): Promise<boolean> {
  const failed = outcome.kind !== "delivered";
  const state = { delivered: "delivered", again: "waiting", dead: "dead" }[outcome.kind];
  const { rowCount } = await db.query(
    `update factotum.deliveries set state = $4, holder = null, lease_until = null,
       last_error = coalesce($5, last_error), note = $6, in_doubt = in_doubt or $7,
       retry_at = case when $8::float8 is not null then clock_timestamp() + $8 * interval '1 millisecond' end,
       settled_at = case when $4 <> 'waiting' then factotum.now() end
     where effect = $1 and tries = $2 and holder = $3 and state = 'delivering'`,
    [
      ...[held.effect, held.tries, held.holder, state],
      ...[
        failed ? brief(outcome.because) : null,
        failed || outcome.note === null ? null : brief(outcome.note),
      ],
      ...[failed && outcome.inDoubt, outcome.kind === "again" ? outcome.waitMs : null],
    ],
  );
  return rowCount === 1;
}

function brief(text: string): string {
  const clean = storableText(text);
  return clean.length <= TEXT_CHARS_MAX ? clean : `${clean.slice(0, TEXT_CHARS_MAX - 1)}…`;
}
