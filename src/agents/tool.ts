import { z } from "zod";
import { type Effect, emit, rely, type RelyOptions, type RelyParameter } from "../changes/index.ts";
import { InputError, type Json, type RunId } from "../kernel/index.ts";
import type { Transaction } from "../postgres/index.ts";

/** What a tool may know of the work it serves, besides its own input. */
export type ToolContext = {
  readonly runId: RunId;
  /** The run's input as stored; parse it before use. */
  readonly input: Json;
  /** Business time. */
  readonly at: Date;
  /**
   * Runs a query and makes the attempt depend on what it gives: where the commit finds anything else, a row
   * that appeared included, the attempt is made again on fresh data. For what decides, such as seats sold.
   * `firm` holds off writers that are no agents, too, for as long as the commit takes.
   */
  readonly rely: <R extends object = Record<string, unknown>>(
    sql: string,
    params?: readonly RelyParameter[],
    options?: RelyOptions,
  ) => Promise<readonly R[]>;
  /**
   * Stages an effect outside the database, to a channel that the agent declares: delivered after the commit,
   * at least once, or thrown away with the rest.
   */
  readonly emit: (effect: Effect) => Promise<void>;
};

/** What a tool's caller knows of the run. */
export type CallContext = Omit<ToolContext, "rely" | "emit">;

/** A tool as the agent loop sees it: JSON in, JSON out, over a staged transaction. */
export type Tool = {
  readonly name: string;
  readonly description: string;
  readonly effect: "read" | "write";
  /** JSON Schema of the input, as given to a model. */
  readonly inputSchema: Json;
  /**
   * Parses the input, runs, and parses the output.
   *
   * @throws {InputError} `tool-input` when the input does not fit; whatever the tool itself throws
   */
  call(tx: Transaction, input: Json, context: CallContext): Promise<Json>;
};

/** A tool as an engineer writes it: a typed function over a transaction. */
export type ToolSpec<In extends z.ZodType, Out extends z.ZodType> = {
  readonly name: string;
  readonly description: string;
  readonly effect: "read" | "write";
  readonly input: In;
  readonly output: Out;
  run(tx: Transaction, input: z.output<In>, context: ToolContext): Promise<z.input<Out>>;
};

/** Makes a tool of a typed function. Its writes are staged by whoever calls it, never committed here. */
export function tool<In extends z.ZodType, Out extends z.ZodType>(spec: ToolSpec<In, Out>): Tool {
  return {
    name: spec.name,
    description: spec.description,
    effect: spec.effect,
    inputSchema: z.toJSONSchema(spec.input, { io: "input", unrepresentable: "any" }) as Json,
    async call(tx, input, context) {
      const parsed = spec.input.safeParse(input);
      if (!parsed.success) throw inputError(spec.name, parsed.error);
      const whole: ToolContext = {
        ...context,
        rely: (sql, params, options) => rely(tx, sql, params, options),
        emit: (effect) => emit(tx, effect),
      };
      return spec.output.parse(await spec.run(tx, parsed.data, whole)) as Json;
    },
  };
}

function inputError(name: string, error: z.ZodError): InputError {
  return new InputError({
    code: "tool-input",
    message: `${name} refused its input: ${z.prettifyError(error).replaceAll(/\s+/g, " ")}`,
    cause: error,
  });
}
