declare const brand: unique symbol;

/** A `Base` that cannot be mistaken for another: the name exists for the compiler only. */
export type Brand<Base, Name extends string> = Base & { readonly [brand]: Name };
