import { hostname } from "node:os";
import { setTimeout } from "node:timers/promises";
import {
  compareRuns,
  type Comparison,
  type ForkOrder,
  forkRun,
  makeDriver,
  makeOutside,
  openSpending,
  openToolbox,
  type Outside,
  summarise,
  type Summary,
  undoRun,
} from "../agents/index.ts";
import { type Blame, blame } from "../changes/index.ts";
import { checkAttention } from "../inbox/index.ts";
import { type ChangeSetId, must, type RunId, systemClock } from "../kernel/index.ts";
import { openPriceBook, type PriceBook } from "../ledger/index.ts";
import { discoverModels, makeModels, type ModelCard } from "../models/index.ts";
import { type Database, migrate, openDatabase, setClock } from "../postgres/index.ts";
import {
  declareLimits,
  type Run,
  type RunPage,
  startRuns,
  type Started,
  type Worker,
} from "../runs/index.ts";
import { makeRoles, putTriggers, rotatePasswords, takeOff } from "./attachments.ts";
import type { Config } from "./config.ts";
import { databaseOptions } from "./database-options.ts";
import { diagnose } from "./diagnose.ts";
import type { Finding } from "./finding.ts";
import { type GatewayDoor, makeGatewayDoor } from "./gateway.ts";
import { applyBudgets, type LedgerDoor, makeLedgerDoor } from "./ledger-door.ts";
import { makePricesDoor, pricedModels, type PricesDoor } from "./prices.ts";
import type { Surroundings } from "./surroundings.ts";
import { bodyProblems, checkChannels, openOutbox, type Outbox } from "./outbox.ts";
import { type EconomicsDoor, makeEconomicsDoor } from "./economics.ts";
import { makeReportsDoor, type ReportsDoor } from "./reports.ts";
import { limitsOf } from "./limits.ts";
import { openLinks } from "./links.ts";
import { makeSteering, type PeopleDoor, steeredBy } from "./steering.ts";
import { type RunLine, type RunStory, runLines, tellRun } from "./story.ts";
import { makeTalk } from "./talk.ts";
import { runOrderOf, type WorkOrder } from "./orders.ts";
import { versionsOf } from "./oversee.ts";
import { makeRunControl, type RunControl } from "./run-control.ts";
import { checkStarts, declareStarts } from "./starts.ts";
import { openTerms, type TermsDoor } from "./terms.ts";
import { startWork, type WorkOptions } from "./working.ts";

/** What people may do. */
type Doors = PeopleDoor & RunControl;

