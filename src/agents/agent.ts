import type { z } from "zod";
import { type Effect, grantOf, type TableAccess, type TableGrant, writable } from "../changes/index.ts";
import { InputError, type Json, type MicroUsd, type ModelId } from "../kernel/index.ts";
import type { Card, Importance } from "../inbox/index.ts";
import type { Lesson } from "../context/index.ts";
import type { Check, Guard, StagedView, ToolCall } from "../policy/index.ts";
import type { AskAnswer, AskOrder, Asks } from "./asking.ts";
import type { ChildRun, ChildWork, EndedEarly, Migration } from "./lives.ts";
import { misspelled } from "./declaration.ts";
import type { Until } from "../runs/index.ts";
import type { Tool } from "./tool.ts";
import type { Schedule, Trigger } from "./starts.ts";
import { TIMES_MAX, type Verifier } from "./verifier.ts";

/** Work that ended in a commit. `by` says which kind of rung made the change. */
export type Resolved<Input> = {
  readonly input: Input;
  readonly calls: readonly ToolCall[];
  readonly by: "code" | "model" | "person";
};

/** What a code rung works with: the staged view, the agent's tools, and what was learned. */
export type CodeWork<Input> = {
  readonly input: Input;
  readonly at: Date;
  readonly lessons: readonly Lesson[];
  /** Why earlier attempts of this run were thrown away. */
  readonly feedback: readonly string[];
  readonly view: StagedView;
  /** What people have said to this run so far: to be heeded, as the policy is. */
  readonly said: readonly { readonly by: string; readonly text: string }[];
  /** What people want this agent always to do, for this tenant. */
  readonly standing: readonly string[];
  /** Calls a tool; what it changes is staged. @throws what the tool throws, its changes undone */
  readonly call: (tool: string, input: unknown) => Promise<Json>;
  /**
   * Asks a person. The run parks, and the rung is run again from its beginning once there is an answer, which
   * the same question then gets at once. @throws {InputError} `ask-invalid`, `ask-limit`
   */
  readonly ask: (order: AskOrder) => Promise<AskAnswer>;
  /**
   * Hands work to other agents, as runs of their own that belong to this one: they are cancelled with it, and
   * commit for themselves. The run parks, and the rung is run again from its beginning once they are over, or
   * `until` has come; the same work handed on again then gets what came of it at once.
   *
   * @throws {InputError} `agent-unknown`, `input-invalid`; `delegate-refused` in a rehearsal
   */
  readonly delegate: (children: readonly ChildWork[], until?: Until) => Promise<readonly ChildRun[]>;
};

/**
 * How a rung ended: with a change set and what it is not sure of, stuck, or with the finding that
 * there is nothing here for the agent to do.
 */
export type RungEnd =
  | { readonly kind: "finished"; readonly doubts: readonly string[] }
  | { readonly kind: "stuck"; readonly because: string }
  | { readonly kind: "refuse"; readonly because: string };

/** One rung of a cascade. After the last one comes a person, always. */
export type Rung<Input> =
  | {
      readonly kind: "code";
      readonly name: string;
      run(work: CodeWork<Input>): Promise<RungEnd>;
    }
  | {
      readonly kind: "model";
      readonly name: string;
      /** A configured model, or the cheapest or strongest one there is; the rung is skipped without it. */
      readonly model: ModelId | "cheap" | "strong";
    };

/** What a run does next while it follows what it committed. */
export type FollowStep =
  | { readonly kind: "wait"; readonly until: Date; readonly memo: Json }
  | { readonly kind: "done"; readonly outcome: string }
  | {
      readonly kind: "ask";
      readonly card: Omit<Card, "calls" | "changes">;
      readonly defaultChoice?: string;
      readonly dueAt?: Date;
      /** What kind of question it is: routes may name it, and answers teach how its like are weighed. */
      readonly topic?: string;
      readonly importance?: Importance;
      /** What a wrong choice would cost; with it, and a default, it may be spared. */
      readonly stake?: MicroUsd;
      readonly memo: Json;
    }
  | {
      readonly kind: "act";
      readonly calls: readonly { readonly tool: string; readonly input: Json }[];
      /** What follows once the calls are committed. */
      readonly next: RestingStep;
    };

/** A step that needs no staging: what a turn can carry out by itself. */
export type RestingStep = Exclude<FollowStep, { readonly kind: "act" }>;

