/** The network-operations desk under a crash campaign: its mail, its people, and what must come of it. */
import { makeBusiness } from "../examples/network-ops/business/index.ts";
import { recordStatement } from "../examples/network-ops/calendar/index.ts";
import { makeDay, type Truth } from "../examples/network-ops/day/index.ts";
import { NOC } from "../examples/network-ops/desk/tools.ts";
import config from "../examples/network-ops/factotum.config.ts";
import { fingerprint, readMail } from "../examples/network-ops/intake/index.ts";
import { Notice } from "../examples/network-ops/notice.ts";
import { FactotumError, toJson } from "factotum/kernel";
import { type Database, setClock, type Transaction } from "factotum/postgres";
import { type Config, defineConfig, type Factotum } from "factotum/server";
import { reply, type ScriptedTurn } from "factotum/testing";
import { calendar, endOf, ticketsOf } from "./month-life.ts";

/** A message to the desk, and what it truly says. */
export type DeskMail = { readonly key: string; readonly notice: Notice; readonly truth: Truth };

/** What came of the desk's runs. */
export type DeskJudged = {
  readonly runs: number;
  /** Lines of the calendar, tickets, letters to our people, and values booked. */
  readonly effects: number;
  readonly lost: readonly string[];
  readonly doubled: readonly string[];
};

/** The agent of the desk's runs. */
export const DESK = "network-desk";
const DAY = new Date("2026-03-02T07:00:00Z");
/** Carriers and circuits are the example's. */
const BUSINESS_SEED = 1;
const STATEMENT_WORDS = 400;

/**
 * The example's desk, with a model of ours and letters that go to an address. Its clock is set by whoever
 * prepares it.
 */
export function deskConfig({ models, letters }: { models: string; letters: string }): Config {
  const { clock: _, intake: __, ...kept } = config;
  const price = { inputUsdPerMtok: "1", outputUsdPerMtok: "2" };
  return defineConfig({
    ...kept,
    models: [{ id: "local/tiny", provider: "openai-compatible", model: "tiny", baseUrl: models, price }],
    channels: {
      [NOC]: {
        deliver: async ({ key }, { signal }) => {
          await (await fetch(`${letters}/letter/${key}`, { method: "POST", signal })).text();
        },
      },
    },
  });
}

/** Sets the desk's clock to its day; it runs as fast as the real one, since takeovers are read from it. */
export async function startDay(db: Database): Promise<void> {
  await setClock(db, { at: DAY, rate: 1 });
}

/** So many messages: whole days of the example's, by seeds from `seed` on. */
export async function deskMail(seed: number, count: number): Promise<readonly DeskMail[]> {
  const mail = new Map<string, DeskMail>();
  for (let day = seed; mail.size < count; day += 1) {
    for (const { eml, truth } of await makeDay(day, makeBusiness(BUSINESS_SEED, DAY), DAY)) {
      const notice = Notice.parse(await readMail(eml));
      const key = fingerprint(notice);
      if (mail.size < count && !mail.has(key)) mail.set(key, { key, notice, truth });
    }
  }
  return [...mail.values()];
}

/** A model that reads every notice right, and is unsure where nobody could be sure. */
export function deskModel(mail: readonly DeskMail[]): ScriptedTurn {
  const known = mail.map(({ notice, truth }) => ({ words: wordsOf(notice.text), truth }));
  return ({ body }) => {
    const said = JSON.stringify(body);
    const truth = known.find(({ words }) => said.includes(words))?.truth;
    if (truth?.kind !== "states") {
      return reply([{ name: "finish", arguments: { unsure: ["nobody can be sure of this notice"] } }]);
    }
    if (said.includes('"role":"assistant"')) return reply([{ name: "finish", arguments: { unsure: [] } }]);
    const { sentAt: _, ...statement } = truth.statement;
    return reply([{ name: "record_notice", arguments: toJson(statement) }]);
  };
}

/** The first words of a text as they stand in a request. */
function wordsOf(text: string): string {
  return JSON.stringify(text.slice(0, STATEMENT_WORDS)).slice(1, -1);
}

/** Answers what is asked about notices from the truth; what is asked about windows nobody answers. */
export async function answerCards(desk: Factotum, mail: readonly DeskMail[]): Promise<number> {
  const open = (await desk.inbox()).filter((question) => question.topic === "card");
  for (const { id, runId } of open) {
    const { run } = await desk.showRun(runId);
    const truth = mail.find(({ key }) => key === run.key)?.truth;
    const calls =
      truth?.kind === "states" ? [{ tool: "record_notice", input: toJson(truth.statement) }] : undefined;
    const given = calls === undefined ? { choice: "discard" } : { choice: "correct", calls };
    await desk.answer(id, { ...given, by: "ann" }).catch((error: unknown) => {
      // The answer before was kept, though the server died before it said so.
      if (!(error instanceof FactotumError && error.code === "question-closed")) throw error;
    });
  }
  return open.length;
}

