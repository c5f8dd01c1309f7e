import type { ChangeSetId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";
import type { RowChange } from "./change-set.ts";
import { OUTBOX } from "./emit.ts";
import { type Dependant, UndoRefused } from "./errors.ts";

type Standing = {
  readonly effect: string;
  readonly state: string;
  readonly channel: string;
  /** Delivered, or perhaps. */
  readonly arrived: boolean;
  readonly sure: boolean;
  /** The row that says the contrary, to be inserted; null where the effect carries none. */
  readonly contrary: string | null;
};

/** What an undo does about the effects of a change set. */
export type UndoneEffects = {
  /** The rows of the change set that are taken back: all but the effects that have left. */
  readonly rows: readonly RowChange[];
  /** Effects that say the contrary of those that have left. */
  readonly contraries: readonly RowChange[];
  /** Keeps the others from ever being delivered; to be called once the undo stands. */
  withdraw(): Promise<void>;
};

/** Locked until the end of the transaction, so that no deliverer takes one up meanwhile. */
const STANDINGS = `select d.effect::text, d.state, d.channel, d.state = 'delivered' as sure,
    d.state = 'delivered' or d.in_doubt as arrived,
    case when (d.state = 'delivered' or d.in_doubt) and o.if_undone is not null then
      row(nextval(pg_get_serial_sequence('factotum.outbox', 'id')), o.channel, o.if_undone, o.order_key, 0,
        null, null)::factotum.outbox::text
    end as contrary
  from factotum.deliveries d left join factotum.outbox o on o.id = d.effect
  where d.effect = any($1::bigint[]) order by d.effect for update of d`;

/**
 * Looks at how the effects of a change set stand: what has not left is taken back, what has is answered by
 * its contrary, where it carries one.
 *
 * @throws {UndoRefused} naming an effect that is being delivered, or that has left and carries no contrary
 */
export async function undoEffects(
  tx: Transaction,
  id: ChangeSetId,
  rows: readonly RowChange[],
): Promise<UndoneEffects> {
  const effects = rows.filter((row) => row.table === OUTBOX && row.after !== null);
  if (effects.length === 0) return { rows, contraries: [], withdraw: async () => {} };
  const ids = effects.map((row) => row.key.slice(1, -1));
  const { rows: standings } = await tx.query<Standing>(STANDINGS, [ids]);
  const dependants = standings.flatMap(standsInTheWay);
  if (dependants.length > 0) throw new UndoRefused(id, dependants);
  const left = new Map(standings.filter((one) => one.arrived).map((one) => [`(${one.effect})`, one]));
  const contraries = effects.flatMap((row): readonly RowChange[] => {
    const after = left.get(row.key)?.contrary ?? null;
    if (after === null) return [];
    return [{ ...row, key: `(${after.slice(1, after.indexOf(","))})`, before: null, after }];
  });
  return {
    rows: rows.filter((row) => row.table !== OUTBOX || !left.has(row.key)),
    contraries,
    withdraw: async () => {
      await tx.query(
        `update factotum.deliveries set state = 'withdrawn', retry_at = null, settled_at = factotum.now()
         where effect = any($1::bigint[]) and state <> 'delivered'`,
        [ids],
      );
    },
  };
}

function standsInTheWay({ effect, state, channel, arrived, sure, contrary }: Standing): readonly Dependant[] {
  const what = `effect ${effect} to ${channel}`;
  if (state === "delivering") {
    const because = `${what} is being delivered at this moment; try again when it is through`;
    return [{ kind: "effect", id: effect, because }];
  }
  if (!arrived || contrary !== null) return [];
  const because = sure
    ? `${what} is delivered, and it carries nothing to say the contrary (ifUndone)`
    : `${what} may have arrived (a try got no answer), and it carries nothing to say the contrary (ifUndone)`;
  return [{ kind: "effect", id: effect, because }];
}
