import { expect, test } from "vitest";
import { type Database, setClock } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import {
  type AgreementInput,
  closePeriod,
  mayServe,
  recordAgreement,
  recordEvents,
  settlementOf,
  settlementText,
  showAgreement,
  type TermEventInput,
} from "./index.ts";

const cloudOnly = {
  ...{ kind: "licence" as const, licensor: "lab", licensee: "cloud", models: ["house-*"], clouds: ["azure"] },
  ...{ exclusive: true, apis: ["stateless-api"] },
};

const wording: AgreementInput = {
  ...{ parties: ["lab", "cloud"], from: "2026-01-01", zone: "UTC", period: "month", currency: "USD" },
  panels: { milestone: { experts: ["ada", "bob", "cyd"], quorum: 2 } },
  clauses: [
    {
      ...{ kind: "share", id: "share", payer: "lab", payee: "cloud", streams: ["*"], rate: "0.15" },
      until: { date: "2032-01-01", event: "milestone" },
    },
    {
      ...{ ...cloudOnly, id: "stateless", apis: ["stateless-api"] },
      text: "Stateless APIs are served on Azure alone.",
      until: { date: "2030-01-01", event: "milestone" },
    },
    { ...{ ...cloudOnly, id: "stateful", apis: ["stateful-api"] }, until: { date: "2028-01-01" } },
  ],
};

function sale(id: string, amount: string, day: string): TermEventInput {
  return { kind: "revenue", id, stream: "apps", amount, currency: "USD", earned: { at: `${day}T12:00:00Z` } };
}

async function at(db: Database, instant: string): Promise<void> {
  await setClock(db, { at: new Date(instant), rate: 0 });
}

async function signed(): Promise<Database> {
  const db = await throwawayDatabase();
  await at(db, "2026-01-02T00:00:00Z");
  await db.transaction((tx) => recordAgreement(tx, { agreement: "deal", version: 1, terms: wording }));
  return db;
}

test("a settlement asked again as it was known then has the same bytes", async () => {
  const db = await signed();
  await db.transaction((tx) => recordEvents(tx, [sale("a", "1000", "2026-01-10")]));
  const ask = (knownAt?: string) =>
    db.transaction((tx) =>
      settlementOf(tx, {
        agreement: "deal",
        period: "2026-01",
        ...(knownAt === undefined ? {} : { knownAt }),
      }),
    );
  const first = await ask();
  expect(first.settlement.owed).toEqual([{ from: "lab", to: "cloud", amount: "150.00" }]);
  // The clock stands still, and has even been put back: what is learned later is known later all the same.
  await at(db, "2025-06-01T00:00:00Z");
  const told = [sale("b", "100", "2026-01-11"), sale("a", "1000", "2026-01-10")];
  expect(await db.transaction((tx) => recordEvents(tx, told))).toBe(1);
  expect((await ask()).settlement.owed[0]?.amount).toBe("165.00");
  expect(settlementText((await ask(first.knownAt)).settlement)).toBe(settlementText(first.settlement));
  await expect(ask("2027-01-01T00:00:00Z")).rejects.toThrow(/not known before that time has passed/);
});

test("a closed month stays as it is, and its correction is in the open one", async () => {
  const db = await signed();
  const close = (period: string) => db.transaction((tx) => closePeriod(tx, { agreement: "deal", period }));
  await db.transaction((tx) => recordEvents(tx, [sale("a", "1000", "2026-01-10")]));
  await expect(close("2026-01")).rejects.toThrow(/runs until 2026-02-01/);
  await at(db, "2026-03-02T00:00:00Z");
  await expect(close("2026-02")).rejects.toThrow(/close what ends before 2026-02 first/);
  const january = await close("2026-01");
  await db.transaction((tx) =>
    recordEvents(tx, [{ kind: "refund", id: "x", of: "a", amount: "400", at: "2026-02-20T00:00:00Z" }]),
  );
  expect(await close("2026-01")).toEqual(january);
  const february = await close("2026-02");
  expect(february.settlement.owed).toEqual([{ from: "cloud", to: "lab", amount: "60.00" }]);
  expect(february.ordinal).toBe(2);
  const { settlement } = await db.transaction((tx) =>
    settlementOf(tx, { agreement: "deal", period: "2026-03" }),
  );
  expect(settlement.lines).toEqual([]);
});

