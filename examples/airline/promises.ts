/** "You should not make up any information": what the agent says it did, it did. */
import { type DeskContext, wordsOf } from "../retail/conversation.ts";

type Promise = { readonly what: string; readonly said: RegExp; readonly doneBy: readonly string[] };

const PROMISES: readonly Promise[] = [
  {
    what: "bags were added",
    said: /\b(bags?|baggage|luggage|suitcases?)\b[^.!?]{0,30}\b(has|have) been (successfully )?added\b/,
    doneBy: ["update_reservation_baggages", "book_reservation"],
  },
  {
    // Without "successfully" it may be the airline's own cancellation that is spoken of.
    what: "a reservation was cancelled",
    said: /\b(reservation|booking)s?\b[^.!?]{0,40}\b(has|have) been successfully cancell?ed\b/,
    doneBy: ["cancel_reservation"],
  },
  {
    // No tool of the desk's assigns seats.
    what: "seats are assigned",
    said: /\bseats?( assignments?)?: (an? )?(aisle|window|middle|together|next|adjacent|\d+[a-f]\b)/,
    doneBy: [],
  },
];

/** What the customer was told is done, and is not. */
export function brokenPromises({ turns, calls }: DeskContext): readonly string[] {
  const words = wordsOf(turns, "agent");
  return PROMISES.flatMap(({ what, said, doneBy }) =>
    said.test(words) && !calls.some((call) => doneBy.includes(call.tool))
      ? [`the customer was told that ${what}; nothing of it is done`]
      : [],
  );
}