/** A project at work: its database, its agents, and everything a person or a program may do with them. */
export type Factotum = Doors & {
  readonly config: Config;
  readonly db: Database;
  /** Where the data is, fit to print: no password in it. */
  readonly databaseLabel: string;
  readonly models: readonly ModelCard[];
  /** Makes the business ready, the capture triggers on what agents may write, and the agents' roles. */
  prepare(): Promise<void>;
  /** Starts a piece of work; the same key is never started twice. */
  start(item: WorkOrder): Promise<Started>;
  /** Starts many at once, all of them or, where one cannot be, none; what became of each, in their order. */
  startMany(items: readonly WorkOrder[]): Promise<readonly Started[]>;
  /**
   * Starts a worker in this process, and what delivers effects; any number of processes may have them.
   * Drained means that no run is ready and no effect can be delivered now.
   *
   * @throws {InputError} `agent-unknown` for one to work on that the configuration lacks
   */
  work(options?: WorkOptions): Worker;
  /** Work driven by a client outside, in staged change sets. */
  readonly outside: Outside;
  summary(agent?: string): Promise<Summary>;
  listRuns(filter: RunPage): Promise<readonly RunLine[]>;
  showRun(id: RunId): Promise<RunStory>;
  /**
   * Starts a run that is as one that is over was after a step, and goes on in its own way: a rehearsal,
   * unless it is to commit.
   *
   * @throws {InputError} `fork-refused`, `model-unknown`
   */
  fork(id: RunId, order: ForkOrder): Promise<Run>;
  /** Lays two runs side by side. */
  compare(a: RunId, b: RunId): Promise<Comparison>;
  undo(id: RunId, by: string): Promise<readonly ChangeSetId[]>;
  readonly outbox: Outbox;
  readonly ledger: LedgerDoor;
  /** What models cost here, and what was stated of it at run time. */
  readonly prices: PricesDoor;
  /** Bills laid beside the ledger, and what else is read of it. */
  readonly reports: ReportsDoor;
  /** What an hour of a person comes to, cohorts, and what-ifs. */
  readonly economics: EconomicsDoor;
  /** What may be asked of agreements. */
  readonly terms: TermsDoor;
  readonly gateway: GatewayDoor;
  /** Every committed change of one row, newest first. A table without a schema is in public. */
  blame(table: string, key: readonly string[]): Promise<readonly Blame[]>;
  /**
   * Puts on capture triggers, and makes the agents' roles or brings them up to date.
   *
   * @param rotate gives the roles new passwords, too
   */
  attach(rotate?: boolean): Promise<readonly string[]>;
  /** Takes every capture trigger and every agent's role off, also those no longer configured. */
  detach(): Promise<readonly string[]>;
  diagnose(): Promise<readonly Finding[]>;
  close(): Promise<void>;
};

/** After a deadlock: an undo locks rows of several change sets, newest first, as no commit does. */
const UNDO_RETRIES = 5;
/** After a deadlock: two who start the same thousands, in orders of their own. */
const START_RETRIES = 5;
/** Triggers are put on and off while agents write: whoever waits in a circle gives way and tries again. */
const TRIGGER_RETRIES = 5;
/** Any number: only has to differ from other advisory locks of the same database. */
const PREPARE_LOCK = 7_316_505;

/**
 * Opens a project: its database (embedded unless `DATABASE_URL` is set), migrated, with the models that
 * the environment and the configuration offer.
 *
 * @throws what opening and migrating the database throw
 */
export async function openFactotum(config: Config, surroundings: Surroundings): Promise<Factotum> {
  checkChannels(config);
  const channels = Object.keys(config.channels ?? {});
  checkAttention(config.attention ?? {}, { agents: config.agents.map((agent) => agent.name), channels });
  checkStarts(config);
  limitsOf(config);
  const options = databaseOptions(config, surroundings);
  const db = await openDatabase(options.database);
  try {
    await migrate(db);
    if (config.clock !== undefined) await startClock(db, config.clock);
    const { budgets } = config;
    if (budgets !== undefined) await db.transaction((tx) => applyBudgets(tx, budgets));
    const prices = openPriceBook(db);
    await prices.refresh();
    return facade(config, surroundings, { db, prices, label: options.label });
  } catch (error) {
    await db.close();
    throw error;
  }
}

/** A business clock is set once; a second process, or a restart, finds it running. */
async function startClock(db: Database, clock: NonNullable<Config["clock"]>): Promise<void> {
  const { rows } = await db.query("select 1 from factotum.clock where anchor_at is not null");
  if (rows.length === 0) await setClock(db, clock);
}

type Opened = { readonly db: Database; readonly prices: PriceBook; readonly label: string };

