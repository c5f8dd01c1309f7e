/** Who is served, and who flies. */
import type { Finding } from "factotum/policy";
import { daysIn } from "../retail/figures.ts";
import { customerWords, type DeskContext, wordsOf } from "../retail/conversation.ts";

/**
 * "The user must provide their user id", and one customer is served. Who named a reservation of theirs but
 * not themselves is asked about; a guard refuses what nobody laid claim to.
 */
export async function oneCustomer(context: DeskContext): Promise<readonly Finding[]> {
  const { diff, view } = context;
  const reservations = [...new Set(diff.flatMap((row) => row.key["reservation_id"] ?? []))];
  const { rows } = await view.query<{ id: string }>(
    "select distinct user_id as id from airline.reservations where reservation_id = any ($1)",
    [reservations],
  );
  const served = new Set([...rows.map((row) => row.id), ...diff.flatMap((row) => row.key["user_id"] ?? [])]);
  const words = customerWords(context);
  const unnamed = [...served].filter((id) => !words.includes(id.toLowerCase()));
  if (served.size > 1) {
    return [{ kind: "fail", because: `rows of ${[...served].join(" and ")} would be changed at once` }];
  }
  return unnamed.map((id) => ({
    kind: "ask",
    because: `the customer never said that they are ${id}`,
  }));
}

type Person = { readonly first_name: string; readonly last_name: string; readonly dob: string };

/** "Collect the first name, last name, and date of birth": nobody flies under a birthday that was made up. */
export async function passengersKnown(context: DeskContext): Promise<readonly Finding[]> {
  const { diff, view } = context;
  const added = diff.filter(
    (row) => row.table === "airline.reservation_passengers" && row.kind !== "delete" && row.after !== null,
  );
  if (added.length === 0) return [];
  const { rows: owners } = await view.query<{ id: string; owner: string }>(
    "select reservation_id as id, user_id as owner from airline.reservations where reservation_id = any ($1)",
    [added.map((row) => row.key["reservation_id"])],
  );
  const said = daysIn(customerWords(context), context.at.getUTCFullYear());
  const listed = daysIn(wordsOf(context.turns, "agent"), context.at.getUTCFullYear());
  const findings: Finding[] = [];
  for (const row of added) {
    const owner = owners.find((one) => one.id === row.key["reservation_id"])?.owner;
    const { first_name, last_name, dob } = row.after as unknown as Person;
    if (said.has(dob)) continue;
    // A customer's own birthday stands in the profile alone, others' in what was saved or booked before.
    const { rows } = await view.query(
      `with own as (select first_name, last_name, dob from airline.users where user_id = $1),
         known as (select first_name, last_name, dob from airline.saved_passengers where user_id = $1
           union all select p.first_name, p.last_name, p.dob
             from airline.reservation_passengers p join airline.reservations using (reservation_id)
             where user_id = $1 and reservation_id <> $5)
       select from own where first_name = $2 and last_name = $3 and dob = $4
       union all select from known where first_name = $2 and last_name = $3 and dob = $4
         and not exists (select from own where first_name = $2 and last_name = $3)`,
      [owner, first_name, last_name, dob, row.key["reservation_id"]],
    );
    if (rows.length > 0) continue;
    // What the agent listed the customer may have seen and agreed to; what nobody spoke of is made up.
    const because = `said that ${first_name} ${last_name} was born on ${dob}`;
    if (listed.has(dob)) findings.push({ kind: "ask", because: `only the agent ${because}` });
    else findings.push({ kind: "fail", because: `nobody ${because}` });
  }
  return findings;
}
