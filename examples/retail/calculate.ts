/** Arithmetic for an agent that should not do sums in its head. */
import { tool, type Tool } from "factotum/agents";
import { InputError } from "factotum/kernel";
import { z } from "zod";
import type { Dialect } from "./dialect.ts";
import { refusal } from "./dialect.ts";

/** Longest expression read, in characters. */
const EXPRESSION_CHARS_MAX = 1_000;

/** The `calculate` tool of either business. */
export function calculateTool(dialect: Dialect): Tool {
  return tool({
    name: "calculate",
    description: "Calculates an expression of numbers, + - * /, parentheses and spaces.",
    effect: "read",
    input: z.strictObject({ expression: z.string().max(EXPRESSION_CHARS_MAX) }),
    output: z.string(),
    run: async (_tx, { expression }) => {
      if (!/^[0-9+\-*/(). ]*$/.test(expression)) throw refusal(dialect, "Invalid characters in expression");
      return asFloat(evaluate(expression));
    },
  });
}

/**
 * The value of an expression, by recursive descent: sums of products of signed numbers or parentheses.
 *
 * @throws {InputError} `expression-invalid`
 */
export function evaluate(expression: string): number {
  const tokens = expression.match(/\d+\.?\d*|\.\d+|\*\*|\/\/|\S/g) ?? [];
  let at = 0;
  const sum = (): number => {
    let value = product();
    while (tokens[at] === "+" || tokens[at] === "-") value += tokens[at++] === "+" ? product() : -product();
    return value;
  };
  const product = (): number => {
    let value = signed();
    while (tokens[at] === "*" || tokens[at] === "/")
      value = tokens[at++] === "*" ? value * signed() : divided(value);
    return value;
  };
  const divided = (value: number): number => {
    const by = signed();
    if (by === 0) throw invalid(expression, "division by zero");
    return value / by;
  };
  const signed = (): number => {
    const token = tokens[at++];
    if (token === "-") return -signed();
    if (token === "+") return signed();
    if (token === "(") {
      const value = sum();
      if (tokens[at++] !== ")") throw invalid(expression, "a parenthesis is not closed");
      return value;
    }
    const value = Number(token ?? "");
    if (token === undefined || !/[0-9]/.test(token)) throw invalid(expression, "a number is missing");
    return value;
  };
  const value = sum();
  if (at < tokens.length) throw invalid(expression, `${tokens[at] ?? ""} is not expected there`);
  return value;
}

/** Two decimals at most and one at least, as the recordings write a float: `12.0`, `9.89`. */
function asFloat(value: number): string {
  const rounded = Math.round((value + Number.EPSILON) * 100) / 100;
  return Number.isInteger(rounded) ? `${rounded}.0` : String(rounded);
}

function invalid(expression: string, because: string): InputError {
  return new InputError({
    code: "expression-invalid",
    message: `${expression} cannot be calculated: ${because}; write it with numbers, + - * / and parentheses`,
  });
}
