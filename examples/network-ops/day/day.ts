/** A day's mail, as files that a mail server could have written, and what each of them truly says. */
import { type Business, utc } from "../business/index.ts";
import type { Statement } from "../notice.ts";
import { type CarrierDesk, makeCarrierDesk, wordsOf } from "./desk-of-carriers.ts";
import { composeMail, type MailContent } from "./mail.ts";
import { otherMail } from "./others.ts";
import { type PolicyReason, type Tale, tellStories } from "./stories.ts";
import { statementOf, type Work } from "./work.ts";

/** What a right reading of a message is. */
export type Truth =
  /** A notice. `asks` says why the policy wants a person's word before it is committed; often nothing. */
  | { readonly kind: "states"; readonly statement: Statement; readonly asks: readonly PolicyReason[] }
  /** The same mail as an earlier file: nothing is to be done. */
  | { readonly kind: "repeats"; readonly file: string }
  /** A notice that nobody can be sure of, or that may not be ours: a person must say. */
  | { readonly kind: "unclear"; readonly because: string }
  | { readonly kind: "not-a-notice" };

/** One message of the day. */
export type DayItem = {
  /** File name in order of arrival, such as `0007.eml`. */
  readonly file: string;
  readonly eml: Uint8Array;
  /** What is special about it, in a few words. */
  readonly label: string;
  readonly truth: Truth;
};

/** Time between two arrivals. */
const MINUTES_APART = 9;

/** A message on its way in: not yet with a place in the queue. */
type Draft = {
  readonly label: string;
  /** The work it is about; none for other mail. */
  readonly tale?: Tale;
  readonly story?: readonly Tale[];
  readonly other?: ReturnType<typeof otherMail>[number];
};

/**
 * The queue of one day: about 45 messages of every kind that a desk gets, in order of arrival. The
 * same seed, business and time give the same bytes.
 *
 * @param at when the desk opens; every message was sent before
 */
export async function makeDay(seed: number, business: Business, at: Date): Promise<readonly DayItem[]> {
  const desk = makeCarrierDesk(seed, business);
  const drafts = inArrivalOrder(desk);
  const written = new Map<Tale, { readonly file: string; readonly sentAt: Date }>();
  const items: DayItem[] = [];
  for (const [place, draft] of drafts.entries()) {
    const file = `${String(place + 1).padStart(4, "0")}.eml`;
    const slot = new Date(at.getTime() - (drafts.length - place) * MINUTES_APART * 60_000);
    slot.setUTCMilliseconds(0);
    const before = previousOf(draft);
    const earlier = before === undefined ? undefined : written.get(before);
    const sentAt = sendingTime(draft, slot, earlier?.sentAt);
    if (draft.tale !== undefined) written.set(draft.tale, { file, sentAt });
    items.push({
      file,
      label: draft.label,
      eml: await write(draft, sentAt),
      truth: truthOf(draft, business, sentAt, earlier?.file),
    });
  }
  return items;
}

/** First the first notice of every story, then the second ones, and so on, each time in another order. */
function inArrivalOrder(desk: CarrierDesk): readonly Draft[] {
  const stories = tellStories(desk);
  const others: Draft[] = otherMail(desk.business).map((other) => ({ label: other.label, other }));
  const longest = Math.max(...stories.map((story) => story.length));
  return Array.from({ length: longest }, (_, wave) => {
    const tales = stories.flatMap((story): Draft[] => {
      const tale = story[wave];
      return tale === undefined ? [] : [{ label: tale.label, tale, story }];
    });
    return desk.random.shuffled([...tales, ...(wave === 0 ? others : [])]);
  }).flat();
}

function previousOf({ tale, story }: Draft): Tale | undefined {
  if (tale === undefined || story === undefined) return undefined;
  return story[story.indexOf(tale) - 1];
}

function sendingTime({ tale }: Draft, slot: Date, before: Date | undefined): Date {
  if (before === undefined || tale === undefined) return slot;
  if (tale.again === true) return before;
  if (tale.sentEarlierMinutes === undefined) return slot;
  return new Date(before.getTime() - tale.sentEarlierMinutes * 60_000);
}

async function write({ tale, other }: Draft, sentAt: Date): Promise<Uint8Array> {
  if (tale === undefined) {
    if (other === undefined) throw new RangeError("a draft is a tale or other mail");
    return composeMail(other.content, { from: other.from, sentAt, route: "mail.example" });
  }
  const { name, mailDomain } = tale.work.carrier;
  const words = spoilt(await wordsOf(tale.work, sentAt, tale.manner), tale);
  const envelope = {
    from: `${name} <maintenance@${mailDomain}>`,
    sentAt,
    route: tale.again === true ? "list.desk.example" : `out.${mailDomain}`,
  };
  const message = await composeMail(words, envelope);
  if (tale.forwarded !== true) return message;
  return composeMail(
    {
      subject: `Fwd: ${words.subject}`,
      text: "This came to my own address. Can you take it?\n\nAna\n",
      files: [{ filename: "original.eml", contentType: "message/rfc822", content: message }],
    },
    { from: "Ana <ana@desk.example>", sentAt: new Date(sentAt.getTime() + 240_000), route: "desk.example" },
  );
}

function spoilt(words: MailContent, { spoil, bare }: Tale): MailContent {
  const { text, ...rest } = words;
  const kept: MailContent = bare === true || text === undefined ? rest : { ...rest, text };
  if (spoil === undefined) return kept;
  if (kept.calendar !== undefined) return { ...kept, calendar: spoil(kept.calendar) };
  if (kept.html !== undefined) return { ...kept, html: spoil(kept.html) };
  return { ...kept, text: spoil(kept.text ?? "") };
}

function truthOf(
  { tale, other }: Draft,
  business: Business,
  sentAt: Date,
  before: string | undefined,
): Truth {
  if (tale === undefined)
    return other?.unclear === undefined
      ? { kind: "not-a-notice" }
      : { kind: "unclear", because: other.unclear };
  if (tale.again === true && before !== undefined) return { kind: "repeats", file: before };
  if (tale.unclear !== undefined) return { kind: "unclear", because: tale.unclear };
  const asks = new Set(tale.asks);
  if (hitsFreeze(tale.work, business)) asks.add("freeze");
  return { kind: "states", statement: statementOf(tale.work, sentAt), asks: [...asks] };
}

/** A clock change may lie in a freeze, on some days of the year. */
function hitsFreeze(work: Work, business: Business): boolean {
  return business.freezes.some(({ site, startsAt, endsAt }) =>
    work.windows.some(
      ({ start, end, circuits }) =>
        utc(start) < endsAt &&
        startsAt < utc(end) &&
        (site === null || circuits.some(({ circuitId }) => endsAtSite(business, circuitId, site))),
    ),
  );
}

function endsAtSite(business: Business, circuitId: string, site: string): boolean {
  const circuit = business.circuits.find((one) => one.circuitId === circuitId);
  const devices = new Set(business.devices.filter((one) => one.site === site).map((one) => one.name));
  return circuit !== undefined && (devices.has(circuit.aDevice) || devices.has(circuit.zDevice ?? ""));
}
