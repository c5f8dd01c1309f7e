import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import { refuse } from "../exchange.ts";
import type { KeyRecord } from "../keys.ts";
import { type Refusal, type Surface, surfaces } from "../surfaces.ts";
import { type Batches, batchObject, ENDPOINTS } from "./batch-store.ts";
import type { FileRecord, Files, Page } from "./file-store.ts";
import { upload } from "./upload.ts";
import { badRequest, EXPIRY_SECONDS_DEFAULT, expiryOf, fileObject, listObject } from "./wire.ts";

/** Answers at `/v1/files` and `/v1/batches`. */
export type Desk = {
  serves(path: string): boolean;
  answer(request: IncomingMessage, response: ServerResponse, key: KeyRecord, id: string): void;
};

/** What is answered with; null where the replicas share no secret to seal with. */
export type DeskParts = {
  readonly files: Files;
  readonly batches: Batches;
  /** A batch was made or cancelled. */
  readonly kick: () => void;
};

const PATH = /^\/v1\/(files|batches)(?:\/([\w-]{1,80})(?:\/(content|cancel))?)?$/;
const FILES_LIMIT = 10_000;
const BATCHES_LIMIT = 100;
const BATCHES_LIMIT_DEFAULT = 20;
/** Batches of one key that are not over. */
const OPEN_MAX = 100;
const BODY_BYTES_MAX = 1_048_576;
const METADATA_MAX = 16;
const METADATA_NAME_MAX = 64;
const METADATA_TEXT_MAX = 512;

const plain = z.string().refine((text) => text.isWellFormed());
const order = z.object({
  input_file_id: plain,
  endpoint: z.enum(ENDPOINTS as [string, ...string[]]),
  completion_window: z.literal("24h"),
  metadata: z
    .record(plain.max(METADATA_NAME_MAX), plain.max(METADATA_TEXT_MAX))
    .refine((pairs) => Object.keys(pairs).length <= METADATA_MAX, `at most ${METADATA_MAX} pairs`)
    .nullish(),
  output_expires_after: z.object({ anchor: z.string(), seconds: z.number() }).nullish(),
});

/** Makes the desk. @param say told of what goes wrong here, never of what was sent */
export function openDesk(parts: DeskParts | null, say: (line: string) => void): Desk {
  return {
    serves: (path) => PATH.test(path),
    answer(request, response, key, id) {
      const asked = { request, response, key, id };
      const told = parts === null ? Promise.resolve(SECRETLESS) : route(parts, asked);
      told
        .then((what) => tell(asked, what))
        .catch((error: unknown) => {
          say(`${request.method} of files and batches, call ${id}: ${String(error)}`);
          tell(asked, AWAY);
        });
    },
  };
}

type Asked = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly key: KeyRecord;
  readonly id: string;
};
/** What is told: an object, a refusal, or null where the answer is on its way already. */
type Told = { readonly object: object } | Refusal | null;

async function route(parts: DeskParts, asked: Asked): Promise<Told> {
  const { request, key } = asked;
  const url = new URL(request.url ?? "/", "http://inside");
  const [, room, id, what] = PATH.exec(url.pathname) ?? [];
  const below = (id === undefined ? "" : "/id") + (what === undefined ? "" : `/${what}`);
  const word = `${request.method} ${room}${below}`;
  const { files, batches } = parts;
  switch (word) {
    case "POST files": {
      const found = await upload(request, files, key);
      return found.kind === "refused" ? found.refusal : { object: fileObject(found.file) };
    }
    case "GET files": {
      const page = pageOf(url, FILES_LIMIT, FILES_LIMIT);
      if ("code" in page) return page;
      const purpose = url.searchParams.get("purpose");
      const found = await files.list(key, { ...page, limit: page.limit + 1, purpose });
      return { object: listObject(found, page.limit, fileObject) };
    }
    case "GET files/id":
    case "GET files/id/content": {
      const file = await files.get(key, id ?? "");
      if (file === null) return missing("file", id);
      if (what === undefined) return { object: fileObject(file) };
      await sendContent(asked.response, files, key, file);
      return null;
    }
    case "DELETE files/id": {
      const isGone = await files.remove(key, id ?? "");
      return isGone ? { object: { id, object: "file", deleted: true } } : missing("file", id);
    }
    case "POST batches":
      return makeBatch(parts, asked);
    case "GET batches": {
      const page = pageOf(url, BATCHES_LIMIT_DEFAULT, BATCHES_LIMIT);
      if ("code" in page) return page;
      const found = await batches.list(key, { ...page, limit: page.limit + 1 });
      return { object: listObject(found, page.limit, batchObject) };
    }
    case "GET batches/id": {
      const batch = await batches.get(key, id ?? "");
      return batch === null ? missing("batch", id) : { object: batchObject(batch) };
    }
    case "POST batches/id/cancel": {
      const batch = await batches.cancel(key, id ?? "");
      if (batch === null) return missing("batch", id);
      if (batch.status !== "cancelling" && batch.status !== "cancelled") {
        const message = `the batch is ${batch.status}, so it cannot be cancelled any more`;
        return { status: 409, code: "batch_over", message };
      }
      parts.kick();
      return { object: batchObject(batch) };
    }
    default:
      return { status: 404, code: "not_found", message: "there is nothing at this address" };
  }
}

