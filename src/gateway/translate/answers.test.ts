import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonObject, TenantId } from "../../kernel/index.ts";
import { makeSeals } from "../envelope.ts";
import type { UsageTap } from "../usage-tap.ts";
import type { Finish, Said, Totals, WholeSaid } from "./ask.ts";
import { dialects, type Spoken } from "./dialects.ts";
import { folded } from "./fold.ts";
import { RefusedAnswer, streamRewriter, wholeRewriter } from "./rewrite.ts";

const protocols = Object.keys(dialects) as Spoken[];
const pairs = protocols.flatMap((from) => protocols.flatMap((to) => (from === to ? [] : [{ from, to }])));
const sayFor = { at: 0, model: "m", id: "id", usage: true, asked: {} };
/** For each pair of protocols. */
const RUNS = 20;
const count = fc.nat({ max: 1_000_000 });
const totals: fc.Arbitrary<Totals> = fc.tuple(count, count, count).map(([input, cachedInput, output]) => ({
  ...{ input: input + cachedInput, cachedInput, cacheWrite: 0, output, reasoning: 0 },
}));
const words = fc.string({ minLength: 1, unit: "grapheme" });
/** A part's pieces; of a call, pieces of the JSON of its arguments. */
const piecesOf = (text: string, cut: number): string[] => {
  const at = Math.min(cut, text.length);
  return [text.slice(0, at), text.slice(at)].filter((piece) => piece !== "");
};
const thought = words.map((text) => ({ part: { kind: "thinking" as const }, text }));
const spoken = words.map((text) => ({ part: { kind: "text" as const }, text }));
const call = fc
  .tuple(
    fc.uuid(),
    fc.stringMatching(/^[a-z]{1,8}$/),
    fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), words),
  )
  .map(([id, name, input]) => ({ part: { kind: "call" as const, id, name }, text: JSON.stringify(input) }));
const answer = fc
  .tuple(fc.option(thought), fc.option(spoken), fc.array(call, { maxLength: 3 }), totals, fc.nat({ max: 9 }))
  .map(([first, second, calls, counted, cut]): readonly Said[] => {
    const parts = [...(first === null ? [] : [first]), ...(second === null ? [] : [second]), ...calls];
    const finish: Finish = calls.length > 0 ? "calls" : "stop";
    return [
      { kind: "start", id: "answer-1", model: "m1" },
      ...parts.flatMap(({ part, text }): Said[] => [
        { kind: "open", part },
        ...piecesOf(text, cut).map((piece): Said => ({ kind: "more", text: piece })),
        { kind: "close" },
      ]),
      { kind: "usage", totals: counted },
      { kind: "finish", finish },
    ];
  });

function streamed(protocol: Spoken, said: readonly Said[]): string {
  const saying = dialects[protocol].saying(sayFor);
  return `${said.map((each) => saying.say(each)).join("")}${saying.end()}`;
}

/** What comes out of a tap that gets the bytes in pieces of this many. */
function through(tap: UsageTap, text: string, size: number): string {
  const bytes = Buffer.from(text, "utf8");
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const passed = tap.push(bytes.subarray(at, at + size));
    if (passed !== null) out.push(passed);
  }
  return Buffer.concat([...out, tap.rest() ?? Buffer.alloc(0)]).toString("utf8");
}

function between(from: Spoken, to: Spoken): Parameters<typeof streamRewriter>[0] {
  return { from, to, sayFor, wrapping: () => (said) => [said] };
}

/** An answer without what differs by nature: calls' arguments as what they say, no seals. */
function sense(whole: WholeSaid): unknown {
  const parts = whole.parts.map(({ part, text }) => ({
    part,
    said: part.kind === "call" ? (JSON.parse(text || "{}") as unknown) : text,
  }));
  return { ...whole, parts };
}

function heard(protocol: Spoken, text: string): WholeSaid {
  const hearing = dialects[protocol].hearing();
  const said = text.split("\n\n").flatMap((event) => {
    const data = /^data: ([^\n]*)/m.exec(event)?.[1];
    return data === undefined || data === "[DONE]" ? [] : hearing.event(JSON.parse(data) as JsonObject);
  });
  expect(hearing.ended).toBe(true);
  return folded(said);
}

