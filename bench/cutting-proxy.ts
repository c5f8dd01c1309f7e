/** A TCP proxy whose connections can be cut. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A proxy on a port of its own. */
export type CuttingProxy = {
  readonly port: number;
  /** Cuts each open connection that `chosen` says, in the middle of whatever it carries. */
  cut(chosen: () => boolean): number;
  close(): Promise<void>;
};

/** @param target port and host of each new connection's other end, asked when it is made */
export async function openCuttingProxy(
  target: () => { readonly port: number; readonly host: string },
): Promise<CuttingProxy> {
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(target());
    open.add(near);
    const end = (): void => {
      open.delete(near);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      socket.on("error", end);
      socket.on("close", end);
    }
    near.pipe(far);
    far.pipe(near);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    cut: (chosen) => {
      const struck = [...open].filter(chosen);
      for (const socket of struck) socket.resetAndDestroy();
      return struck.length;
    },
    close: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
