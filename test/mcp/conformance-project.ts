/** A project with what the public conformance suite of the Model Context Protocol asks a server to serve. */
import { defineAgent, defineConfig, microUsd, tool, z } from "factotum";
import { judge } from "factotum/agents";
import type { ScriptedProvider } from "factotum/testing";

const simpleText = tool({
  name: "test_simple_text",
  description: "Answers with one sentence.",
  effect: "read",
  input: z.strictObject({}),
  output: z.string(),
  run: async () => "This is a simple text response for testing.",
});

const errorHandling = tool({
  name: "test_error_handling",
  description: "Always fails.",
  effect: "read",
  input: z.strictObject({}),
  output: z.string(),
  run: async () => {
    throw new Error("This tool intentionally returns an error for testing");
  },
});

const address = z
  .object({ street: z.string().optional(), city: z.string().optional() })
  .meta({ id: "address" });

const withSchema = tool({
  name: "json_schema_2020_12_tool",
  description: "Tool with JSON Schema 2020-12 features",
  effect: "read",
  input: z.strictObject({ name: z.string().optional(), address: address.optional() }),
  output: z.object({ name: z.string().optional() }),
  run: async (_tx, { name }) => ({ name }),
});

const note = tool({
  name: "note",
  description: "Writes a note.",
  effect: "write",
  input: z.strictObject({ id: z.int(), text: z.string() }),
  output: z.object({ id: z.int() }),
  run: async (tx, { id, text }) => {
    await tx.query("insert into notes (id, text) values ($1, $2)", [id, text]);
    return { id };
  },
});

/** The project; its one agent's commits wait for a judge, which is the provider given. */
export function conformanceProject(provider: ScriptedProvider) {
  const clerk = defineAgent<{ readonly note: string }>({
    name: "clerk",
    version: 1,
    policy: "Write down what you are told.",
    input: z.strictObject({ note: z.string() }),
    tables: { "public.notes": "write" },
    tools: [simpleText, errorHandling, withSchema, note],
    checks: [],
    verifiers: [judge({ name: "reader", model: "cheap", instructions: "Read it." })],
    cascade: [
      { kind: "code", name: "nobody", run: async () => ({ kind: "stuck", because: "clients do it" }) },
    ],
    value: () => microUsd(1),
    present: (input) => ({ title: input.note, text: input.note }),
  });
  return defineConfig({
    name: "conformance",
    agents: [clerk],
    models: [
      {
        ...{ id: "small/tiny", provider: "openai-compatible" as const, model: "tiny", baseUrl: provider.url },
        ...{ outputTokensMax: 1_000, price: { inputUsdPerMtok: "1", outputUsdPerMtok: "10" } },
      },
    ],
    prepare: async (tx) => {
      await tx.query("create table if not exists notes (id integer primary key, text text not null)");
    },
  });
}
