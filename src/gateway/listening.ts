import type { Server } from "node:http";
import type { Socket } from "node:net";

const CLOSE_MS_MAX = 10_000;

/** Listens, and answers how to stop: calls under way end first, for so long as a grace lasts. */
export async function listen(server: Server, host: string, port: number): Promise<() => Promise<void>> {
  const unasked = watchUnasked(server);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return async () => {
    const cut = setTimeout(() => server.closeAllConnections(), CLOSE_MS_MAX);
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeIdleConnections();
      for (const socket of unasked) socket.destroy();
    });
    clearTimeout(cut);
  };
}

/** Connections on which nothing was asked yet: clients open some ahead, and Node does not call them idle. */
function watchUnasked(server: Server): ReadonlySet<Socket> {
  const unasked = new Set<Socket>();
  server.on("connection", (socket) => {
    unasked.add(socket);
    socket.once("close", () => unasked.delete(socket));
  });
  server.on("request", ({ socket }) => unasked.delete(socket));
  return unasked;
}
