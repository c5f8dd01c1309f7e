import type { Json, JsonObject } from "../../kernel/index.ts";

/** What of a request another protocol cannot say, by the client's own names of the fields. */
export class Losses {
  /** Said nowhere in the other protocol. */
  readonly #lost = new Set<string>();
  /** Said by something close to it. */
  readonly #near = new Set<string>();
  /** Thoughts that only another provider could have read again. */
  stripped = 0;

  lose(at: string): void {
    this.#lost.add(at);
  }

  bend(at: string): void {
    this.#near.add(at);
  }

  get lost(): readonly string[] {
    return [...this.#lost];
  }

  get near(): readonly string[] {
    return [...this.#near];
  }
}

/** A request that is not what its protocol says, at a field that has a name. Caught at the door. */
export class MalformedError extends Error {
  readonly at: string;

  constructor(at: string, expected: string) {
    super(`${at} must be ${expected}`);
    this.at = at;
  }
}

/**
 * Reads an object field by field and remembers which were read: what is left at the end is lost, whatever it
 * is called, so that a field nobody thought of is never dropped silently. A null counts as not given.
 */
export class Fields {
  readonly at: string;
  readonly #object: JsonObject;
  readonly #losses: Losses;
  readonly #left: Set<string>;

  /** @throws {MalformedError} where `value` is no object */
  constructor(value: Json | undefined, at: string, losses: Losses) {
    if (!isObject(value)) throw new MalformedError(at === "" ? "the body" : at, "an object");
    this.at = at;
    this.#object = value;
    this.#losses = losses;
    this.#left = new Set(Object.keys(value).filter((name) => value[name] !== null));
  }

  /** The full name of a field. */
  path(name: string): string {
    return this.at === "" ? name : `${this.at}.${name}`;
  }

  has(name: string): boolean {
    return this.#left.has(name);
  }

  take(name: string): Json | undefined {
    return this.#left.delete(name) ? this.#object[name] : undefined;
  }

  text(name: string): string | undefined {
    return this.#typed(name, "a text", (value) => typeof value === "string");
  }

  number(name: string): number | undefined {
    return this.#typed(name, "a number", (value) => typeof value === "number");
  }

  flag(name: string): boolean | undefined {
    return this.#typed(name, "true or false", (value) => typeof value === "boolean");
  }

  object(name: string): JsonObject | undefined {
    return this.#typed(name, "an object", isObject);
  }

  list(name: string): readonly Json[] | undefined {
    return this.#typed(name, "a list", isList);
  }

  texts(name: string): readonly string[] | undefined {
    const isTexts = (value: Json): value is readonly string[] =>
      isList(value) && value.every((each) => typeof each === "string");
    return this.#typed(name, "a list of texts", isTexts);
  }

  /** A text that must be there. */
  theText(name: string): string {
    return this.#there(name, this.text(name));
  }

  /** A number that must be there. */
  theNumber(name: string): number {
    return this.#there(name, this.number(name));
  }

  /** An object inside, as fields of its own. */
  inner(name: string): Fields | undefined {
    const value = this.object(name);
    return value === undefined ? undefined : new Fields(value, this.path(name), this.#losses);
  }

  /** The objects of a list inside. */
  inners(name: string): readonly Fields[] {
    return this.nested(name, this.list(name) ?? []);
  }

  /** The objects of a list that was taken from `name`. */
  nested(name: string, list: Json): readonly Fields[] {
    if (!isList(list)) throw new MalformedError(this.path(name), "a list");
    return list.map((value, index) => new Fields(value, `${this.path(name)}[${index}]`, this.#losses));
  }

  /** Gives this object up as a whole. */
  loseAll(): void {
    this.#losses.lose(this.at);
    this.#left.clear();
  }

  /** Gives a field up that is known and cannot be said in any other protocol. */
  lose(name: string): void {
    if (this.#left.delete(name)) this.#losses.lose(this.path(name));
  }

  /** Takes fields that say what holds anyway; any other value is lost. */
  ignore(name: string, ...values: readonly Json[]): void {
    if (values.includes(this.#object[name] ?? null)) this.#left.delete(name);
  }

  /** The end: what nobody took is lost. */
  end(): void {
    for (const name of this.#left) this.#losses.lose(this.path(name));
    this.#left.clear();
  }

  #there<T>(name: string, value: T | undefined): T {
    if (value === undefined) throw new MalformedError(this.path(name), "given");
    return value;
  }

  #typed<T extends Json>(name: string, expected: string, is: (value: Json) => value is T): T | undefined {
    const value = this.take(name);
    if (value === undefined) return undefined;
    if (is(value)) return value;
    throw new MalformedError(this.path(name), expected);
  }
}

/** Whether a value is an object, not a list. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether a value is a list. */
export function isList(value: unknown): value is readonly Json[] {
  return Array.isArray(value);
}

/** A field of a reply: what providers add to replies is no reason to fail. */
export function get(value: unknown, ...names: readonly (string | number)[]): Json | undefined {
  let found: unknown = value;
  for (const name of names) {
    found = typeof found === "object" && found !== null ? Reflect.get(found, name) : undefined;
  }
  return found as Json | undefined;
}

/** A text of a reply, or the empty one. */
export function textIn(value: unknown, ...names: readonly (string | number)[]): string {
  const found = get(value, ...names);
  return typeof found === "string" ? found : "";
}

/** A count of a reply, or 0. */
export function countIn(value: unknown, ...names: readonly (string | number)[]): number {
  const found = get(value, ...names);
  return typeof found === "number" && Number.isFinite(found) && found > 0 ? found : 0;
}

/** A list of a reply, or an empty one. */
export function listIn(value: unknown, ...names: readonly (string | number)[]): readonly Json[] {
  const found = get(value, ...names);
  return isList(found) ? found : [];
}

/** The object without the fields that are undefined. */
export function given(object: { readonly [name: string]: Json | undefined }): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as JsonObject;
}
