import { readFile } from "node:fs/promises";
import { text as textOf } from "node:stream/consumers";
import { z } from "zod";
import { InputError, messageOf } from "../kernel/index.ts";
import type { Answer } from "../server/index.ts";

/** The tool calls of a correction. */
export type Calls = NonNullable<Answer["calls"]>;

const calls = z.array(z.strictObject({ tool: z.string(), input: z.json() })).min(1);

/**
 * Reads the tool calls of a correction from a file, or from stdin for `-`.
 *
 * @throws {InputError} `calls-unreadable`, `calls-invalid`
 */
export async function readCalls(path: string): Promise<Calls> {
  return parseCalls(await readText(path), path === "-" ? "stdin" : path);
}

/** @throws {InputError} `calls-invalid`, with what should be there */
export function parseCalls(text: string, where: string): Calls {
  try {
    const parsed = calls.safeParse(JSON.parse(text));
    if (parsed.success) return parsed.data;
    throw invalid(where, z.prettifyError(parsed.error).replaceAll(/\s+/g, " "));
  } catch (error) {
    throw error instanceof InputError ? error : invalid(where, messageOf(error));
  }
}

async function readText(path: string): Promise<string> {
  try {
    return path === "-" ? await textOf(process.stdin) : await readFile(path, "utf8");
  } catch (error) {
    throw new InputError({
      code: "calls-unreadable",
      message: `${path} cannot be read: ${messageOf(error)}`,
      cause: error,
    });
  }
}

function invalid(where: string, because: string): InputError {
  return new InputError({
    code: "calls-invalid",
    message: `${where} must hold tool calls as JSON, [{ "tool": "name", "input": {} }]: ${because}`,
  });
}