test("the database refuses what would change the past", async () => {
  const db = await signed();
  await db.transaction((tx) => recordEvents(tx, [sale("a", "1000", "2026-01-10")]));
  await at(db, "2026-02-02T00:00:00Z");
  await db.transaction((tx) => closePeriod(tx, { agreement: "deal", period: "2026-01" }));
  for (const table of ["agreement_versions", "term_events", "closed_periods"]) {
    await expect(db.query(`update factotum.${table} set known_at = now()`)).rejects.toThrow(/append-only/);
    await expect(db.query(`delete from factotum.${table}`)).rejects.toThrow(/append-only/);
    await expect(db.query(`truncate factotum.${table} cascade`)).rejects.toThrow(/append-only/);
  }
  const again = (period: string, ordinal: number, from: string) =>
    db.query(
      `insert into factotum.closed_periods (tenant, agreement, ordinal, period, from_at, to_at, settlement)
       select tenant, agreement, $2, $1, $3::timestamptz, $3::timestamptz + interval '1 day',
         json_build_object('agreement', agreement, 'period', $1::text) from factotum.closed_periods`,
      [period, ordinal, from],
    );
  await expect(again("2026-01", 2, "2026-02-01T00:00:00Z")).rejects.toThrow(/closed_periods_once/);
  await expect(again("2025-12", 2, "2025-12-01T00:00:00Z")).rejects.toThrow(/closed_periods_no_gap/);
  await expect(again("2025-12", 3, "2026-02-01T00:00:00Z")).rejects.toThrow(/closed_periods_no_gap/);
  await expect(again("2026-02", 2, "2026-02-02T00:00:00Z")).rejects.toThrow(
    /closed_periods_ended_check|no_gap/,
  );
});

test("an amendment changes neither currency nor kinds of clauses, and skips no number", async () => {
  const db = await signed();
  const amend = (version: number, terms: AgreementInput, effectiveFrom = "2026-06-01") =>
    db.transaction((tx) => recordAgreement(tx, { agreement: "deal", version, effectiveFrom, terms }));
  expect(await amend(1, wording, "2026-01-01")).toBe(false);
  await expect(amend(1, { ...wording, clauses: [] }, "2026-01-01")).rejects.toThrow(/amend it by version 2/);
  await expect(amend(3, wording)).rejects.toThrow(/version 2 of deal is missing/);
  await expect(amend(2, { ...wording, currency: "EUR" })).rejects.toThrow(/changes currency/);
  await expect(amend(2, { ...wording, parties: ["lab", "other"] })).rejects.toThrow(/cloud is not a party/);
  const turned = { ...wording, clauses: [{ ...cloudOnly, id: "share" }] };
  await expect(amend(2, turned)).rejects.toThrow(/changes the kind or the parties of share/);
  expect(await amend(2, wording)).toBe(true);
  const conflicting = db.transaction((tx) =>
    recordEvents(tx, [sale("a", "1", "2026-01-10"), sale("a", "2", "2026-01-10")]),
  );
  await expect(conflicting).rejects.toMatchObject({ code: "event-conflict", retry: "never" });
  const { rows } = await db.query("select id from factotum.term_events");
  expect(rows).toEqual([]);
});

const openly = { region: "eu-west", cloud: "aws" };

test("a stateless API elsewhere is refused until the verified event, other products never", async () => {
  const db = await signed();
  await at(db, "2027-03-01T00:00:00Z");
  const may = (api: string, day: string, more: object = {}) =>
    db.transaction((tx) =>
      mayServe(tx, { model: "house-5", channel: { ...openly, api, ...more }, at: `${day}T00:00:00Z` }),
    );
  expect(await may("stateless-api", "2026-06-01")).toEqual({
    kind: "refused",
    refusals: [
      {
        ...{
          agreement: "deal",
          version: 1,
          clause: "stateless",
          until: "2030-01-01T00:00:00Z",
          event: "milestone",
        },
        text: "Stateless APIs are served on Azure alone.",
        because:
          "house-5 may not be served as stateless-api on aws in eu-west: clause stateless of deal " +
          "(version 1) leaves that to azure until 2030-01-01T00:00:00Z or until milestone is verified",
      },
    ],
  });
  const declare = (id: string, by: string, day: string): TermEventInput => ({
    ...{ kind: "attestation", id, declaration: "d", says: "sign", by, at: `${day}T00:00:00Z` },
  });
  const declared: TermEventInput = {
    ...{
      kind: "declaration",
      id: "d",
      agreement: "deal",
      event: "milestone",
      by: "lab",
      at: "2027-01-01T00:00:00Z",
    },
  };
  await db.transaction((tx) => recordEvents(tx, [declared, declare("1", "ada", "2027-01-05")]));
  expect((await may("stateless-api", "2027-02-01")).kind).toBe("refused");
  await db.transaction((tx) => recordEvents(tx, [declare("2", "bob", "2027-02-01")]));
  expect((await may("stateless-api", "2027-01-31")).kind).toBe("refused");
  expect((await may("stateless-api", "2027-02-01")).kind).toBe("allowed");
  // Two exclusivities of one agreement, with ends of their own.
  expect((await may("stateful-api", "2027-12-31")).kind).toBe("refused");
  expect((await may("stateful-api", "2028-01-01")).kind).toBe("allowed");
  for (const day of ["2026-06-01", "2027-02-01", "2031-01-01"]) {
    for (const api of ["app", "open-weights", "device"]) expect((await may(api, day)).kind).toBe("allowed");
    expect((await may("stateless-api", day, { cloud: "azure" })).kind).toBe("allowed");
  }
  const view = await db.transaction((tx) =>
    showAgreement(tx, { agreement: "deal", at: "2027-02-01T00:00:00Z" }),
  );
  expect(view.verifications).toMatchObject([
    { declaration: "d", signed: 2, quorum: 2, verifiedAt: "2027-02-01T00:00:00Z" },
  ]);
});

