import type { IncomingMessage } from "node:http";
import { type CallId, type MicroUsd, microUsd, type ModelId } from "../kernel/index.ts";
import type { Database } from "../postgres/index.ts";
import type { KeyRecord } from "./keys.ts";
import type { Leg } from "./leg.ts";
import type { KeptTold } from "./metrics.ts";
import type { Sink } from "./outflow.ts";
import type { Plan } from "./plan.ts";
import { SharedAnswer, type Waiting, type WholeAnswer } from "./shared-answer.ts";
import type { Surface } from "./surfaces.ts";
import type { Vault } from "./vault.ts";

/** A call whose answer may be one that was given before. */
type KeptCall = Waiting & {
  readonly id: CallId;
  readonly surface: Surface;
  readonly key: KeyRecord;
  readonly request: IncomingMessage;
  readonly body: Buffer;
  readonly plan: Extract<Plan, { kind: "call" }>;
  /** How old the answer may be, and how long a new one is kept. */
  readonly seconds: number;
};

/** Asks a provider for all who wait: `sink` gets the answer, `over` hears who answered in full, if any. */
type Ask = (sink: Sink, over: (answer: Leg | null) => void) => void;

/** Answers that were given before, and those under way. */
export type Answers = {
  /** Answers by one that is kept or under way for the same key; else `ask` is called. */
  answer(call: KeptCall, ask: Ask): void;
  /** Waits until all is written. */
  close(): Promise<void>;
};

/** What is the same call only with the same of these. */
const HEADERS = ["anthropic-version", "anthropic-beta", "openai-beta", "x-factotum-drop"] as const;
const FORGET_MAX = 1_000;
/** The newest answers of a tenant that together have so much are kept; the others go. */
const TENANT_BYTES_MAX = 256 * 1024 * 1024;

/** Whose answer it is, and what it cost. */
type Outcome = { readonly model: ModelId; readonly saved: MicroUsd };

type AnswersParts = {
  readonly db: Database;
  readonly vault: Vault;
  readonly say: (line: string) => void;
  /** Told once of each call, what became of it. */
  readonly count: (told: KeptTold) => void;
};

/** Opens them. Writes factotum.gateway_answers and factotum.gateway_hits. */
export function openAnswers({ db, vault, say, count }: AnswersParts): Answers {
  const underway = new Map<
    string,
    { readonly shared: SharedAnswer; readonly told: Promise<Outcome | null> }
  >();
  const writing = new Set<Promise<void>>();
  const inBackground = (work: Promise<void>, what: string): void => {
    const done = work
      .catch((error: unknown) => say(`${what} could not be written: ${String(error)}`))
      .finally(() => writing.delete(done));
    writing.add(done);
  };
  /** One who waits for another's answer is booked once that is whole. */
  const follow = async (call: KeptCall, told: Promise<Outcome | null>): Promise<void> => {
    const outcome = await told;
    if (outcome !== null) await bookHit(db, call, outcome);
  };
  const lead = async (
    call: KeptCall,
    name: Buffer,
    shared: SharedAnswer,
    ask: Ask,
  ): Promise<Outcome | null> => {
    const kept = await find(db, vault, call, name).catch((error: unknown) => {
      say(`answers that are kept could not be read: ${String(error)}`);
      return null;
    });
    count(kept === null ? "miss" : "hit");
    if (kept !== null) {
      shared.replay(kept.answer);
      return kept.outcome;
    }
    if (shared.deserted) return null;
    const answer = await new Promise<Leg | null>((resolve) => ask(shared, resolve));
    const whole = shared.whole;
    if (answer === null || whole === null || !isComplete(call, whole)) return null;
    const outcome = { model: answer.attempt.target.card.id, saved: answer.amount ?? microUsd(0) };
    await keep(db, vault, call, { name, whole, outcome }).catch((error: unknown) =>
      say(`an answer could not be kept: ${String(error)}`),
    );
    return outcome;
  };
  return {
    answer(call, ask) {
      const name = nameOf(vault, call);
      const own = `${call.key.id} ${name.toString("base64")}`;
      const found = underway.get(own);
      if (found?.shared.join(call, "hit") === true) {
        count("joined");
        inBackground(follow(call, found.told), "a hit");
        return;
      }
      const shared = new SharedAnswer();
      shared.join(call, "miss");
      const told = lead(call, name, shared, ask).finally(() => {
        if (underway.get(own)?.shared === shared) underway.delete(own);
      });
      underway.set(own, { shared, told });
      inBackground(
        told.then(() => undefined),
        "what came of a call",
      );
    },
    async close() {
      // What is under way may have others follow it.
      while (writing.size > 0) await Promise.all(writing);
    },
  };
}

