import picocolors from "picocolors";
import { describe, expect, test } from "vitest";
import { microUsd, must, type QuestionId, type RunId, type TenantId, tokens } from "../kernel/index.ts";
import type { Question, RunStory, Summary } from "../server/index.ts";
import { cleanLine, cleanText } from "./clean-text.ts";
import { renderCard, renderChoices } from "./render-card.ts";
import { renderChanges } from "./render-changes.ts";
import { renderFindings } from "./render-findings.ts";
import { renderRuns } from "./render-runs.ts";
import { renderWholeStep } from "./render-step.ts";
import { renderStory } from "./render-story.ts";
import { renderSummary } from "./render-summary.ts";
import { renderWorkers } from "./render-workers.ts";

const paint = picocolors.createColors(false);
const piped = { framed: false, paint };
const at = new Date("2026-03-02T07:00:00.123Z");

const summary: Summary = {
  ...{
    runs: 9,
    resolved: 5,
    answered: 1,
    waiting: 2,
    refused: 1,
    discarded: 0,
    undone: 0,
    failed: 0,
    working: 0,
  },
  ...{
    rowsChanged: 12,
    cost: microUsd(1_000_000),
    loss: microUsd(0),
    tokens: tokens(12_345),
    value: microUsd(24_000_000),
  },
};

const question: Question = {
  ...{ id: "7" as QuestionId, runId: "3" as RunId, tenant: "default" as TenantId, agent: "clerk" },
  ...{ status: "open", defaultChoice: null, dueAt: null, askedAt: at, answer: null, by: null },
  ...{ answeredAt: null, via: null, topic: "card", importance: "normal", stake: null, because: null },
  ...{ chain: null, level: 0, told: [], showAt: at, escalateAt: null, mergedInto: null, alsoFor: 0 },
  card: {
    title: "order \u001b[31mb\u001b[0m",
    about: "line one\r\nline two\u001b]0;owned\u0007",
    because: ["large orders: 5000 is a large order"],
    changes: [
      {
        ...{ kind: "update", table: "shop.orders", key: { id: "b" } },
        fields: [{ column: "amount", before: "1", after: null }],
      },
    ],
    calls: [],
    choices: [
      { id: "commit", label: "Commit it as staged" },
      { id: "correct", label: "Commit this instead", wants: "calls" },
    ],
  },
};

const refusal = {
  ...{ tool: "pay", input: { to: "x" }, guard: '"who may pay"', because: "nobody has said who they are" },
};

const fold = {
  ...{ by: "model", tokensBefore: 900, tokensAfter: 300, costMicroUsd: "1200", from: 9 },
  ...{ noted: { by: "openai/small", text: "It is\u001b[2J blue.", upTo: 9 }, note: "Facts:\n- one" },
};
const story: RunStory = {
  run: {
    ...{ id: "3" as RunId, agent: "clerk", key: "b", status: "done", disposition: "answered", wakeAt: null },
    ...{ createdAt: at, title: "order b", input: {}, outcome: "answered", because: null },
    ...{ tenant: "acme" as TenantId, parentId: "1" as RunId, children: ["4" as RunId], deadlineAt: at },
  },
  attempts: [
    {
      ...{
        runId: "3" as RunId,
        number: 1,
        rung: "book",
        model: "openai/small",
        status: "discarded",
        calls: [],
      },
      ...{
        changeSet: { rows: [] },
        diff: [],
        refusals: [refusal],
        because: null,
        startedAt: at,
        endedAt: at,
      },
      verdicts: [
        { check: "grounding", by: "check", kind: "pass" },
        { check: "completeness", by: "check", kind: "fail", because: "a window is missing" },
        { check: "asked", by: "wishes", kind: "ask", wish: "a refund", because: "nothing of it is done" },
        { check: "asked", by: "wishes", kind: "pass", wish: "a return" },
        {
          check: "reader",
          by: "judge",
          kind: "pass",
          because: "it does what was asked",
          costMicroUsd: "1200",
        },
      ],
    },
  ],
  nudges: [],
  steps: [
    { seq: 1n, at, kind: "asked", attempt: 1, data: { question: "7", because: ["a", "b"], by: null } },
    { seq: 2n, at, kind: "compacted", attempt: 1, data: fold },
    { seq: 3n, at, kind: "committed", attempt: 1, data: { rows: 1, by: "person" } },
  ],
  stepCount: 1_003,
  questions: [{ ...question, status: "answered", answer: { choice: "commit", note: "fine" }, by: "ada" }],
  effects: [],
  changeSets: [],
  ...{ cost: microUsd(4_200), tokens: tokens(99), value: microUsd(0) },
};

describe("text from outside", () => {
  test("loses escapes, controls and characters that turn text around, and keeps its lines", () => {
    expect(cleanText("a\u001b[2Jb\u0000\u202ec\r\nd\te\u009b31m")).toBe("abc\nd  e");
    expect(cleanLine("a\nb")).toBe("a\\nb");
    expect(cleanLine("abcdef", 4)).toBe("abc…");
  });

  test("loses what an unfinished sequence or a lone return could hide", () => {
    expect(cleanText("safe\rEVIL\u001b]8;;http://x\u0007link")).toBe("safeEVILlink");
  });
});

