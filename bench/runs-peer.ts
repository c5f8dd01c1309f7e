/** The peer: LangGraph.js with its Postgres checkpointer, each step checkpointed before the next begins. */
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { PostgresSaver } from "@langchain/langgraph-checkpoint-postgres";

/** What is compared with. */
export const peerName = "LangGraph.js, PostgresSaver, durability sync";

/** A peer whose checkpoint tables are made. */
export type Peer = {
  /** Steps a second of `runs` graphs of `steps` steps each, `concurrency` at a time. */
  stepsPerSecond(runs: number, steps: number, concurrency: number): Promise<number>;
  close(): Promise<void>;
};

/** Connects the peer to the same server. */
export async function openPeer(url: string): Promise<Peer> {
  const checkpointer = PostgresSaver.fromConnString(url);
  await checkpointer.setup();
  const State = Annotation.Root({ n: Annotation<number>(), to: Annotation<number>() });
  const graph = new StateGraph(State)
    .addNode("turn", (state) => ({ n: state.n + 1 }))
    .addEdge(START, "turn")
    .addConditionalEdges("turn", (state) => (state.n < state.to ? "turn" : END))
    .compile({ checkpointer });
  let born = 0;
  return {
    stepsPerSecond: async (runs, steps, concurrency) => {
      const began = performance.now();
      let left = runs;
      const one = async (): Promise<void> => {
        while (left > 0) {
          left -= 1;
          born += 1;
          const thread = { configurable: { thread_id: `t${born}` }, recursionLimit: steps + 2 };
          await graph.invoke({ n: 0, to: steps }, { ...thread, durability: "sync" });
        }
      };
      await Promise.all(Array.from({ length: concurrency }, one));
      return (runs * steps * 1_000) / (performance.now() - began);
    },
    close: async () => await checkpointer.end(),
  };
}
