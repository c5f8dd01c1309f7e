import type { ModelCard } from "../models/index.ts";
import type { Database } from "../postgres/index.ts";
import { type Channel, judgeServing, servingFacts } from "../terms/index.ts";
import type { GatewayConfig } from "./config.ts";

/** What agreements say of the models that are served: answered from memory, once for each call. */
export type Serving = {
  /** Why a model may not be served now, with the clause, or null. */
  readonly forbids: (card: ModelCard) => string | null;
  /** Judges other models from now on; once it resolves, what is said holds for them. */
  watch(cards: readonly ModelCard[], channels: NonNullable<GatewayConfig["channels"]>): Promise<void>;
  close(): Promise<void>;
};

/** What was agreed, or verified, is at work so long after it became known, and an end so long after it. */
const LOOK_MS = 1_000;

/**
 * Watches the agreements of the company: judges every model by them each second, by the business clock.
 * While Postgres is away, the last word stands.
 *
 * @param channels where the models of an endpoint are served
 */
export async function watchServing(
  db: Database,
  cards: readonly ModelCard[],
  channels: NonNullable<GatewayConfig["channels"]>,
  say: (line: string) => void,
): Promise<Serving> {
  let forbidden: ReadonlyMap<string, string> = new Map();
  let watched = { cards, channels };
  const look = async (): Promise<void> => {
    const looked = watched;
    const { facts, knownAt, at } = await db.transaction(async (tx) => {
      const { rows } = await tx.query<{ now: Date }>("select factotum.now() as now");
      return { ...(await servingFacts(tx)), at: (rows[0]?.now ?? new Date(0)).toISOString() };
    });
    const found = new Map<string, string>();
    for (const card of facts.length === 0 ? [] : looked.cards) {
      const question = { model: card.model, channel: channelOf(card, looked.channels), at };
      const decision = judgeServing(facts, question, knownAt);
      if (decision.kind === "refused") found.set(card.id, decision.refusals[0].because);
    }
    if (looked === watched) forbidden = found;
  };
  await look();
  let failed = false;
  let looking: Promise<void> | undefined;
  const timer = setInterval(() => {
    looking ??= look()
      .then(
        () => void (failed = false),
        (error: unknown) => {
          if (!failed) say(`agreements could not be read, what they said last stands: ${String(error)}`);
          failed = true;
        },
      )
      .finally(() => {
        looking = undefined;
      });
  }, LOOK_MS);
  timer.unref();
  return {
    forbids: ({ id }) => forbidden.get(id) ?? null,
    async watch(nextCards, nextChannels) {
      const former = watched;
      // Those of before are judged on: calls go by them until these take their place.
      const byId = new Map([...former.cards, ...nextCards].map((card) => [card.id, card]));
      watched = { cards: [...byId.values()], channels: nextChannels };
      try {
        await look();
      } catch (error) {
        watched = former;
        throw error;
      }
    },
    async close() {
      clearInterval(timer);
      await looking;
    },
  };
}

function channelOf({ id }: ModelCard, channels: NonNullable<GatewayConfig["channels"]>): Channel {
  const endpoint = id.slice(0, id.indexOf("/"));
  return { cloud: endpoint, api: "stateless-api", region: "unknown", ...channels[endpoint] };
}