/** What a follower is told when it wakes. `choice` is set where a person, or a time-out, answered. */
export type Waking<Input> = {
  readonly input: Input;
  readonly memo: Json;
  readonly at: Date;
  readonly view: StagedView;
  readonly choice: string | undefined;
  /** What people have said to this run so far. */
  readonly said: readonly { readonly by: string; readonly text: string }[];
};

/** How a run lives on after its commit: it sleeps, wakes, looks, and acts, asks or ends. */
export type Follow<Input> = {
  begin(done: Resolved<Input> & { readonly view: StagedView; readonly at: Date }): Promise<RestingStep>;
  /** Called at the time asked for, and sometimes earlier: look at `at`, and at the data. */
  wake(waking: Waking<Input>): Promise<FollowStep>;
  /** Checks over what an `act` step stages. */
  readonly checks: readonly Check<Input>[];
};

/**
 * How an agent talks with a person on the other side of a run, who writes with `say`. What its model
 * answers without calling a tool is said to them, and the run waits as a row. All work of the conversation
 * is one attempt: it is checked and committed, or put to somebody of ours, when the conversation is over.
 */
export type Converse = {
  /** Said first, without a model call; without it the person speaks first. */
  readonly greeting?: string;
  /** Tools whose call ends the conversation, such as handing over; the model may finish too. */
  readonly endedBy?: readonly string[];
  /** How long the person may be silent before the conversation counts as over; a day unless told. */
  readonly silenceMsMax?: number;
  /** The most messages the person may send; 100 unless told. */
  readonly heardMax?: number;
};

/** Who writes the part of a long attempt's hand-off notes that no rule can: what was found and tried. */
export type HandOff = {
  /** A configured model, the cheapest or strongest one there is, or that of the rung at work. */
  readonly model: ModelId | "cheap" | "strong" | "rung";
};

/**
 * An agent: policy in prose, tools, checks, the value of an outcome, and a cascade of rungs, cheapest
 * first. `version` goes up when old runs' state or input would be read differently.
 */
export type Agent<Input = unknown> = {
  readonly name: string;
  readonly version: number;
  readonly policy: string;
  readonly input: z.ZodType<Input>;
  /** Every table the agent may see or change, as `schema.table`. */
  readonly tables: { readonly [table: string]: TableAccess | TableGrant };
  readonly tools: readonly Tool[];
  /** The channels of the configuration that its tools may `emit` to; none by default. */
  readonly effects?: readonly string[];
  /** Tables for which find, insert, update and delete tools are generated from the live schema. */
  readonly generate?: { readonly [table: string]: TableAccess };
  /** Rules on single tool calls, asked before the tool runs; in every attempt, follow-up and correction. */
  readonly guards?: readonly Guard<Input>[];
  readonly checks: readonly Check<Input>[];
  /** Verifiers that cost something, asked in order where no check has said no; see `judge`, `agreement`. */
  readonly verifiers?: readonly Verifier<Input>[];
  readonly cascade: readonly Rung<Input>[];
  /** The most that model calls of one run may cost together; a budget of its own, below the agent's. */
  readonly runCap?: MicroUsd;
  /** What resolved work is worth to the business. */
  value(done: Resolved<Input>): MicroUsd;
  /** The input as a person and a model read it; `text` is untrusted and is fenced off in prompts. */
  present(input: Input): { readonly title: string; readonly text: string };
  learn?(done: Resolved<Input> & { readonly view: StagedView }): Promise<readonly Lesson[]>;
  readonly follow?: Follow<Input>;
  readonly converse?: Converse;
  /** Lets its models ask people in the middle of an attempt; rungs of code always may. */
  readonly asks?: Asks;
  /** The most model calls of one attempt, or in a row where it talks; 24 unless told. */
  readonly callsMax?: number;
  /** Has a model write into the hand-off notes of long attempts; without it they are made by rule alone. */
  readonly handOff?: HandOff;
  /** When runs of it begin by themselves. */
  readonly schedules?: readonly Schedule[];
  /** On what runs of it begin by themselves. */
  readonly triggers?: readonly Trigger[];
  /** What is sent, to channels of `effects`, where a run of it is cancelled or misses its deadline. */
  compensate?(ended: EndedEarly<Input>): readonly Effect[];
  /** How runs that an earlier version began go on as this one's. */
  readonly migrate?: readonly Migration[];
};

