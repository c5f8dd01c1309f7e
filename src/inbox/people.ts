import { Temporal } from "temporal-polyfill";
import { InputError } from "../kernel/index.ts";

/** Hours in which a person is left alone, such as 22:00 to 07:00 of their own zone. */
export type Quiet = {
  readonly from: string;
  /** At or before `from`: of the next day. */
  readonly to: string;
  /** ISO days on which it begins, 1 for Monday; every day unless told. */
  readonly days?: readonly number[];
};

/** Somebody who may be asked. */
export type Person = {
  /** IANA name, such as `Europe/Oslo`. */
  readonly zone: string;
  readonly quiet?: readonly Quiet[];
  readonly roles?: readonly string[];
  /** What an hour of their attention costs; 60 dollars unless told. */
  readonly usdPerHour?: number;
  /** How they are told of questions; without it they look themselves. */
  readonly tell?: {
    /** A channel of the configuration. */
    readonly channel: string;
    /** `mail` for a mail channel; `json`, for a webhook, holds the question's parts. */
    readonly as: "mail" | "json";
    /** A mail address, or the name of a person or a room in a chat. */
    readonly to: string;
  };
};

/** Who is asked at one step of an escalation: names, and roles as `@noc`. */
export type Level = {
  readonly who: readonly string[];
  /** How long they have before the next level is asked too; the last has as long as the question. */
  readonly forMinutes?: number;
};

/** Which questions go to whom; what is left out matches everything. The first that matches counts. */
export type Route = {
  readonly agent?: string;
  readonly tenant?: string;
  readonly topic?: string;
  readonly to: readonly Level[];
};

/** People and their attention, as data of the configuration. */
export type Attention = {
  readonly people?: { readonly [name: string]: Person };
  readonly routes?: readonly Route[];
  /** Seconds that a question takes of a person who is at work; 120 unless told. */
  readonly seconds?: number;
  /** How much dearer a question is in quiet hours; 5 unless told. */
  readonly quietFactor?: number;
};

const SECONDS_DEFAULT = 120;

/** Seconds that a question is taken to need of a person. */
export function secondsOf({ seconds = SECONDS_DEFAULT }: Attention): number {
  return seconds;
}

/** ISO days. */
const WEEK = [1, 2, 3, 4, 5, 6, 7];
/** The most minutes a level may have: a year. */
const MINUTES_MAX = 525_600;
const TIME = /^([01]\d|2[0-3]):[0-5]\d$/;
/** Spans that touch each other, such as nights and a weekend, are walked through one after the other. */
const SPANS_MAX = 400;

/** When a person's quiet hours that hold at `at` end; null where none do. */
export function quietUntil({ zone, quiet = [] }: Person, at: Date): Date | null {
  if (quiet.length === 0) return null;
  let now = Temporal.Instant.fromEpochMilliseconds(at.getTime()).toZonedDateTimeISO(zone);
  const before = now;
  for (let walked = 0; walked < SPANS_MAX; walked += 1) {
    const end = quiet.map((span) => endOf(span, now)).find((one) => one !== null);
    if (end === undefined || end === null) break;
    now = end;
  }
  return now.equals(before) ? null : new Date(now.epochMilliseconds);
}

/** The end of a span that began today or yesterday and is not over. */
function endOf({ from, to, days }: Quiet, now: Temporal.ZonedDateTime): Temporal.ZonedDateTime | null {
  for (const back of [0, 1]) {
    const day = now.toPlainDate().subtract({ days: back });
    if (days !== undefined && !days.includes(day.dayOfWeek)) continue;
    const at = (date: Temporal.PlainDate, time: string): Temporal.ZonedDateTime =>
      date.toZonedDateTime({ timeZone: now.timeZoneId, plainTime: Temporal.PlainTime.from(time) });
    const start = at(day, from);
    const end = at(to > from ? day : day.add({ days: 1 }), to);
    if (start.epochMilliseconds <= now.epochMilliseconds && now.epochMilliseconds < end.epochMilliseconds)
      return end;
  }
  return null;
}

