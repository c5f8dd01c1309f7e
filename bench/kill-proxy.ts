/** A TCP proxy that counts what passes from one process to its servers, and ends it at one of them. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/**
 * Where death comes:
 * - `before`: what the process sends is not passed on;
 * - `after`: it is passed on and done, and the process dies before it hears the answer.
 */
export type Manner = "before" | "after";

/** All that passes from one process to the outside, over any number of proxies. */
export type Fate = {
  /** Things sent so far. */
  acts: number;
  /** Number of the act that is the last. */
  fatal: number;
  manner: Manner;
  /** Ends the process; resolves when it is gone. */
  readonly strike: () => Promise<void>;
  /** From the fatal act on nothing passes either way. */
  over: boolean;
};

/** A proxy to one server. */
export type KillProxy = { readonly port: number; close(): Promise<void> };

/** @param target where each connection goes */
export async function openKillProxy(target: { host: string; port: number }, fate: Fate): Promise<KillProxy> {
  const open = new Set<Socket>();
  const server = createServer((near) => pass(near, connect(target), fate, open));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    close: () => closeAll(server, open),
  };
}

function pass(near: Socket, far: Socket, fate: Fate, open: Set<Socket>): void {
  const end = (): void => {
    for (const socket of [near, far]) {
      open.delete(socket);
      socket.destroy();
    }
  };
  for (const socket of [near, far]) {
    open.add(socket);
    socket.setNoDelay(true);
    socket.on("error", end);
    socket.on("close", end);
  }
  let awaited = false;
  near.on("data", (chunk) => {
    // The rest of what is fatal: cut in two on its way, it is one thing that was sent.
    if (awaited) return void far.write(chunk);
    if (fate.over) return;
    fate.acts += 1;
    const fatal = fate.acts === fate.fatal;
    if (fatal) fate.over = true;
    if (fatal && fate.manner === "before") return void fate.strike();
    awaited = fatal;
    far.write(chunk);
  });
  far.on("data", (chunk) => {
    // The first of an answer: what was asked for has been done, or has failed.
    if (awaited) return void fate.strike();
    if (!fate.over) near.write(chunk);
  });
  far.on("close", () => {
    // A farewell has no other answer.
    if (awaited) void fate.strike();
  });
}

async function closeAll(server: Server, open: ReadonlySet<Socket>): Promise<void> {
  for (const socket of open) socket.destroy();
  server.close();
  await once(server, "close");
}
