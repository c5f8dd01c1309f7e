import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Database } from "factotum/postgres";
import { throwawayDatabase } from "factotum/testing";
import { makeBusiness, seedBusiness } from "../business/index.ts";
import {
  freezesHit,
  recordStatement,
  redundantConflicts,
  shortNotice,
  StatementRefused,
} from "../calendar/index.ts";
import { fingerprint, readMail, type ReceivedNotice } from "../intake/index.ts";
import { applySchema } from "../schema.ts";
import { type DayItem, makeDay } from "./index.ts";

const at = new Date("2026-11-23T08:00:00Z");
const business = makeBusiness(7, at);
let day: readonly DayItem[] = [];
let notices: readonly ReceivedNotice[] = [];
beforeAll(async () => {
  day = await makeDay(7, business, at);
  notices = await Promise.all(day.map((item) => readMail(item.eml)));
});

describe("a made-up day", () => {
  test("is the same bytes for the same seed", async () => {
    const again = await makeDay(7, makeBusiness(7, at), at);
    expect(again.map(({ eml }) => Buffer.from(eml).toString("latin1"))).toEqual(
      day.map(({ eml }) => Buffer.from(eml).toString("latin1")),
    );
  });

  test("holds every kind of message", () => {
    expect(day.length).toBeGreaterThan(38);
    const states = day.flatMap(({ truth }) => (truth.kind === "states" ? [truth] : []));
    expect(new Set(states.map(({ statement }) => statement.status)).size).toBe(6);
    expect(new Set(states.map(({ statement }) => statement.carrier)).size).toBe(7);
    expect(new Set(states.flatMap(({ asks }) => asks))).toEqual(
      new Set(["redundancy", "freeze", "short-notice"]),
    );
    expect(new Set(day.map(({ truth }) => truth.kind)).size).toBe(4);
    expect(
      new Set(notices.flatMap(({ attachments }) => attachments.map((file) => file.contentType))),
    ).toEqual(
      new Set([
        "text/calendar",
        "text/csv",
        "application/pdf",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
      ]),
    );
    const raw = day.map(({ eml }) => Buffer.from(eml).toString("latin1")).join("\n");
    for (const trait of [
      "quoted-printable",
      "base64",
      "charset=iso-8859-1",
      "multipart/alternative",
      "message/rfc822",
    ])
      expect(raw).toContain(trait);
  });

  test("is read without notes, and its true ids stand in what was read", () => {
    let seen = 0;
    for (const [place, item] of day.entries()) {
      const notice = notices[place];
      expect([item.file, notice?.notes]).toEqual([item.file, []]);
      if (item.truth.kind !== "states" || notice === undefined) continue;
      const all = [notice.subject, notice.text, ...notice.attachments.map(({ text }) => text)].join("\n");
      const { statement } = item.truth;
      const ids = statement.windows.flatMap(({ circuits }) => circuits.map(({ circuitId }) => circuitId));
      for (const id of [statement.maintenanceId, statement.carrier, ...ids]) expect(all).toContain(id);
      expect(notice.sentAt).toBe(statement.sentAt);
      seen += 1;
    }
    expect(seen).toBeGreaterThan(30);
  });

  test("doubled mail has one fingerprint, everything else its own", () => {
    const prints = new Map(
      day.map((item, place) => [item.file, fingerprint(notices[place] as ReceivedNotice)]),
    );
    const repeats = day.flatMap(({ file, truth }) =>
      truth.kind === "repeats" ? [[file, truth.file] as const] : [],
    );
    expect(repeats).toHaveLength(2);
    for (const [file, first] of repeats) expect(prints.get(file)).toBe(prints.get(first));
    expect(new Set(prints.values()).size).toBe(day.length - repeats.length);
  });
});

describe("the true statements of the day", () => {
  let db: Database;
  beforeAll(async () => {
    db = await throwawayDatabase();
    await db.transaction(async (tx) => {
      await applySchema(tx);
      await seedBusiness(tx, business);
    });
  });
  afterAll(async () => {
    await db.close();
  });

  test("are accepted, and the policy asks exactly where the story says so", async () => {
    const expected: unknown[] = [];
    const found: unknown[] = [];
    for (const [place, { file, label, truth }] of day.entries()) {
      if (truth.kind !== "states") continue;
      const { statement } = truth;
      const asks = await db.transaction(async (tx) => {
        await recordStatement(tx, statement, { fingerprint: fingerprint(notices[place] as ReceivedNotice) });
        return [
          ...((await redundantConflicts(tx, statement)).length > 0 ? ["redundancy"] : []),
          ...((await freezesHit(tx, statement)).length > 0 ? ["freeze"] : []),
          ...((await shortNotice(tx, statement, at)).length > 0 ? ["short-notice"] : []),
        ];
      });
      expected.push([file, label, truth.asks]);
      found.push([file, label, asks]);
    }
    expect(found).toEqual(expected);
    expect(found.length).toBeGreaterThan(30);
  });

  test("are refused when they come a second time", async () => {
    const [item] = day.filter(({ truth }) => truth.kind === "states");
    if (item?.truth.kind !== "states") throw new Error("the day states nothing");
    const { statement } = item.truth;
    const print = fingerprint(await readMail(item.eml));
    await expect(
      db.transaction((tx) => recordStatement(tx, statement, { fingerprint: print })),
    ).rejects.toBeInstanceOf(StatementRefused);
  });
});