async function makeBatch({ files, batches, kick }: DeskParts, { request, key }: Asked): Promise<Told> {
  const text = await textOf(request);
  if (text === null) {
    return { status: 413, code: "body_too_large", message: `${BODY_BYTES_MAX} bytes are the most here` };
  }
  const parsed = order.safeParse(jsonOf(text));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return badRequest("invalid_value", issue?.message ?? "the body is not right", issue?.path.join("."));
  }
  const { endpoint, input_file_id: inputFile, metadata = null, output_expires_after: expires } = parsed.data;
  const file = await files.get(key, inputFile);
  if (file === null || file.purpose !== "batch") {
    return badRequest("file_not_found", "there is no such file of purpose batch", "input_file_id");
  }
  const outputSeconds = expires ? expiryOf(expires) : EXPIRY_SECONDS_DEFAULT;
  if (outputSeconds === null) {
    const message = "files may expire 3600 to 2592000 seconds after created_at";
    return badRequest("invalid_value", message, "output_expires_after");
  }
  if ((await batches.open(key)) >= OPEN_MAX) {
    const message = `a key has ${OPEN_MAX} batches under way at most; make this one when others are over`;
    return { status: 429, code: "too_many_batches", message, retryAfterS: 60 };
  }
  const batch = await batches.make(key, { endpoint, inputFile, metadata, outputSeconds });
  kick();
  return { object: batchObject(batch) };
}

/** A body as text; null for one that is too large. */
async function textOf(request: IncomingMessage): Promise<string | null> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > BODY_BYTES_MAX) return null;
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function pageOf(url: URL, limitDefault: number, limitMax: number): Page | Refusal {
  const limit = Number(url.searchParams.get("limit") ?? limitDefault);
  if (!Number.isInteger(limit) || limit < 1 || limit > limitMax) {
    return badRequest("invalid_value", `limit must be a whole number from 1 to ${limitMax}`, "limit");
  }
  return { after: url.searchParams.get("after"), limit, ascending: url.searchParams.get("order") === "asc" };
}

async function sendContent(
  response: ServerResponse,
  files: Files,
  key: KeyRecord,
  file: FileRecord,
): Promise<void> {
  const disposition = `attachment; filename*=UTF-8''${encodeURIComponent(file.name)}`;
  response.writeHead(200, {
    ...{ "content-type": "application/octet-stream", "content-length": file.bytes },
    "content-disposition": disposition,
  });
  for await (const piece of files.read(key, file)) {
    if (response.destroyed) return;
    if (!response.write(piece)) await drained(response);
  }
  response.end();
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.once("drain", done).once("close", done);
  });
}

function tell({ request, response, id }: Asked, what: Told): void {
  request.resume();
  if (what === null) return;
  if ("code" in what) {
    // Bytes of a file that broke off cannot be taken back.
    if (response.headersSent) response.destroy();
    else refuse(response, SURFACE, what, id);
    return;
  }
  const text = JSON.stringify(what.object);
  const length = Buffer.byteLength(text);
  response.writeHead(200, {
    "content-type": "application/json",
    "content-length": length,
    "x-request-id": id,
  });
  response.end(text);
}

function missing(what: "file" | "batch", id: string | undefined): Refusal {
  return { status: 404, code: "not_found", message: `this key has no ${what} ${id}` };
}

/** Errors here are told as OpenAI tells them. */
const SURFACE = surfaces.get("/v1/chat/completions") as Surface;
const SECRETLESS: Refusal = {
  ...{ status: 501, code: "secret_missing" },
  message: "files and batches are sealed with FACTOTUM_GATEWAY_SECRET, which is not set here",
};
const AWAY: Refusal = {
  ...{ status: 503, code: "store_away", retryAfterS: 1 },
  message: "files and batches cannot be reached now; try again",
};