/** What a configuration in plain JavaScript may have left out. */
const PARTS = [
  ...(["name", "version", "policy", "input", "tables"] as const),
  ...(["tools", "checks", "cascade", "value", "present"] as const),
];
/** Every part of an agent. A record, so that the compiler misses one that is forgotten here. */
const ALL_PARTS: { readonly [part in keyof Required<Agent>]: true } = {
  ...{ name: true, version: true, policy: true, input: true, tables: true, tools: true, effects: true },
  ...{
    generate: true,
    guards: true,
    checks: true,
    verifiers: true,
    cascade: true,
    runCap: true,
    value: true,
  },
  ...{ present: true, learn: true, follow: true, converse: true, asks: true, callsMax: true, handOff: true },
  ...{ schedules: true, triggers: true, compensate: true, migrate: true },
};
const NAME = /^[a-z][a-z0-9-]{0,62}$/;

/**
 * Defines an agent and checks the definition.
 *
 * @throws {InputError} `agent-invalid` with what is wrong
 */
export function defineAgent<Input>(agent: Agent<Input>): Agent<Input> {
  const lacking = PARTS.filter((part) => agent[part] === undefined);
  if (lacking.length > 0) throw invalid(agent, [`it lacks ${lacking.join(", ")}`]);
  const problems = [
    ...(NAME.test(agent.name) ? [] : ["its name must be lower-case words joined by hyphens"]),
    ...(Number.isInteger(agent.version) && agent.version > 0 ? [] : ["its version must be 1 or more"]),
    ...(agent.policy.trim() === "" ? ["its policy is empty"] : []),
    ...misspelled(agent, ALL_PARTS),
    ...(agent.cascade.length > 0 ? [] : ["its cascade is empty"]),
    ...repeated(agent.tools.map((one) => one.name)).map((name) => `tool ${name} is given twice`),
    ...repeated(agent.cascade.map((one) => one.name)).map((name) => `rung ${name} is given twice`),
    ...repeated([...agent.checks, ...(agent.verifiers ?? [])].map((one) => one.name)).map(
      (name) => `check ${name} is given twice`,
    ),
    ...(agent.verifiers ?? []).flatMap((one) =>
      one.kind !== "agreement" || isTimes(one.times) ? [] : [`${one.name} needs 2 to ${TIMES_MAX} tries`],
    ),
    ...repeated((agent.guards ?? []).map((one) => one.name)).map((name) => `guard ${name} is given twice`),
    ...(agent.converse?.endedBy ?? [])
      .filter((name) => !agent.tools.some((one) => one.name === name))
      .map((name) => `a conversation would be ended by ${name}, which is none of its tools`),
    ...Object.keys(agent.tables)
      .filter((table) => !table.includes("."))
      .map((table) => `table ${table} needs its schema, as in public.${table}`),
    ...writable(agent.tables)
      .filter((table) => table.startsWith("factotum."))
      .map((table) => `table ${table} is Factotum's own and cannot be written; to send, declare effects`),
    ...(agent.handOff === undefined || typeof agent.handOff.model === "string"
      ? []
      : ["handOff names no model"]),
    ...repeated(agent.effects ?? []).map((channel) => `effect ${channel} is given twice`),
    ...Object.entries(agent.generate ?? {})
      .filter(([table, access]) => !covers(agent.tables[table], access))
      .map(([table]) => `tools for ${table} are asked for beyond what tables allows`),
  ];
  if (problems.length === 0) return agent;
  throw invalid(agent, problems);
}

function invalid({ name }: { readonly name?: string }, problems: readonly string[]): InputError {
  return new InputError({
    code: "agent-invalid",
    message: `agent ${name ?? "without a name"} cannot be used: ${problems.join("; ")}`,
  });
}

/** The tables an agent may stage changes to. */
export function writableTables(agent: Pick<Agent, "tables">): readonly string[] {
  return writable(agent.tables);
}

function isTimes(times: number): boolean {
  return Number.isInteger(times) && times >= 2 && times <= TIMES_MAX;
}

function covers(allowed: TableAccess | TableGrant | undefined, wanted: TableAccess): boolean {
  if (allowed === undefined) return false;
  const { access } = grantOf(allowed);
  return access === "write" || access === wanted;
}

function repeated(names: readonly string[]): readonly string[] {
  return [...new Set(names.filter((name, at) => names.indexOf(name) !== at))];
}