/** The escalation chain of a question, roles spelled out as people; null where no route matches. */
export function chainFor(
  { people = {}, routes = [] }: Attention,
  asked: { readonly agent: string; readonly tenant: string; readonly topic: string },
): readonly Level[] | null {
  const route = routes.find(
    (one) =>
      (one.agent ?? asked.agent) === asked.agent &&
      (one.tenant ?? asked.tenant) === asked.tenant &&
      (one.topic ?? asked.topic) === asked.topic,
  );
  if (route === undefined) return null;
  return route.to.map((level) => ({ ...level, who: spelledOut(people, level.who) }));
}

function spelledOut(people: NonNullable<Attention["people"]>, who: readonly string[]): readonly string[] {
  const names = who.flatMap((one) =>
    one.startsWith("@")
      ? Object.keys(people).filter((name) => people[name]?.roles?.includes(one.slice(1)) === true)
      : [one],
  );
  return [...new Set(names)];
}

/** What people and routes may name. */
export type NamesKnown = { readonly agents: readonly string[]; readonly channels: readonly string[] };

/**
 * Looks through people and routes for what could only fail later, or would count for nothing.
 *
 * @throws {InputError} `attention-invalid`
 */
export function checkAttention(attention: Attention, names: NamesKnown): Attention {
  const { people = {}, routes = [] } = attention;
  const roles = new Set(Object.values(people).flatMap((person) => person.roles ?? []));
  const known = (who: string): boolean =>
    who.startsWith("@") ? roles.has(who.slice(1)) : people[who] !== undefined;
  const problems = [
    ...["seconds" as const, "quietFactor" as const].flatMap((name) => inNumber(name, attention[name])),
    ...Object.entries(people).flatMap(([name, person]) => inPerson(name, person, names)),
    ...routes.flatMap(({ agent }) =>
      agent === undefined || names.agents.includes(agent)
        ? []
        : [`a route is of ${agent}, which is no agent`],
    ),
    ...routes.filter((route) => route.to.length === 0).map(() => "a route leads to nobody"),
    ...routes.flatMap((route) => route.to).flatMap((level) => inLevel(level, known)),
  ];
  if (problems.length === 0) return attention;
  throw new InputError({
    code: "attention-invalid",
    message: `the configuration's attention cannot be used: ${problems.join("; ")}`,
  });
}

function inPerson(
  name: string,
  { zone, quiet = [], usdPerHour, tell }: Person,
  { channels }: NamesKnown,
): readonly string[] {
  return [
    ...inNumber(`${name}'s usdPerHour`, usdPerHour),
    ...(tell === undefined || channels.includes(tell.channel)
      ? []
      : [`${name} is told by ${tell.channel}, which is none of the channels`]),
    ...quiet
      .filter(({ days = [1] }) => days.length === 0 || days.some((day) => !WEEK.includes(day)))
      .map(({ days = [] }) => `${name}'s quiet days ${days.join()} are not of 1, Monday, to 7, Sunday`),
    ...(name.startsWith("@") || name.trim() === "" ? [`person ${JSON.stringify(name)} has no name`] : []),
    ...(isZone(zone) ? [] : [`${name}'s zone ${JSON.stringify(zone)} is none that there is`]),
    ...quiet
      .filter(({ from, to }) => !TIME.test(from) || !TIME.test(to))
      .map(({ from, to }) => `${name}'s quiet hours ${from} to ${to} are no times such as 22:00`),
  ];
}

function inNumber(what: string, value: number | undefined): readonly string[] {
  const fits = value === undefined || (Number.isFinite(value) && value >= 0);
  return fits ? [] : [`${what} is ${value}, and 0 or more makes sense`];
}

function inLevel({ who, forMinutes }: Level, known: (who: string) => boolean): readonly string[] {
  return [
    ...(who.length === 0 ? ["a level of a route has nobody"] : []),
    ...who.filter((one) => !known(one)).map((one) => `a route leads to ${one}, who is nobody of people`),
    ...(forMinutes === undefined || (forMinutes > 0 && forMinutes <= MINUTES_MAX)
      ? []
      : [`a level waits for ${forMinutes} minutes, and 1 to ${MINUTES_MAX} make sense`]),
  ];
}

function isZone(zone: string): boolean {
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(zone);
    return true;
  } catch {
    return false;
  }
}
