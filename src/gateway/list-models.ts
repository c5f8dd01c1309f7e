import type { IncomingMessage, ServerResponse } from "node:http";
import type { KeyRecord } from "./keys.ts";
import { mayUse } from "./resolve.ts";
import type { Targets } from "./targets.ts";

const PREFIX = "/v1/models";
/** Both protocols want a date, and the gateway knows none. */
const EPOCH = "1970-01-01T00:00:00Z";

/** Answers `GET /v1/models` and `GET /v1/models/NAME`: what a key may call, in the client's own form. */
export function listModels(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  key: KeyRecord,
  targets: Targets,
): void {
  const names = targets.names.filter((name) => mayUse(key, name, name));
  const anthropic = request.headers["anthropic-version"] !== undefined;
  const shaped = anthropic ? anthropicModel : openaiModel;
  if (path === PREFIX) {
    const data = names.map(shaped);
    const paging = { has_more: false, first_id: names[0] ?? null, last_id: names.at(-1) ?? null };
    answer(response, 200, anthropic ? { data, ...paging } : { object: "list", data });
    return;
  }
  const name = nameIn(path);
  if (names.includes(name)) answer(response, 200, shaped(name));
  else {
    const message = "there is no such model, or this key may not call it";
    const error = { type: "not_found_error", message };
    answer(
      response,
      404,
      anthropic ? { type: "error", error } : { error: { ...error, param: null, code: "model_not_found" } },
    );
  }
}

/** Our names hold slashes, which clients encode. */
function nameIn(path: string): string {
  try {
    return decodeURIComponent(path.slice(PREFIX.length + 1));
  } catch {
    return "";
  }
}

function openaiModel(id: string): object {
  return {
    id,
    object: "model",
    created: 0,
    owned_by: id.includes("/") ? id.slice(0, id.indexOf("/")) : "alias",
  };
}

function anthropicModel(id: string): object {
  return { type: "model", id, display_name: id, created_at: EPOCH };
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
