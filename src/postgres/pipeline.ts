import type { ClientBase, QueryConfig, QueryResult } from "pg";

/** The driver's client with the switch that its types do not show: send without waiting for answers. */
type Pipelined = ClientBase & { pipeline?: boolean };

/** How many are sending together on a client right now: the last one to finish turns the switch back. */
const sending = new WeakMap<ClientBase, number>();

/**
 * Sends statements in one network round trip. Each is executed even when one before it failed, which inside
 * a transaction means that it fails too, but for a rollback, or a commit that becomes one.
 *
 * @param send the client's own `query`, past whatever guards the client a tool sees
 * @returns what became of each, once all have been answered
 */
export async function sendTogether(
  client: ClientBase,
  statements: readonly QueryConfig[],
  send: ClientBase["query"] = client.query.bind(client),
): Promise<readonly PromiseSettledResult<QueryResult<Record<string, unknown>>>[]> {
  const switched: Pipelined = client;
  sending.set(client, (sending.get(client) ?? 0) + 1);
  switched.pipeline = true;
  try {
    return await Promise.allSettled(
      statements.map(async (statement) => await send<Record<string, unknown>>(statement)),
    );
  } finally {
    const left = (sending.get(client) ?? 1) - 1;
    sending.set(client, left);
    if (left === 0) switched.pipeline = false;
  }
}
