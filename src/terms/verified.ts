import type { Book, Wording } from "./book.ts";
import type { EventOf } from "./event.ts";
import { type Moment, moment, momentText } from "./when.ts";

/** What an expert last said of a declaration, and when. */
export type Position = {
  readonly expert: string;
  readonly says: "sign" | "dissent" | "retract";
  readonly at: string;
};

/** Where a declared event stands: who declared it, who signed, and whether the quorum was ever reached. */
export type Verification = {
  readonly declaration: string;
  readonly event: string;
  readonly by: string;
  readonly declaredAt: string;
  /** The first instant at which the quorum stood by it; null while it is only declared. */
  readonly verifiedAt: string | null;
  readonly signed: number;
  readonly quorum: number;
  /** The last word of each expert, dissent and retraction included. */
  readonly positions: readonly Position[];
};

/** The wording that holds at a moment: the highest version whose time has come, or null before the first. */
export function wordingAt(book: Book, at: Moment): Wording | null {
  return book.wordings.findLast((one) => one.from <= at) ?? null;
}

/**
 * When an event was verified: the first moment at which as many of the panel's experts stood by one
 * declaration of a party as the quorum asks. A declaration alone verifies nothing, nor does the word of
 * anyone else; what an expert says later stays on record and undoes nothing.
 */
export function verifiedAt(book: Book, event: string): Moment | null {
  const found = declarationsOf(book, event)
    .map((one) => quorumAt(book, one))
    .filter((at) => at !== null);
  return found.length === 0 ? null : found.reduce((first, at) => (at < first ? at : first));
}

/** Every declaration of the agreement with what each expert said of it. */
export function verifications(book: Book): readonly Verification[] {
  return declarationsOf(book).map((declaration) => {
    const words = wordsOn(book, declaration);
    const last = words.at(-1);
    const at = last === undefined ? moment(declaration.at, "UTC") : last.at;
    const panel = wordingAt(book, at)?.terms.panels[declaration.event];
    const verified = quorumAt(book, declaration);
    return {
      ...{
        declaration: declaration.id,
        event: declaration.event,
        by: declaration.by,
        declaredAt: declaration.at,
      },
      verifiedAt: verified === null ? null : momentText(verified),
      signed: standing(words, at, panel?.experts ?? []).length,
      quorum: panel?.quorum ?? 0,
      positions: lastWords(words, at).map(({ by, says, said }) => ({ expert: by, says, at: said })),
    };
  });
}

type Word = {
  readonly by: string;
  readonly says: Position["says"];
  readonly at: Moment;
  readonly said: string;
};

function declarationsOf(book: Book, event?: string): readonly EventOf<"declaration">[] {
  return book
    .of("declaration")
    .filter((one) => one.agreement === book.agreement && (event === undefined || one.event === event))
    .filter((one) => wordingAt(book, moment(one.at, "UTC"))?.terms.parties.includes(one.by) === true);
}

/** What was said of a declaration once it was made, by time and then by id. */
function wordsOn(book: Book, declaration: EventOf<"declaration">): readonly Word[] {
  const since = moment(declaration.at, "UTC");
  return book
    .of("attestation")
    .filter((one) => one.declaration === declaration.id)
    .map(({ by, says, at }) => ({ by, says, at: moment(at, "UTC"), said: at }))
    .filter((one) => one.at >= since)
    .sort((left, right) => (left.at < right.at ? -1 : Number(left.at > right.at)));
}

/** A quorum can come to stand when somebody speaks, or when an amendment changes the panel. */
function quorumAt(book: Book, declaration: EventOf<"declaration">): Moment | null {
  const words = wordsOn(book, declaration);
  const since = moment(declaration.at, "UTC");
  const moments = [...words.map((one) => one.at), ...book.wordings.map((one) => one.from)]
    .filter((at) => at >= since)
    .sort((left, right) => (left < right ? -1 : Number(left > right)));
  const reached = moments.find((at) => {
    const panel = wordingAt(book, at)?.terms.panels[declaration.event];
    return panel !== undefined && standing(words, at, panel.experts).length >= panel.quorum;
  });
  return reached ?? null;
}

function lastWords(words: readonly Word[], at: Moment): readonly Word[] {
  const last = new Map<string, Word>();
  for (const one of words) if (one.at <= at) last.set(one.by, one);
  return [...last.values()].sort((left, right) => (left.by < right.by ? -1 : 1));
}

function standing(words: readonly Word[], at: Moment, experts: readonly string[]): readonly Word[] {
  return lastWords(words, at).filter((one) => one.says === "sign" && experts.includes(one.by));
}
