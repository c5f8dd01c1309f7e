import type { CommittedEffect, EffectState } from "../server/index.ts";
import { cleanLine } from "./clean-text.ts";
import { renderTime } from "./render-time.ts";
import type { Column } from "./render-table.ts";
import type { Paint } from "./terminal.ts";

const REASON_CHARS_MAX = 60;
const BODY_CHARS_MAX = 2_000;

/** The columns of a listing. */
export const EFFECT_COLUMNS: readonly Column[] = [
  ...[{ title: "effect", align: "right" as const }, { title: "channel" }, { title: "state" }],
  ...[
    { title: "run", align: "right" as const },
    { title: "tries", align: "right" as const },
  ],
  { title: "what came of it" },
];

const COLORS: Readonly<Record<EffectState, (paint: Paint) => (text: string) => string>> = {
  waiting: (paint) => paint.yellow,
  delivering: (paint) => paint.cyan,
  delivered: (paint) => paint.green,
  dead: (paint) => paint.red,
  dropped: (paint) => paint.dim,
  withdrawn: (paint) => paint.dim,
};

/** An effect as a line of a listing. */
export function renderEffectLine(effect: CommittedEffect): readonly string[] {
  const { id, channel, state, runId, tries } = effect;
  const came = cleanLine(outcome(effect), REASON_CHARS_MAX);
  return [id, cleanLine(channel), state, runId, String(tries), came];
}

/** An effect as a line of a run's story. */
export function renderEffectOfRun(effect: CommittedEffect, paint: Paint): string {
  const came = cleanLine(outcome(effect), REASON_CHARS_MAX);
  const { id, channel, state } = effect;
  return `  ${id}  ${COLORS[state](paint)(state)}  ${cleanLine(channel)}  ${came}`.trimEnd();
}

/** All there is to know of one effect. */
export function renderEffect(effect: CommittedEffect, paint: Paint): string {
  const { id, channel, state, body, key, orderKey, changeSet, runId, agent, committedAt } = effect;
  const tries = `${effect.tries} ${effect.tries === 1 ? "try" : "tries"}`;
  const optional = [
    ...(orderKey === null ? [] : [`order key   ${cleanLine(orderKey)}`]),
    ...(state === "waiting" ? [`due         ${renderTime(effect.dueAt)}`] : []),
    ...(effect.expiresAt === null ? [] : [`expires     ${renderTime(effect.expiresAt)}`]),
    ...(effect.lastError === null ? [] : [`last error  ${cleanLine(effect.lastError)}`]),
    ...(effect.note === null ? [] : [`answer      ${cleanLine(effect.note)}`]),
    ...(effect.settledBy === null ? [] : [`decided by  ${cleanLine(effect.settledBy)}`]),
  ];
  const dead = `send it again: factotum outbox resend ${id}; give it up: factotum outbox drop ${id}`;
  return [
    `${paint.bold(`effect ${id}`)}  to ${cleanLine(channel)}: ${COLORS[state](paint)(state)}, ${tries}`,
    paint.dim(
      `${cleanLine(agent)}, run ${runId}, change set ${changeSet}, committed ${renderTime(committedAt)}`,
    ),
    `key         ${key}`,
    ...optional,
    ...(effect.inDoubt && state !== "delivered" ? ["it may have arrived: a try got no answer"] : []),
    ...(effect.behind === null ? [] : [`it waits for effect ${effect.behind} of the same order key`]),
    ...(body === null ? [] : [`body        ${cleanLine(JSON.stringify(body), BODY_CHARS_MAX)}`]),
    ...(state === "dead" ? [dead] : []),
  ].join("\n");
}

function outcome({ state, note, lastError, behind, dueAt, tries }: CommittedEffect): string {
  if (state === "delivered") return note ?? "";
  if (behind !== null) return `waits for effect ${behind}`;
  if (state === "waiting" && tries === 0) return `due ${renderTime(dueAt)}`;
  return state === "withdrawn" ? "its change set was undone" : (lastError ?? "");
}
