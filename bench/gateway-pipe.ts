/**
 * The bare pipe of `bench:gateway`: node:http, undici's dispatch, and nothing else. What any gateway in Node
 * costs at least. Sends its port to its parent; `process.argv[2]` is the provider's origin.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type Dispatcher, Pool } from "undici";

const pool = new Pool(process.argv[2] ?? "", { connections: null });

class Pipe implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse;
  constructor(response: ServerResponse) {
    this.#response = response;
  }
  onRequestStart(): void {}
  onResponseStart(_: unknown, status: number, headers: Record<string, string>): void {
    delete headers["transfer-encoding"];
    delete headers["connection"];
    this.#response.writeHead(status, headers);
  }
  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#response.write(chunk)) return;
    controller.pause();
    this.#response.once("drain", () => controller.resume());
  }
  onResponseEnd(): void {
    this.#response.end();
  }
  onResponseError(): void {
    this.#response.destroy();
  }
}

const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  const pieces: Buffer[] = [];
  request.on("data", (piece: Buffer) => pieces.push(piece));
  request.on("end", () => {
    const headers = {
      "content-type": "application/json",
      authorization: request.headers.authorization ?? "",
    };
    const body = Buffer.concat(pieces);
    pool.dispatch({ path: request.url ?? "/", method: "POST", headers, body }, new Pipe(response));
  });
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.send?.(typeof address === "object" && address !== null ? address.port : 0);
});
process.on("disconnect", () => process.exit(0));
