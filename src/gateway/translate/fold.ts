import type { Finish, Opened, Said, SaidPart, Sealed, TokenChoice, Totals, WholeSaid } from "./ask.ts";

/** A part under way. */
type Building = { readonly part: Opened; text: string; sealed: Sealed | null; weights: TokenChoice[] };

/** Puts an answer together from what was said. */
export class Fold {
  #id = "";
  #model = "";
  readonly #parts: Building[] = [];
  #finish: Finish | null = null;
  #stopSequence: string | null = null;
  #totals: Totals | null = null;

  add(said: Said): void {
    const last = this.#parts.at(-1);
    switch (said.kind) {
      case "start":
        this.#id = said.id;
        this.#model = said.model;
        break;
      case "open":
        this.#parts.push({ part: said.part, text: "", sealed: null, weights: [] });
        break;
      case "more":
        if (last === undefined) break;
        last.text += said.text;
        last.weights.push(...(said.weights ?? []));
        break;
      case "seal":
        if (last !== undefined) last.sealed = said.sealed;
        break;
      case "usage":
        this.#totals = said.totals;
        break;
      case "finish":
        this.#finish = said.finish;
        this.#stopSequence = said.stopSequence ?? null;
        break;
      case "close":
      case "error":
        break;
    }
  }

  /** The latest part, as far as it has come. */
  get last(): SaidPart | undefined {
    return this.#parts.at(-1);
  }

  get totals(): Totals | null {
    return this.#totals;
  }

  /** Whether the model has said why it stopped. */
  get finished(): boolean {
    return this.#finish !== null;
  }

  whole(): WholeSaid {
    return {
      ...{ id: this.#id, model: this.#model, parts: this.#parts, finish: this.#finish ?? "other" },
      ...{ stopSequence: this.#stopSequence, totals: this.#totals },
    };
  }
}

/** A whole answer from what was said. */
export function folded(said: readonly Said[]): WholeSaid {
  const fold = new Fold();
  for (const each of said) fold.add(each);
  return fold.whole();
}
