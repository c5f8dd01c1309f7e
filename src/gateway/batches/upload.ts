import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
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
  const fields = new Map<string, string>();
  let filing: Promise<Filed> | undefined;
  try {
    const form = new Busboy({
      headers: request.headers as BusboyHeaders,
      limits: { fileSize: FILE_BYTES_MAX, files: 1, fields: FIELDS_MAX, fieldSize: FIELD_BYTES_MAX },
    });
    form.on("field", (name: string, value: string) => fields.set(name, value));
    form.on("file", (name: string, stream: Readable & { truncated?: boolean }, filename: string) => {
      if (name !== "file" || filing !== undefined) return void stream.resume();
      filing = take(files, owner, stream, filename ?? "file");
      filing.catch(() => stream.resume());
    });
    await pipeline(request, form);
  } catch (error) {
    await (await filing?.catch(() => undefined))?.writer.discard();
    return {
      kind: "refused",
      refusal: badRequest("multipart_invalid", `the form cannot be read: ${String(error)}`),
    };
  }
  const filed = await filing;
  if (filed === undefined) return refused("the form has no file", "file");
  const because = filed.truncated
    ? badRequest("file_too_large", `a file may have ${FILE_BYTES_MAX} bytes at most`, "file")
    : wrongIn(fields);
  if (because !== null) {
    await filed.writer.discard();
    return { kind: "refused", refusal: because };
  }
  return { kind: "stored", file: await filed.writer.end(secondsOf(fields) ?? EXPIRY_SECONDS_DEFAULT) };
}

type Filed = { readonly writer: FileWriter; readonly truncated: boolean };

async function take(
  files: Files,
  owner: Owner,
  stream: Readable & { truncated?: boolean },
  name: string,
): Promise<Filed> {
  const writer = await files.begin(owner, "batch", name);
  try {
    for await (const piece of stream) await writer.write(piece as Buffer);
  } catch (error) {
    await writer.discard();
    throw error;
  }
  return { writer, truncated: stream.truncated === true };
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