describe("the table at the end", () => {
  const intake = { noun: "notices", read: 11, duplicates: 1, unreadable: 1 };

  test("is aligned plain text in a pipe, and leaves out what did not happen", () => {
    expect(renderSummary(intake, summary, piped).split("\n")).toEqual([
      "notices read                                  11",
      "duplicates                                     1",
      "unreadable                                     1",
      "resolved without a person                      5",
      "resolved after an answer                       1",
      "waiting for a person                           2",
      "refused                                        1",
      "rows changed                                  12",
      "cost                       $1.00 (12,345 tokens)",
      "value                                     $24.00",
      "cost per resolved notice               $0.166667",
    ]);
  });

  test("has lines on a terminal, and a dash where nothing was resolved", () => {
    const drawn = renderSummary(
      undefined,
      { ...summary, resolved: 0, answered: 0, failed: 2 },
      { framed: true, paint },
    );
    expect(drawn).toContain("┌");
    expect(drawn).toMatch(/failed\s+│\s+2/);
    expect(drawn).toMatch(/cost per resolved run\s+│\s+- /);
  });
});

describe("cards and stories", () => {
  test("a card says why, what would change and how to choose, and carries no stranger's escape", () => {
    const card = renderCard(question, paint);
    expect(card).not.toContain("\u001b");
    for (const part of ["question 7  order b", "5000 is a large order", "~ update shop.orders (id b)"]) {
      expect(card).toContain(part);
    }
    expect(card).toContain("amount  1 -> null");
    expect(card).toContain("  | line one\n  | line two");
    expect(renderChoices(question, paint)).toContain("correct  Commit this instead  (with --calls FILE)");
  });

  test("a story has timeline, attempts with verdicts, questions and cost", () => {
    const text = renderStory(story, paint);
    expect(text).toContain("tenant acme, handed on by run 1, handed on to run 4, must be over by 20");
    expect(text).toContain("done, answered; cost $0.004200 (99 tokens), value $0.00");
    expect(text).toContain("2026-03-02 07:00:00Z  asked [attempt 1]  question 7, a; b");
    expect(text).toContain("2026-03-02 07:00:00Z  committed [attempt 1]  1 row, by person");
    expect(text).toContain("attempt 1  rung book with openai/small: discarded");
    expect(text.split("\n")).toEqual(
      expect.arrayContaining([
        ...["  pass  check   grounding", "  fail  check   completeness: a window is missing"],
        ...["  ask   wishes  asked: a refund is not done", "  pass  wishes  asked: a return is done"],
        "  pass  judge   reader: it does what was asked  $0.001200",
        '  refused  pay {"to":"x"} by "who may pay": nobody has said who they are',
      ]),
    );
    expect(text).toContain("7  answered: commit by ada (fine)");
  });

  test("a hand-off note is told by its figures on one line, and whole where it is asked for", () => {
    const line = "compacted [attempt 1]  900 to 300 tokens, noted by openai/small, $0.001200: It is blue.";
    const text = renderStory(story, paint);
    expect(text).toContain(line);
    expect(text).toContain("and 1000 more: factotum steps 3 --after 3");
    const whole = renderWholeStep(must(story.steps[1], "the note"), paint);
    expect(whole.split("\n").slice(-3)).toEqual([
      ...['      noted: {"by":"openai/small","text":"It is\\u001b[2J blue.","upTo":9}'],
      ...["      note: Facts:", "      - one"],
    ]);
    expect(whole).not.toContain("\u001b");
  });

  test("inserts and deletes show the side there is, and an empty text is not nothing", () => {
    const field = { column: "note", before: "", after: "x\ny" };
    const changes = (["insert", "delete"] as const).map((kind) => ({
      kind,
      table: "a.b",
      key: {},
      fields: [field],
    }));
    expect(renderChanges(changes, paint)).toEqual([
      ...["  + insert a.b ()", "      note  -> x\\ny", "  - delete a.b ()", '      note  "" ->'],
    ]);
  });

  test("a remedy of many statements is shown whole, a line each", () => {
    const long = `create role x password '${"y".repeat(600)}';`;
    const finding = {
      what: "role",
      state: "broken",
      detail: "none",
      remedy: `${long}\ngrant x to z;`,
    } as const;
    expect(renderFindings([finding], paint).split("\n")).toEqual([
      ...["broken   role  none", `               -> ${long}`, "                  grant x to z;"],
    ]);
  });

  test("listings and findings line up", () => {
    const [head, line] = renderRuns([story.run], piped).split("\n");
    expect(head?.indexOf("status")).toBe(line?.indexOf("done"));
    const findings = [
      { what: "database", state: "ok", detail: "fine", remedy: "none" },
      { what: "triggers", state: "warning", detail: "missing", remedy: "factotum attach" },
    ] as const;
    expect(renderFindings(findings, paint).split("\n")).toEqual([
      ...["ok       database  fine", "warning  triggers  missing", "                   -> factotum attach"],
    ]);
  });
});

test("workers are listed with what they have in hand, cut short where it is much", () => {
  const worker = {
    name: "a:1",
    living: true,
    startedAt: at,
    agents: null,
    concurrency: 2,
    held: 0,
    runs: [],
  };
  const lines = [
    { ...worker, id: "7" },
    { ...worker, id: "8", living: false, agents: ["saw"], held: 3, runs: ["4", "5"] as RunId[] },
  ];
  const [head, idle, gone] = renderWorkers(lines, piped).split("\n");
  expect(head).toMatch(/^worker +name +stands +since +works for +at once +runs in hand$/);
  expect(idle).toMatch(/^ +7 +a:1 +works +\S+ \S+ +all agents +2 +none$/);
  expect(gone).toMatch(/^ +8 +a:1 +gone +\S+ \S+ +saw +2 +4, 5 and 1 more$/);
});