describe.for(pairs)("an answer $from → $to", ({ from, to }) => {
  test("and back is the same, streamed in pieces of any size, and whole", () => {
    fc.assert(
      fc.property(answer, fc.integer({ min: 1, max: 40 }), (said, size) => {
        const there = through(streamRewriter(between(from, to)), streamed(from, said), size);
        const back = through(streamRewriter(between(to, from)), there, size);
        expect(sense(heard(from, back))).toEqual(sense(folded(said)));
        const whole = JSON.stringify(dialects[from].say(folded(said), sayFor));
        const wholeThere = through(wholeRewriter(between(from, to)), whole, size);
        const wholeBack = through(wholeRewriter(between(to, from)), wholeThere, size);
        const reply = JSON.parse(wholeBack) as JsonObject;
        expect(sense(folded(dialects[from].heard(reply)))).toEqual(sense(folded(said)));
      }),
      { numRuns: RUNS },
    );
  });

  test("that breaks off anywhere, or is no stream at all, ends in one error and never in a good end", () => {
    fc.assert(
      fc.property(
        answer,
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.string(),
        (said, share, noise) => {
          const text = streamed(from, said);
          // The last event says that the answer is over: all before it is not the whole.
          const events = text.split("\n\n").filter((event) => event !== "" && event !== "data: [DONE]");
          const last = from === "openai-chat" ? 2 : 1;
          const before = events.slice(0, Math.floor((events.length - last) * share));
          const cut = `${before.join("\n\n")}\n\n`;
          for (const broken of [cut, `${cut}data: {"${noise.replaceAll(/["\\\n\r]/g, "")}`]) {
            const out = through(streamRewriter(between(from, to)), broken, 7);
            expect(out.match(/upstream_(?:broken|malformed)/g)).toHaveLength(1);
            expect(out).not.toMatch(/\[DONE\]|message_stop|response\.completed|"finishReason"/);
          }
          const tap = wholeRewriter(between(from, to));
          expect(() => through(tap, noise, 7)).toThrow(RefusedAnswer);
        },
      ),
    );
  });
});

test("a call whose arguments are cut is told as broken where they must be whole", () => {
  const said: readonly Said[] = [
    { kind: "start", id: "1", model: "m" },
    { kind: "open", part: { kind: "call", id: "c", name: "look" } },
    { kind: "more", text: '{"city": "Be' },
    { kind: "close" },
    { kind: "finish", finish: "length" },
  ];
  const whole = JSON.stringify(dialects["openai-chat"].say(folded(said), sayFor));
  for (const to of ["anthropic-messages", "google-generate"] as const) {
    const tap = wholeRewriter(between("openai-chat", to));
    expect(() => through(tap, whole, 50)).toThrow("arguments must be a JSON object");
  }
  const stream = streamed("openai-chat", said);
  const out = through(streamRewriter(between("openai-chat", "google-generate")), stream, 50);
  expect(out).toContain("upstream_malformed");
  expect(out).not.toContain("Be");
});

test("an envelope opens for its tenant alone, and only as it was made", () => {
  const key = Buffer.alloc(32, 7);
  fc.assert(
    fc.property(words, words, fc.nat(), (issuer, data, at) => {
      const mine = makeSeals(key, "mine" as TenantId);
      const sealed = { form: "signature" as const, data };
      const text = mine.wrap(issuer, sealed);
      expect(mine.open(text)).toEqual({ issuer, sealed });
      expect(makeSeals(key, "other" as TenantId).open(text)).toBe("forged");
      expect(makeSeals(Buffer.alloc(32, 8), "mine" as TenantId).open(text)).toBe("forged");
      const place = 4 + (at % (text.length - 4));
      const other = text[place] === "A" ? "B" : "A";
      const changed = text.slice(0, place) + other + text.slice(place + 1);
      expect(mine.open(changed)).toBe("forged");
      expect(mine.open(data)).toBe(data.startsWith("fe1.") ? "forged" : null);
    }),
  );
});
