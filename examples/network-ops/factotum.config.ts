/** The network-operations desk as a project: its business, its agent, and where its work comes from. */
import { toJson } from "factotum/kernel";
import { mail } from "factotum/outbox";
import { type BadItem, defineConfig, type WorkItem } from "factotum/server";
import { makeBusiness, seedBusiness } from "./business/index.ts";
import { makeDay } from "./day/index.ts";
import { desk } from "./desk/agent.ts";
import { NOC } from "./desk/tools.ts";
import { fingerprint, readMail, readMailbox, type ReceivedNotice } from "./intake/index.ts";
import { Notice } from "./notice.ts";
import { applySchema } from "./schema.ts";

/** The example's day and the seed of its business. Fixed, so that a restart finds the same day. */
const DAY = new Date("2026-03-02T07:00:00Z");
const SEED = 1;
/** Five hours of the business pass in a minute, so that windows open and close while somebody watches. */
const CLOCK_RATE = 300;

export default defineConfig({
  name: "network_ops",
  agents: [desk],
  clock: { at: DAY, rate: CLOCK_RATE },
  async prepare(tx) {
    if (await applySchema(tx)) await seedBusiness(tx, makeBusiness(SEED, DAY));
  },
  // Mail to our own people becomes files here; with smtp instead of folder it would be sent.
  channels: {
    [NOC]: mail({ from: "Desk <desk@desk.example>", to: ["@desk.example"], folder: ".factotum/sent" }),
  },
  intake: {
    option: "notices",
    describe: "a .eml file, an mbox file, or a folder of them, instead of the day's own queue",
    read: (path) => (path === undefined ? theDay() : mailbox(path)),
  },
});

/** The day's queue: generated mail, read the way real mail is. */
async function* theDay(): AsyncGenerator<WorkItem | BadItem> {
  for (const item of await makeDay(SEED, makeBusiness(SEED, DAY), DAY)) {
    try {
      yield workOf(item.file, await readMail(item.eml));
    } catch (error) {
      yield badOf(item.file, error);
    }
  }
}

async function* mailbox(path: string): AsyncGenerator<WorkItem | BadItem> {
  for await (const item of readMailbox(path)) {
    yield item.kind === "notice" ? workOf(item.name, item.notice) : badOf(item.name, item.error);
  }
}

function workOf(name: string, received: ReceivedNotice): WorkItem {
  const notice = Notice.parse(received);
  return { kind: "work", agent: desk.name, key: fingerprint(notice), input: toJson(notice), name };
}

function badOf(name: string, error: unknown): BadItem {
  return { kind: "bad", name, because: error instanceof Error ? error.message : String(error) };
}