/**
 * Where every run of the desk waits for a later time, that time comes.
 *
 * @returns when it is then, and by how much the clock was moved; undefined where something is still to be
 * done
 */
export async function passTime(db: Database): Promise<{ atMs: number; jumpMs: number } | undefined> {
  const { rows } = await db.query<{ busy: number; until: Date | null; at: Date }>(
    `select count(*) filter (where status = 'ready' or wake_at <= factotum.now())::int as busy,
       max(wake_at) filter (where status = 'waiting') as until, factotum.now() as at
     from factotum.runs where agent = $1`,
    [DESK],
  );
  const [look] = rows;
  if (look === undefined || look.busy > 0 || look.until === null) return undefined;
  await setClock(db, { at: look.until, rate: 1 });
  return { atMs: look.until.getTime(), jumpMs: look.until.getTime() - look.at.getTime() };
}

/** What the business must hold in the end; worked out in a transaction that is taken back. */
export async function expectedOf(db: Database, mail: readonly DeskMail[]): Promise<readonly string[]> {
  let lines: readonly string[] = [];
  class TakenBack extends Error {}
  await db
    .transaction(async (tx) => {
      const tickets = await ticketsOf(tx);
      const chased = await truthOf(tx, mail);
      lines = [...(await calendar(tx)), ...tickets, ...chased];
      throw new TakenBack();
    })
    .catch((error: unknown) => {
      if (!(error instanceof TakenBack)) throw error;
    });
  return lines;
}

/** Enters every statement, and tells the tickets for windows that nobody says are over. */
async function truthOf(tx: Transaction, mail: readonly DeskMail[]): Promise<readonly string[]> {
  const watched = new Map<string, { carrier: string; id: string }>();
  for (const { key, truth } of mail) {
    if (truth.kind !== "states") continue;
    await recordStatement(tx, truth.statement, { fingerprint: key });
    const { carrier, maintenanceId: id } = truth.statement;
    watched.set(`${carrier}/${id}`, { carrier, id });
  }
  const chased: string[] = [];
  for (const { carrier, id } of watched.values()) {
    const end = await endOf(tx, carrier, id);
    if (end !== undefined && end > DAY)
      chased.push(`ticket Chase ${carrier}: no completion notice for ${id}`);
  }
  return chased;
}

/** Letters that are still to be delivered. */
export async function undelivered(db: Database): Promise<number> {
  const { rows } = await db.query<{ n: number }>(
    "select count(*)::int as n from factotum.deliveries where state <> 'delivered'",
  );
  return rows[0]?.n ?? 0;
}

/** Counts what is in the business tables, the value that was booked, and the letters that arrived. */
export async function judgeDesk(
  db: Database,
  expected: readonly string[],
  arrived: ReadonlySet<string>,
): Promise<DeskJudged> {
  const business = [...(await calendar(db)), ...(await ticketsOf(db))];
  const { rows: valued } = await db.query<{ run: string; times: number }>(
    `select run_id::text as run, count(*)::int as times from factotum.entries
     where kind = 'value' group by run_id`,
  );
  const { rows: letters } = await db.query<{ key: string }>(
    "select idempotency_key::text as key from factotum.deliveries",
  );
  const { rows } = await db.query<{ n: number }>(
    "select count(*)::int as n from factotum.runs where agent = $1",
    [DESK],
  );
  return {
    runs: rows[0]?.n ?? 0,
    effects: business.length + valued.length + letters.length,
    lost: [
      ...without(expected, business),
      ...letters.filter(({ key }) => !arrived.has(key)).map(({ key }) => `letter ${key}`),
    ],
    doubled: [
      ...without(business, expected),
      ...valued.filter(({ times }) => times > 1).map(({ run }) => `value of run ${run}`),
    ],
  };
}

/** Lines of `all` that are not in `taken`, each as often as it is there more often. */
function without(all: readonly string[], taken: readonly string[]): readonly string[] {
  const left = new Map<string, number>();
  for (const line of taken) left.set(line, (left.get(line) ?? 0) + 1);
  return all.filter((line) => {
    const count = left.get(line) ?? 0;
    left.set(line, count - 1);
    return count <= 0;
  });
}
