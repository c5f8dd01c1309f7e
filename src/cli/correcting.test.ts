import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { Json } from "../kernel/index.ts";
import { editCalls } from "./edit-calls.ts";
import { parseCalls } from "./read-calls.ts";
import { skeleton } from "./skeleton.ts";
import { makeTerminal } from "./terminal.ts";

const folder = mkdtempSync(join(tmpdir(), "factotum-edit-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An editor that replaces text, as a person would, without waiting for one. */
function editor(from: string, to: string): { readonly EDITOR: string } {
  const script = join(folder, "editor.mjs");
  writeFileSync(
    script,
    `import { readFileSync, writeFileSync } from "node:fs";
     const [from, to, file] = process.argv.slice(2);
     writeFileSync(file, readFileSync(file, "utf8").replaceAll(from, to));`,
  );
  return { EDITOR: `"${process.execPath}" "${script}" ${from} ${to}` };
}

const terminal = makeTerminal(process, { NO_COLOR: "1" }, { json: false, color: undefined });

describe("a correction", () => {
  test("starts from the staged calls and comes back as the person left it", async () => {
    const start = [{ tool: "book", input: { amount: 10 } }];
    expect(await editCalls(start, false, editor("10", "12"), terminal)).toEqual([
      { tool: "book", input: { amount: 12 } },
    ]);
    expect(await editCalls(start, false, editor("none", "same"), terminal)).toEqual(start);
  });

  test("an editor that fails is an error that names it", async () => {
    await expect(editCalls([], false, { EDITOR: "false" }, terminal)).rejects.toMatchObject({
      code: "editor-failed",
    });
  });

  test("is refused with a sentence when it is no list of calls", () => {
    for (const text of [
      "",
      "{}",
      "[]",
      '[{"tool":1,"input":{}}]',
      '[{"tool":"a"}]',
      '[{"tool":"a","input":{},"x":1}]',
    ]) {
      expect(() => parseCalls(text, "stdin")).toThrow(/^stdin must hold tool calls as JSON/);
    }
    expect(parseCalls('[{"tool":"a","input":null}]', "stdin")).toEqual([{ tool: "a", input: null }]);
  });

  test("without staged calls starts from placeholders that have the tools' shape", () => {
    const schema = z.strictObject({
      ...{ name: z.string(), count: z.number(), sure: z.boolean(), note: z.string().optional() },
      ...{ kind: z.enum(["new", "old"]), lines: z.array(z.strictObject({ of: z.string().nullable() })) },
    });
    const common = { agent: "clerk", description: "", inputSchema: z.toJSONSchema(schema) as Json };
    const tools = [
      { name: "find", effect: "read" as const, ...common },
      { name: "put", effect: "write" as const, ...common },
    ];
    const input = { name: "", count: 0, sure: false, kind: "new", lines: [{ of: "" }] };
    expect(skeleton(tools)).toEqual([{ tool: "put", input }]);
    expect(schema.safeParse(input).success).toBe(true);
  });
});
