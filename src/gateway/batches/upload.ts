import type { IncomingMessage } from "node:http";
import { PassThrough, type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Busboy, type BusboyHeaders } from "@fastify/busboy";
import type { Refusal } from "../surfaces.ts";
import type { FileRecord, Files, FileWriter, Owner } from "./file-store.ts";
import { badRequest, EXPIRY_SECONDS_DEFAULT, expiryOf } from "./wire.ts";

/** As large as OpenAI takes them. */
const FILE_BYTES_MAX = 200 * 1024 * 1024;
const FIELDS_MAX = 10;
const FIELD_BYTES_MAX = 1_000;

/** What became of a file that was sent. */
export type Uploaded =
  | { readonly kind: "stored"; readonly file: FileRecord }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/**
 * Takes a file in, sealing it as it comes: at no time is more of it here than a part. What it is for may
 * follow behind it, so that is looked at in the end.
 *
 * @throws what Postgres throws; then nothing of it stays
 */
export async function upload(request: IncomingMessage, files: Files, owner: Owner): Promise<Uploaded> {
  if ((await files.room(owner)) <= 0) {
    const message = "the files of this key take all the room they may; delete some, or let them expire";
    return { kind: "refused", refusal: { status: 403, code: "files_full", message } };
  }
  const fields = new Map<string, string>();
  let filing: Promise<FileWriter> | undefined;
  let isTooLarge = false;
  const content = new PassThrough();
  // It may break off before anybody reads it, and whoever reads it then is told.
  content.on("error", () => {});
  try {
    const form = new Busboy({
      headers: request.headers as BusboyHeaders,
      limits: { fileSize: FILE_BYTES_MAX, files: 1, fields: FIELDS_MAX, fieldSize: FIELD_BYTES_MAX },
    });
    form.on("field", (name: string, value: string) => fields.set(name, value));
    form.on("file", (name: string, stream: Readable, filename: string) => {
      stream.on("error", (error) => content.destroy(error));
      if (name !== "file" || filing !== undefined) return void stream.resume();
      filing = take(files, owner, stream.pipe(content), filename ?? "file");
      filing.catch(() => stream.unpipe(content).resume());
      stream.once("limit", () => {
        isTooLarge = true;
      });
    });
    await pipeline(request, form);
  } catch (error) {
    content.destroy();
    await (await filing?.catch(() => undefined))?.discard();
    return {
      kind: "refused",
      refusal: badRequest("multipart_invalid", `the form cannot be read: ${String(error)}`),
    };
  }
  const writer = await filing;
  if (writer === undefined) return refused("the form has no file", "file");
  const because = isTooLarge
    ? badRequest("file_too_large", `a file may have ${FILE_BYTES_MAX} bytes at most`, "file")
    : wrongIn(fields);
  if (because !== null) {
    await writer.discard();
    return { kind: "refused", refusal: because };
  }
  return { kind: "stored", file: await writer.end(secondsOf(fields) ?? EXPIRY_SECONDS_DEFAULT) };
}

async function take(files: Files, owner: Owner, content: Readable, name: string): Promise<FileWriter> {
  const writer = await files.begin(owner, "batch", name);
  try {
    for await (const piece of content) await writer.write(piece as Buffer);
  } catch (error) {
    await writer.discard();
    throw error;
  }
  return writer;
}

function wrongIn(fields: ReadonlyMap<string, string>): Refusal | null {
  const purpose = fields.get("purpose");
  if (purpose !== "batch") {
    return badRequest(
      "purpose_unsupported",
      "files are taken for batches only: purpose must be batch",
      "purpose",
    );
  }
  const isStated = fields.has("expires_after[seconds]") || fields.has("expires_after[anchor]");
  return isStated && secondsOf(fields) === null
    ? badRequest(
        "invalid_value",
        "a file may expire 3600 to 2592000 seconds after created_at",
        "expires_after",
      )
    : null;
}

function secondsOf(fields: ReadonlyMap<string, string>): number | null {
  const seconds = Number(fields.get("expires_after[seconds]"));
  return expiryOf({ anchor: fields.get("expires_after[anchor]"), seconds });
}

function refused(message: string, field: string): Uploaded {
  return { kind: "refused", refusal: badRequest("missing_required_parameter", message, field) };
}