test("an amendment that ends exclusivity holds from its date on and changes no closed month", async () => {
  const db = await signed();
  await db.transaction((tx) => recordEvents(tx, [sale("a", "1000", "2026-01-10")]));
  await at(db, "2026-02-03T00:00:00Z");
  const january = await db.transaction((tx) => closePeriod(tx, { agreement: "deal", period: "2026-01" }));
  const before = january.knownAt;
  const clauses = wording.clauses.map((one) => (one.kind === "licence" ? { ...one, exclusive: false } : one));
  await db.transaction((tx) =>
    recordAgreement(tx, {
      ...{ agreement: "deal", version: 2, effectiveFrom: "2026-02-15", terms: { ...wording, clauses } },
    }),
  );
  const may = (day: string, knownAt?: string) =>
    db.transaction((tx) =>
      mayServe(tx, {
        ...{ model: "house-5", channel: { ...openly, api: "stateless-api" }, at: `${day}T00:00:00Z` },
        ...(knownAt === undefined ? {} : { knownAt }),
      }),
    );
  expect((await may("2026-02-14")).kind).toBe("refused");
  expect((await may("2026-02-15")).kind).toBe("allowed");
  expect((await may("2026-02-15", before)).kind, "as it was known before the amendment").toBe("refused");
  const kept = await db.transaction((tx) => closePeriod(tx, { agreement: "deal", period: "2026-01" }));
  expect(kept).toEqual(january);
});

test("beside writers, what was answered as known at a time stays the answer", async () => {
  const db = await signed();
  await db.query("delete from factotum.clock");
  const answers: { knownAt: string; text: string }[] = [];
  const ask = async (knownAt?: string): Promise<{ knownAt: string; text: string }> => {
    const found = await db.transaction((tx) =>
      settlementOf(tx, {
        agreement: "deal",
        period: "2026-01",
        ...(knownAt === undefined ? {} : { knownAt }),
      }),
    );
    return { knownAt: found.knownAt, text: settlementText(found.settlement) };
  };
  const writer = async (name: string): Promise<void> => {
    for (let number = 0; number < 10; number += 1) {
      await db.transaction((tx) => recordEvents(tx, [sale(`${name}${number}`, "10", "2026-01-10")]));
      answers.push(await ask());
    }
  };
  await Promise.all(["a", "b", "c", "d"].map(writer));
  expect(new Set(answers.map((answer) => answer.text)).size).toBeGreaterThan(5);
  for (const answer of answers) expect((await ask(answer.knownAt)).text).toBe(answer.text);
});

test("an instant that is none, or has no zone, is refused by name", async () => {
  const db = await signed();
  const channel = { ...openly, api: "app" };
  const may = db.transaction((tx) => mayServe(tx, { model: "house-5", channel, at: "2026-01-01" }));
  await expect(may).rejects.toMatchObject({ code: "instant-invalid" });
  const show = db.transaction((tx) => showAgreement(tx, { agreement: "deal", at: "yesterday" }));
  await expect(show).rejects.toThrow(/"yesterday" is no instant; write it as/);
  const ask = { agreement: "deal", period: "2026-01", knownAt: "soon" };
  await expect(db.transaction((tx) => settlementOf(tx, ask))).rejects.toMatchObject({
    code: "instant-invalid",
  });
  const period = db.transaction((tx) => settlementOf(tx, { agreement: "deal", period: "2026-Q1" }));
  await expect(period).rejects.toMatchObject({ code: "period-name" });
  const none = db.transaction((tx) => settlementOf(tx, { agreement: "none", period: "2026-01" }));
  await expect(none).rejects.toMatchObject({ code: "agreement-unknown" });
});
