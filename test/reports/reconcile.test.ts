/** Bills of providers, laid beside calls: every difference has its name, and together they are all of it. */
import * as fc from "fast-check";
import { readBill } from "factotum/reports";
import { describe, expect, test } from "vitest";
import { call, laid } from "./kit.ts";

const header = "id,created_at,model,input_tokens,cached_tokens,output_tokens,cost";
const csv = (...rows: string[]): string => [header, ...rows].join("\n");
const NOON = "2026-03-02T12:00:00Z";

const plain = call("plain", { input: 1_000, output: 100 }, { replyId: "resp-1" });
const missing = call("missing", { input: 500, output: 10 }, { replyId: "resp-2" });
const repriced = call("repriced", { input: 2_000, output: 200 }, { replyId: "resp-3" });
const recached = call("cached", { input: 1_000, cachedInput: 9_000, output: 50 }, { replyId: "resp-4" });
const tiered = call("tiered", { input: 150_000, output: 1_000 }, { replyId: "resp-5" });
const doubled = call("doubled", { input: 1_001, output: 7 }, { replyId: "resp-6" });

describe("lines that name requests", () => {
  const invoice = csv(
    `resp-1,${NOON},strong,1000,0,100,0.0045`,
    `resp-3,${NOON},strong,2000,0,200,0.0108`,
    // The provider counted 4,000 of the 10,000 as cached, where the reply had said 9,000.
    `resp-4,${NOON},strong,10000,4000,50,0.01995`,
    // Charged as if it had more than 200,000 tokens of input.
    `resp-5,${NOON},strong,150000,0,1000,0.9225`,
    `resp-6,${NOON},strong,1001,0,7,0.003108`,
    `resp-6,${NOON},strong,1001,0,7,0.003108`,
    `resp-9,${NOON},strong,100,0,1,0.000315`,
    `,${NOON},strong,0,0,0,-0.5`,
  );

  test("missing, doubled, re-priced, cached and tiered lines are explained to the last cent", () => {
    const found = laid(
      [readBill("invoice.csv", invoice)],
      [plain, missing, repriced, recached, tiered, doubled],
    );
    expect(found.agreed).toBe(2);
    expect(found.told).toEqual([
      {
        ...{ kind: "re-priced", amount: "0.0018" },
        because: "0.0108 is charged, and 0.009 by our prices",
      },
      {
        ...{ kind: "cached-tokens", amount: "0.0135" },
        because:
          "the same input, cached differently: input 1000 → 6000, " +
          "cached input 9000 → 4000 (ours → theirs), " +
          "at our prices",
      },
      {
        ...{ kind: "tier", amount: "0.4575" },
        because: "is charged at the prices of calls of more than 200000 tokens of input",
      },
      {
        ...{ kind: "not-booked", amount: "0.000315" },
        because: "it is on the bill and nothing is booked for it",
      },
      { kind: "not-billed", amount: "-0.00165", because: "it is booked and not on the bill" },
      { kind: "doubled", amount: "0.003108", because: "the bill has this line more than once" },
      { kind: "credit", amount: "-0.5", because: "the provider gives something back" },
    ]);
    expect(found.billed?.minus(found.booked).toFixed()).toBe(found.sum);
    const names = found.differences.map(({ lines, calls: of }) => [lines.join(), of.join()]);
    expect(names).toEqual([
      ["invoice.csv:3", "repriced"],
      ["invoice.csv:4", "cached"],
      ["invoice.csv:5", "tiered"],
      ["invoice.csv:8", ""],
      ["", "missing"],
      ["invoice.csv:7", "doubled"],
      ["invoice.csv:9", ""],
    ]);
  });

  test("a line at the batch price of a call that is booked live is named, and the other way round", () => {
    const batched = call("batched", { input: 1_000, output: 100 }, { replyId: "resp-7", batch: true });
    const lines = csv(`resp-1,${NOON},strong,1000,0,100,0.00225`, `resp-7,${NOON},strong,1000,0,100,0.0045`);
    const found = laid([readBill("b.csv", lines)], [plain, batched]);
    expect(found.told).toEqual([
      { kind: "batch", amount: "-0.00225", because: "is charged at the prices of batches" },
      {
        ...{ kind: "batch", amount: "0.00225" },
        because: "is charged at live prices, and booked at those of batches",
      },
    ]);
    expect(found.billed?.minus(found.booked).toFixed()).toBe(found.sum);
  });

  test("a bill that rounds to cents differs by its rounding, and no more", () => {
    const rounded = csv(`resp-1,${NOON},strong,1000,0,100,0.00`, `resp-5,${NOON},strong,150000,0,1000,0.47`);
    const found = laid([readBill("b.csv", rounded)], [plain, tiered]);
    expect(found.told.map(({ kind, amount }) => [kind, amount])).toEqual([
      ["rounding", "-0.0045"],
      ["rounding", "0.005"],
    ]);
  });
});