function facade(config: Config, given: Surroundings, { db, prices, label }: Opened): Factotum {
  const links = openLinks(config);
  const found = discoverModels(given.env, config.models === undefined ? {} : { models: [...config.models] });
  const models = pricedModels(makeModels(found), prices);
  const titleOf = (run: Run): string => {
    const agent = config.agents.find((one) => one.name === run.agent);
    const parsed = agent?.input.safeParse(run.input);
    return agent !== undefined && parsed?.success === true ? agent.present(parsed.data).title : run.agent;
  };
  const strongest = (): ModelCard | undefined => found.cascade.map((id) => models.card(id)).at(-1);
  const spending = openSpending(db, { name: `${hostname()}:${process.pid}`, say: given.say });
  const workshop = {
    spending,
    ...versionsOf(config),
    ...{ db, models, sleep, ladder: found.cascade, clock: systemClock },
    effectProblems: bodyProblems(config.channels),
    leastPrivilege: config.leastPrivilege ?? true,
    ...steeredBy(config, links),
  };
  const startMany = async (items: readonly WorkOrder[]): Promise<readonly Started[]> => {
    const orders = items.map((item) => runOrderOf(config, workshop, item));
    return await db.transaction((tx) => startRuns(tx, orders), { retries: START_RETRIES });
  };
  return {
    ...{ config, db, databaseLabel: label, models: found.cascade.map((id) => models.card(id)) },
    ...{
      outside: makeOutside(workshop),
      outbox: openOutbox(db),
      ledger: makeLedgerDoor(db, strongest),
      prices: makePricesDoor(db, found.cards),
      reports: makeReportsDoor(db, config.name),
      economics: makeEconomicsDoor(db),
      terms: openTerms(db),
    },
    gateway: makeGatewayDoor(config, { db, prices, models: found }, given),
    prepare: () => makeReady(config, db),
    start: async (item) => must((await startMany([item]))[0], "the run that was started"),
    startMany,
    work: (options) => startWork(config, given, { db, prices, drive: makeDriver(workshop) }, options),
    summary: (agent) => summarise(db, agent),
    listRuns: (filter) => db.transaction((tx) => runLines(tx, filter, titleOf), { readOnly: true }),
    showRun: (id) => db.transaction((tx) => tellRun(tx, id, titleOf), { readOnly: true }),
    ...makeTalk(config, db),
    ...makeSteering(db, links, config),
    ...makeRunControl(config, db),
    blame: (table, key) => db.transaction((tx) => blame(tx, qualified(table), key), { readOnly: true }),
    fork: (id, order) => forkRun(workshop, id, order),
    compare: (a, b) => db.transaction((tx) => compareRuns(tx, a, b), { readOnly: true }),
    undo: (id, by) => db.transaction((tx) => undoRun(tx, id, by), { retries: UNDO_RETRIES }),
    attach: (rotate = false) => putOn(config, db, rotate),
    detach: () => db.transaction((tx) => takeOff(tx, given.say), { retries: TRIGGER_RETRIES }),
    diagnose: () => diagnose(db, config, found),
    async close() {
      await spending.close();
      await db.close();
    },
  };
}

/** Everything that a project needs in its database, also where two processes start at once. */
async function makeReady(config: Config, db: Database): Promise<void> {
  const prepare = config.prepare?.bind(config);
  // One transaction under one lock: of two processes that start at once, the second finds it all done.
  await db.transaction(
    async (tx) => {
      await tx.query("select pg_advisory_xact_lock($1)", [PREPARE_LOCK]);
      await prepare?.(tx);
      await putTriggers(tx, config);
      await declareStarts(tx, config);
      await declareLimits(tx, config.name, limitsOf(config));
    },
    { retries: TRIGGER_RETRIES },
  );
  await makeRoles(db, config);
  for (const agent of config.agents) await db.transaction((tx) => openToolbox(tx, agent));
}

async function putOn(config: Config, db: Database, rotate: boolean): Promise<readonly string[]> {
  const tables = await db.transaction(
    async (tx) => {
      const put = await putTriggers(tx, config);
      await declareStarts(tx, config);
      return put;
    },
    { retries: TRIGGER_RETRIES },
  );
  await makeRoles(db, config);
  if (rotate) await rotatePasswords(db, config);
  return tables;
}

async function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  await setTimeout(milliseconds, undefined, { signal }).catch(() => undefined);
}

function qualified(table: string): string {
  return table.includes(".") ? table : `public.${table}`;
}
