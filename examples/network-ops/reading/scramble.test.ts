import { describe, expect, test } from "vitest";
import type { NoticeRow } from "./bench-rows.ts";
import { expectedOf, inventoryOf, toNotice } from "./bench-rows.ts";
import { measure } from "./measure.ts";
import { scramble } from "./scramble.ts";
import { STYLES } from "./styles.ts";

const ROWS: readonly NoticeRow[] = STYLES.map((style, at) => ({
  id: `row-${at}`,
  provider: style.carrier,
  subject: style.notice.subject ?? null,
  date: style.notice.sentAt ?? null,
  text: [
    style.notice.text,
    ...style.notice.attachments.map(({ name, text }) => `[attachment ${name}]\n${text}`),
  ].join("\n"),
  expected: style.expected.windows.map((window) => ({
    maintenance_id: style.expected.maintenanceId,
    status: style.expected.status,
    start: Date.parse(window.startsAt) / 1000,
    end: Date.parse(window.endsAt) / 1000,
    circuits: window.circuits.map(({ circuitId, impact }) => ({ circuit_id: circuitId, impact })),
  })),
}));

describe("rows of a notice file", () => {
  test("an attachment inside the text becomes an attachment", () => {
    const row = ROWS.find(({ text }) => text.includes("[attachment "));
    if (row === undefined) throw new Error("a style must have an attachment");
    const notice = toNotice(row);
    expect(notice.text).not.toContain("[attachment");
    expect(notice.attachments).toMatchObject([{ contentType: "text/csv" }]);
    expect(expectedOf(row)).toHaveLength(1);
  });

  test("the inventory holds as many decoys as circuits, none of them in a notice", () => {
    const { circuits } = inventoryOf(ROWS);
    const named = circuits.filter(({ circuitId }) => ROWS.some((row) => row.text.includes(circuitId)));
    expect(named.length * 2).toBe(circuits.length);
  });
});

describe("a scrambled file", () => {
  test("keeps nothing of the names and ids, and is the same for the same seed", () => {
    const changed = scramble(ROWS, 7);
    expect(scramble(ROWS, 7)).toEqual(changed);
    for (const row of ROWS) {
      const text = changed.map((one) => `${one.subject}\n${one.text}`).join("\n");
      expect(text.toLowerCase()).not.toContain(row.provider.toLowerCase());
    }
  });

  test("is read as well as the original, and never wrongly", () => {
    const plain = measure(ROWS, { taught: false });
    const resolved = plain.filter((one) => one.outcome === "resolved").length;
    expect(plain.filter((one) => one.outcome === "wrong")).toEqual([]);
    for (const seed of [1, 2, 3]) {
      const measured = measure(scramble(ROWS, seed), { taught: false });
      expect(measured.filter((one) => one.outcome === "wrong")).toEqual([]);
      expect(measured.filter((one) => one.outcome === "resolved").length).toBeGreaterThan(resolved * 0.8);
    }
  });
});