describe("sums by day and model", () => {
  const day = (results: readonly object[], date = 2) => ({
    ...{ object: "bucket", start_time: Date.UTC(2026, 2, date) / 1000, results },
    end_time: Date.UTC(2026, 2, date + 1) / 1000,
  });
  const page = (...data: object[]): string => JSON.stringify({ object: "page", data, has_more: false });
  const usage = (input: number, cached: number, output: number) => ({
    ...{ object: "organization.usage.completions.result", model: "strong-2026-01-01" },
    ...{ input_tokens: input, input_cached_tokens: cached, output_tokens: output, num_model_requests: 1 },
  });
  const cost = (item: string, value: number) => ({
    ...{ object: "organization.costs.result", line_item: `strong-2026-01-01, ${item}` },
    amount: { value, currency: "usd" },
  });

  test("OpenAI's usage and costs together: a missing call is named, and a price that changed", () => {
    const bills = [
      readBill("usage.json", page(day([usage(11_000, 9_000, 150)]))),
      readBill(
        "costs.json",
        page(day([cost("input", 0.006), cost("cached input", 0.0045), cost("output", 0.00225)])),
      ),
    ];
    const found = laid(bills, [plain, missing, recached]);
    expect(found.told).toEqual([
      { kind: "not-billed", amount: "-0.00165", because: "the sums lack just what call missing used" },
      {
        ...{ kind: "re-priced", amount: "0.0018" },
        because: "cached input is charged at 0.50 per million tokens, and ours is 0.30",
      },
    ]);
    expect(found.billed?.minus(found.booked).toFixed()).toBe(found.sum);
  });

  test("a usage report alone charges nothing: counts are compared, at our prices", () => {
    const found = laid(
      [readBill("u.json", page(day([usage(2_000, 0, 100)]), day([], 3)))],
      [
        plain,
        call("next day", { input: 10 }, { at: "2026-03-03T23:59:59Z" }),
        call("other day", { input: 10 }, { at: "2026-03-04T00:00:00Z" }),
      ],
    );
    expect(found.billed).toBeNull();
    expect(found.told).toMatchObject([
      { kind: "tokens", amount: "0.003" },
      { kind: "not-billed", amount: "-0.00003" },
      { kind: "not-billed", amount: "-0.00003" },
    ]);
  });

  test("Anthropic's reports: cache writes are nested, costs in cents, and a search is no tokens", () => {
    const bucket = (results: readonly object[]) => ({
      ...{ starting_at: "2026-03-02T00:00:00Z", ending_at: "2026-03-03T00:00:00Z", results },
    });
    const used = {
      ...{
        uncached_input_tokens: 1_000,
        cache_read_input_tokens: 200,
        output_tokens: 100,
        model: "strong-20260101",
      },
      cache_creation: { ephemeral_1h_input_tokens: 300, ephemeral_5m_input_tokens: 100 },
    };
    const charge = (token_type: string | null, amount: string) => ({
      ...{ currency: "USD", amount, cost_type: token_type === null ? "web_search" : "tokens" },
      ...{ token_type, model: token_type === null ? null : "strong-20260101" },
    });
    const bills = [
      readBill("u.json", JSON.stringify({ data: [bucket([used])] })),
      readBill(
        "c.json",
        JSON.stringify({
          data: [
            bucket([
              ...[charge("uncached_input_tokens", "0.3"), charge("cache_read_input_tokens", "0.006")],
              charge("cache_creation.ephemeral_1h_input_tokens", "0.1125"),
              charge("cache_creation.ephemeral_5m_input_tokens", "0.0375"),
              ...[charge("output_tokens", "0.15"), charge(null, "1")],
            ]),
          ],
        }),
      ),
    ];
    const ours = call("c", { input: 1_000, cachedInput: 200, cacheWrite: 400, output: 60, reasoning: 40 });
    const found = laid(bills, [ours]);
    expect(found.told).toEqual([
      { kind: "other-charge", amount: "0.01", because: "it is charged beside tokens" },
    ]);
    expect(found.agreed).toBe(1);
  });
});

