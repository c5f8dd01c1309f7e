import { z } from "zod";

const NAME_LENGTH_MAX = 200;
const TEXT_LENGTH_MAX = 4_000;

/** Text that Postgres can hold, and that a terminal shows as it is. */
const plain = (text: string): boolean => text.isWellFormed() && !/[\p{Cc}--[\n\t]]/v.test(text);

/** The name of a party, a clause, a stream, an event. */
export const nameText = z
  .string()
  .min(1)
  .max(NAME_LENGTH_MAX)
  .refine((text) => plain(text) && !/[\n\t]/.test(text), "a name without control characters");

/** Words for people. */
export const wordsText = z.string().max(TEXT_LENGTH_MAX).refine(plain, "text without control characters");
