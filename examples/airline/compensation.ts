/** Certificates as a gesture: owed by membership, insurance or cabin, asked for, and of the right amount. */
import type { Finding } from "factotum/policy";
import { customerWords, type DeskContext } from "../retail/conversation.ts";
import { anyWord } from "../retail/words.ts";

const COMPLAINS = anyWord(
  ...["compensat\\w*", "certificate", "voucher", "refund", "reimburse\\w*", "make (it|this) (right|up)"],
  ...["gesture", "goodwill", "trouble", "credit"],
);

type Owed = {
  readonly id: string;
  readonly people: number;
  readonly cancelled: boolean;
  readonly delayed: boolean;
};

/** What is wrong with the certificates given. */
export async function certificates(context: DeskContext): Promise<readonly Finding[]> {
  const { diff, view } = context;
  const given = diff.filter((row) => row.table === "airline.payment_methods" && row.kind === "insert");
  const changed = new Set(diff.map((row) => row.key["reservation_id"]));
  const broken: Finding[] = [];
  for (const row of given) {
    const { rows } = await view.query<Owed>(
      `select r.reservation_id as id, bool_or(d.status = 'cancelled') as cancelled,
         bool_or(d.status = 'delayed') as delayed, (select count(*)::int from airline.reservation_passengers p
           where p.reservation_id = r.reservation_id) as people
       from airline.reservations r join airline.users u using (user_id)
       join airline.reservation_flights l using (reservation_id)
       join airline.flight_days d using (flight_number, date)
       where r.user_id = $1 and (u.membership <> 'regular' or r.insurance = 'yes' or r.cabin = 'business')
       group by r.reservation_id`,
      [row.key["user_id"]],
    );
    const amount = Number(row.after?.["amount"]);
    const owed = rows.some(
      (one) =>
        (one.cancelled && amount === 100 * one.people) ||
        ((one.delayed || changed.has(one.id)) && amount === 50 * one.people),
    );
    const because = `no reservation of the customer's is owed a certificate of ${amount}`;
    if (!owed) broken.push({ kind: "fail", because });
    if (!COMPLAINS.test(customerWords(context)))
      broken.push({ kind: "ask", because: "the customer asked for no compensation" });
  }
  return broken;
}