describe("whatever a bill does to calls", () => {
  const count = fc.integer({ min: 0, max: 300_000 });
  const used = fc.record({ input: count, cachedInput: count, output: count });
  const deed = fc.constantFrom("leave", "leave", "drop", "double", "reprice", "recount", "recache", "odd");
  type Deed = typeof deed extends fc.Arbitrary<infer One> ? One : never;

  function billed(each: ReturnType<typeof call>, what: Deed, at: number, ids: boolean): string[] {
    const counts = { input: Number(each.usage.input), cached: Number(each.usage.cachedInput) };
    const exact = each.costs.input.plus(each.costs.cachedInput).plus(each.costs.output);
    const moved = what === "recache" ? Math.min(counts.input, 17) : 0;
    const more = what === "recount" ? 13 : 0;
    const amount =
      what === "reprice" ? exact.times("1.5") : what === "odd" ? exact.plus("0.000001234") : exact;
    const row = [
      ...[ids ? each.callId : "", `2026-03-02T00:00:0${at % 10}Z`, "strong"],
      ...[counts.input + counts.cached + more, counts.cached + moved, each.usage.output, amount.toFixed()],
    ].join();
    return what === "drop" ? [] : what === "double" ? [row, row] : [row];
  }

  test("its differences come to what was billed less what is booked, exactly, and honest bills agree", () => {
    let named = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(used, deed), { minLength: 1, maxLength: 8 }),
        fc.boolean(),
        (told, ids) => {
          const ours = told.map(([counts], index) =>
            call(`c${index}`, counts, { at: "2026-03-02T00:00:00Z" }),
          );
          const rows = ours.flatMap((each, index) => billed(each, told[index]?.[1] ?? "leave", index, ids));
          if (rows.length === 0) return;
          const found = laid([readBill("random.csv", csv(...rows))], ours);
          named += found.told.length;
          expect(found.billed?.minus(found.booked).toFixed()).toBe(found.sum);
          const honest = ids && told.every(([, what]) => what === "leave");
          expect(found.agreed).toBe(honest ? ours.length : found.agreed);
        },
      ),
      { numRuns: Number(process.env["REPORTS_RUNS"] ?? 200) },
    );
    expect(named).toBeGreaterThan(20);
  });
});

describe("files that are no bills", () => {
  const refused = (text: string): string => {
    try {
      readBill("x", text);
      return "read";
    } catch (error) {
      return (error as { code: string }).code;
    }
  };

  test("what is wrong is said by line and field, and nothing is guessed", () => {
    expect(refused("")).toBe("bill-empty");
    expect(refused("\uFEFF")).toBe("bill-empty");
    expect(refused(header)).toBe("bill-empty");
    expect(refused("a,b\n1,2")).toBe("bill-format");
    expect(refused("a,b\n1,2,3")).toBe("bill-format");
    expect(refused('a,b\n"1,2')).toBe("bill-format");
    expect(refused('{"data": [')).toBe("bill-format");
    expect(refused("[1, 2]")).toBe("bill-format");
    expect(refused(csv("r,2026-03-02,strong,-5,0,1,1"))).toBe("bill-number");
    expect(refused(csv("r,2026-03-02,strong,1.5,0,1,1"))).toBe("bill-number");
    expect(refused(csv("r,2026-03-02,strong,1,2,1,1"))).toBe("bill-number");
    expect(refused(csv("r,2026-03-02,strong,1,0,1,NaN"))).toBe("bill-number");
    expect(refused(csv("r,2026-02-30,strong,1,0,1,1"))).toBe("bill-time");
    expect(refused(csv("r,yesterday,strong,1,0,1,1"))).toBe("bill-time");
    expect(refused("model,cost,currency\nstrong,1,EUR")).toBe("bill-currency");
    expect(refused("date,model,cost\n2024-02-29,strong,1")).toBe("read");
    expect(() => readBill("march.csv", csv("r,2026-03-02,strong,1e9,0,1,1"))).toThrow(
      'march.csv:2: input_tokens is "1e9", which is no count of tokens',
    );
  });

  test("times are UTC where no zone is written, whatever the clocks of this machine do", () => {
    const span = (text: string) => readBill("x", csv(`r,${text},strong,1,0,1,1`)).lines[0]?.span;
    expect(span("2026-03-29")).toEqual({
      from: new Date("2026-03-29T00:00Z"),
      to: new Date("2026-03-30T00:00Z"),
    });
    expect(span("2026-03-29 02:30:00")?.from).toEqual(new Date("2026-03-29T02:30Z"));
    expect(span("2026-03-29T02:30:00+02:00")?.from).toEqual(new Date("2026-03-29T00:30Z"));
    expect(span("1774740600")?.from).toEqual(new Date("2026-03-28T23:30Z"));
  });
});
