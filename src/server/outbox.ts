import { type EffectId, InputError, type Json } from "../kernel/index.ts";
import {
  type Channel,
  type Channels,
  type CommittedEffect,
  countEffects,
  type Deliverer,
  drop,
  type EffectCount,
  type EffectFilter,
  getEffect,
  listEffects,
  resend,
} from "../outbox/index.ts";
import type { Database } from "../postgres/index.ts";
import type { Worker } from "../runs/index.ts";
import type { Config } from "./config.ts";

/** What a person or a program may see of committed effects, and do about those that are dead. */
export type Outbox = {
  /** Newest first. */
  list(filter: EffectFilter): Promise<readonly CommittedEffect[]>;
  get(id: EffectId): Promise<CommittedEffect>;
  count(agent?: string): Promise<EffectCount>;
  resend(id: EffectId, by: string): Promise<CommittedEffect>;
  drop(id: EffectId, by: string): Promise<CommittedEffect>;
};

/** The outbox of a database. */
export function openOutbox(db: Database): Outbox {
  return {
    list: (filter) => listEffects(db, filter),
    get: (id) => getEffect(db, id),
    count: (agent) => countEffects(db, agent),
    resend: (id, by) => db.transaction((tx) => resend(tx, id, by)),
    drop: (id, by) => db.transaction((tx) => drop(tx, id, by)),
  };
}

const CHANNEL = /^[a-z][a-z0-9-]{0,62}$/;

/**
 * Looks whether every channel that an agent declares is there, under a name that the outbox takes.
 *
 * @throws {InputError} `channel-unknown`, `channel-invalid`
 */
export function checkChannels({ agents, channels = {} }: Config): void {
  const bad = Object.keys(channels).find((name) => !CHANNEL.test(name));
  if (bad !== undefined) {
    throw new InputError({
      code: "channel-invalid",
      message: `channel ${JSON.stringify(bad)} must be named by lower-case words joined by hyphens`,
    });
  }
  for (const { name, effects = [] } of agents) {
    const missing = effects.filter((channel) => channels[channel] === undefined);
    if (missing.length === 0) continue;
    const known = Object.keys(channels).join(", ") || "none";
    throw new InputError({
      code: "channel-unknown",
      message:
        `agent ${name} declares effects to ${missing.join(", ")}, and the configuration has no such ` +
        `channel (it has ${known}); add it to channels`,
    });
  }
}

/** What is wrong with an effect's body, as its channel sees it; asked before the commit. */
export function bodyProblems(channels: Channels | undefined) {
  return (channel: string, body: Json): readonly string[] => {
    const found: Channel | undefined = channels?.[channel];
    return found?.problems?.(body) ?? [];
  };
}

/** A worker and a deliverer as one: effects go out after the runs that emit them. */
export function besideDeliverer(worker: Worker, deliverer: Deliverer): Worker {
  return {
    ended: worker.ended,
    drained: async () => {
      await worker.drained();
      await deliverer.drained();
    },
    stop: async () => {
      await worker.stop();
      await deliverer.stop();
    },
  };
}
