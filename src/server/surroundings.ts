/** What the process is given by whoever starts it: nothing below reads the environment itself. */
export type Surroundings = {
  readonly env: { readonly [name: string]: string | undefined };
  /** The project's folder; an embedded database lives in `.factotum` under it. */
  readonly directory: string;
  readonly say: (line: string) => void;
};
