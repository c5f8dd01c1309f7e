import type { ClientBase } from "pg";

/**
 * A client whose statements go through `query`, for tests in which a connection comes to grief between two of
 * them. It is a copy: the client itself goes on as it was. Whatever is put over `query` later, and taken off
 * again, leaves this one in place.
 */
export function withQuery<Client extends ClientBase>(
  client: Client,
  query: (config: never, ...rest: never[]) => Promise<unknown>,
): Client {
  const wire = client as Client & { pipeline?: boolean };
  const own = {
    query: { value: query, writable: true, configurable: true },
    // The driver reads this switch on the client itself: set on the copy, it would switch nothing.
    pipeline: {
      get: () => wire.pipeline,
      set: (on: boolean) => {
        wire.pipeline = on;
      },
    },
  };
  return Object.create(Object.create(client, own) as Client) as Client;
}
