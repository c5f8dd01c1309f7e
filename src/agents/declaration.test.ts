import { describe, expect, test } from "vitest";
import { z } from "zod";
import { microUsd } from "../kernel/index.ts";
import { type Agent, defineAgent } from "./agent.ts";

const clerk: Agent = {
  ...{ name: "clerk", version: 1, policy: "Note.", input: z.unknown(), tools: [], checks: [], guards: [] },
  tables: {
    "public.orders": "write",
    "public.people": { access: "read", columns: { read: ["id"] }, rows: "true" },
  },
  cascade: [{ ...{ kind: "code", name: "none" }, run: async () => ({ kind: "finished", doubts: [] }) }],
  value: () => microUsd(0),
  present: () => ({ title: "", text: "" }),
};

describe("a declaration", () => {
  test("with every part in its place is taken", () => {
    expect(defineAgent(clerk)).toBe(clerk);
  });

  test.each<readonly [string, object, string]>([
    ["guards that nobody would ask", { gaurds: [] }, "it has gaurds"],
    ["a policy that says nothing", { policy: " " }, "its policy is empty"],
    ["an access that there is not", { tables: { "public.orders": "wrte" } }, 'access "wrte"'],
    ["a table without access", { tables: { "public.orders": { rows: "true" } } }, "access undefined"],
    ["a row condition that nobody would read", grant({ row: "tenant_id = 1" }), "public.orders has row,"],
    [
      "columns that nobody would read",
      grant({ columns: { reads: ["id"] } }),
      "has reads, which is none of read",
    ],
    ["tools for an access that there is not", { generate: { "public.orders": "all" } }, 'access "all"'],
  ])("is refused with %s", (_, wrong, because) => {
    expect(() => defineAgent({ ...clerk, ...wrong })).toThrowError(because);
  });
});

function grant(wrong: object): object {
  return { tables: { "public.orders": { access: "write", ...wrong } } };
}
