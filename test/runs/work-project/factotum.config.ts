/** Agents whose work stands still for as long as a test holds a lock, so that it can look at who has what. */
import { type Agent, defineAgent, defineConfig, invariant, microUsd, tool, z } from "factotum";

const Piece = z.strictObject({ name: z.string() });
type Piece = z.infer<typeof Piece>;

const finish = tool({
  name: "finish_piece",
  description: "Finishes a piece, once nobody holds the gate.",
  effect: "write",
  input: Piece,
  output: z.strictObject({}),
  run: async (tx, { name }) => {
    await tx.query("select pg_advisory_xact_lock_shared(4711)");
    await tx.query("insert into mill.pieces (name) values ($1)", [name]);
    return {};
  },
});

const agent = (name: string): Agent =>
  defineAgent<Piece>({
    ...{ name, version: 1, policy: "Finish every piece.", input: Piece, tools: [finish] },
    tables: { "mill.pieces": "write" },
    checks: [invariant("nothing is wrong", () => [])],
    cascade: [
      {
        ...{ kind: "code", name: "finish" },
        run: async ({ input, call }) => {
          await call("finish_piece", input);
          return { kind: "finished", doubts: [] };
        },
      },
    ],
    value: () => microUsd(1),
    present: ({ name: piece }) => ({ title: piece, text: piece }),
  });

export default defineConfig({
  name: "mill",
  agents: [agent("saw"), agent("plane")],
  prepare: async (tx) => {
    await tx.query(`create schema if not exists mill;
      create table if not exists mill.pieces (
        id bigint generated always as identity primary key, name text not null)`);
  },
});
