import type { Ask, Given, OptionName, Options, Part, Turn } from "./ask.ts";
import type { Losses } from "./fields.ts";

/** What a request is written for. */
export type WriteFor = {
  /** The provider's own name of the model. */
  readonly model: string;
  readonly stream: boolean;
  /** The most output where the client named none, for protocols that want a figure. */
  readonly outputMax: number;
  /** An engine that speaks OpenAI's protocol in its older words. */
  readonly compatible: boolean;
};

/** The options of a request, taken one by one: what a protocol has no words for is left, and lost. */
export class Wanted {
  readonly #options: Options;
  readonly #losses: Losses;
  readonly #left: Set<OptionName>;

  constructor(options: Options, losses: Losses) {
    this.#options = options;
    this.#losses = losses;
    this.#left = new Set(Object.keys(options) as OptionName[]);
  }

  /** The value of an option that the protocol can say. */
  take<N extends OptionName>(name: N): NonNullable<Options[N]>["value"] | undefined {
    this.#left.delete(name);
    return (this.#options[name] as Given<NonNullable<Options[N]>["value"]> | undefined)?.value;
  }

  /** Says that an option is only nearly said. */
  bend(name: OptionName): void {
    this.#left.delete(name);
    const found = this.#options[name];
    if (found !== undefined) this.#losses.bend(found.at);
  }

  lose(name: OptionName): void {
    this.#left.delete(name);
    const found = this.#options[name];
    if (found !== undefined) this.#losses.lose(found.at);
  }

  /** The end: what nobody took is lost. */
  end(): void {
    for (const name of this.#left) this.lose(name);
  }
}

/** Tokens of thinking as an effort; where the borders lie is our choice. */
export function effortOf(tokens: number): string {
  if (tokens <= 2_048) return "low";
  return tokens <= 12_288 ? "medium" : "high";
}

/** The system's words before everything, for protocols that have one place for them. */
export function hoisted(
  ask: Ask,
  losses: Losses,
): { readonly system: readonly Part[]; readonly turns: readonly Turn[] } {
  const system: Part[] = [];
  const turns: Turn[] = [];
  for (const turn of ask.turns) {
    if (turn.role !== "system") turns.push(turn);
    else {
      if (turns.length > 0) losses.bend(turn.at);
      system.push(...turn.parts);
    }
  }
  return { system, turns };
}

/** The text of parts that may only be text; the others are lost. */
export function textsOf(parts: readonly Part[], losses: Losses): readonly string[] {
  return parts.flatMap((part) => {
    if (part.kind === "text") return [part.text];
    losses.lose(part.at);
    return [];
  });
}

/** Says once that wishes to cache are left to the provider, which caches by itself. */
export function bendCaching(ask: Ask, losses: Losses): void {
  const wished =
    ask.turns.some(({ parts }) => parts.some(({ cache }) => cache !== undefined)) ||
    ask.tools.some(({ cache }) => cache !== undefined);
  if (wished) losses.bend("cache_control");
}