/** The same for calls that are the same: all that can change an answer is in it. */
function nameOf(vault: Vault, { surface, key, request, body, plan }: KeptCall): Buffer {
  const models = plan.attempts.map(({ target }) => target.card.id).toSorted();
  const headers = HEADERS.map((name) => String(request.headers[name] ?? ""));
  const query = (request.url ?? "").split("?")[1] ?? "";
  return vault.nameOf(key.tenant, [surface.name, query, ...headers, models.join(), body]);
}

/** Whether an answer came to its end: a stream says so, and says where it failed. */
function isComplete({ plan, surface }: KeptCall, { status, body }: WholeAnswer): boolean {
  if (status !== 200) return false;
  if (!plan.stream) return true;
  const text = body.toString("latin1");
  if (/^event: (?:error|factotum\.restart)|^data: \{"error"|factotum\.restart/m.test(text)) return false;
  switch (surface.protocol) {
    case "openai-chat":
      return text.includes("data: [DONE]");
    case "openai-responses":
      return text.includes("response.completed");
    case "anthropic-messages":
      return text.includes("message_stop");
    case "openai-embeddings":
    case "google-generate":
    case "bedrock-converse":
      return false;
  }
}

type Kept = { readonly answer: WholeAnswer; readonly outcome: Outcome };

/** One question: what is found is booked by it. */
async function find(db: Database, vault: Vault, call: KeptCall, name: Buffer): Promise<Kept | null> {
  const { id, key, surface, plan, seconds } = call;
  const { rows } = await db.query<{ sealed: Buffer; model: ModelId; saved: string }>(
    `with found as (
       select sealed, model, saves_micro_usd from factotum.gateway_answers
       where tenant = $1 and hash = $2 and expires_at > clock_timestamp()
         and made_at > clock_timestamp() - $3 * interval '1 second'),
     booked as (
       insert into factotum.gateway_hits (call_id, key, tenant, surface, asked, model, saved_micro_usd)
       select $4, $5, $1, $6, $7, model, saves_micro_usd from found)
     select sealed, model, saves_micro_usd as saved from found`,
    [key.tenant, name, seconds, id, key.id, surface.name, plan.model],
  );
  const [row] = rows;
  const plain = row === undefined ? null : vault.open(key.tenant, row.sealed, name);
  if (row === undefined || plain === null) return null;
  return { answer: unpacked(plain), outcome: { model: row.model, saved: microUsd(BigInt(row.saved)) } };
}

type Finished = { readonly name: Buffer; readonly whole: WholeAnswer; readonly outcome: Outcome };

async function keep(db: Database, vault: Vault, call: KeptCall, finished: Finished): Promise<void> {
  const { key, seconds } = call;
  const { name, whole, outcome } = finished;
  await db.query(
    `insert into factotum.gateway_answers as a (tenant, hash, sealed, model, saves_micro_usd, expires_at)
     values ($1, $2, $3, $4, $5, clock_timestamp() + $6 * interval '1 second')
     on conflict on constraint gateway_answers_pkey do update set sealed = excluded.sealed,
       model = excluded.model, saves_micro_usd = excluded.saves_micro_usd, made_at = clock_timestamp(),
       expires_at = excluded.expires_at`,
    [
      ...[key.tenant, name, vault.seal(key.tenant, packed(whole), name)],
      ...[outcome.model, outcome.saved, seconds],
    ],
  );
}

async function bookHit(db: Database, call: KeptCall, { model, saved }: Outcome): Promise<void> {
  const { id, key, surface, plan } = call;
  await db.query(
    `insert into factotum.gateway_hits (call_id, key, tenant, surface, asked, model, saved_micro_usd)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [id, key.id, key.tenant, surface.name, plan.model, model, saved],
  );
}

const HEAD_BYTES = 4;

/** The length of the head, the head, the body. */
function packed({ body, ...head }: WholeAnswer): Buffer {
  const text = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(HEAD_BYTES);
  length.writeUInt32BE(text.length);
  return Buffer.concat([length, text, body]);
}

function unpacked(plain: Buffer): WholeAnswer {
  const end = HEAD_BYTES + plain.readUInt32BE(0);
  const head = JSON.parse(plain.toString("utf8", HEAD_BYTES, end)) as Omit<WholeAnswer, "body">;
  return { ...head, body: plain.subarray(end) };
}

/**
 * Forgets what is past its time, and the oldest answers of tenants that have too many. Writes
 * factotum.gateway_answers.
 */
export async function forgetAnswers(db: Database, tenantBytesMax = TENANT_BYTES_MAX): Promise<void> {
  await db.query(
    `delete from factotum.gateway_answers where (tenant, hash) in (
       select tenant, hash from (
         select tenant, hash, expires_at, sum(octet_length(sealed)) over newest as bytes
         from factotum.gateway_answers
         window newest as (partition by tenant order by made_at desc, hash)) kept
       where expires_at < clock_timestamp() or bytes > $1
       limit ${FORGET_MAX})`,
    [tenantBytesMax],
  );
}
