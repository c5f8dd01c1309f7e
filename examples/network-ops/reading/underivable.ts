/**
 * Expected values that no reader could derive from the notice; they are not compared.
 */
import type { NoticeRow } from "./bench-rows.ts";

export type Underivable = {
  readonly field: "maintenanceId" | "circuits" | "impact" | "status" | "window";
  readonly reason: string;
};

/** General rules only: a value is underivable because of what it is, not because of whose notice it is. */
export function underivable(row: NoticeRow): Underivable[] {
  const text = `${row.subject ?? ""}\n${row.text}`.replaceAll(/\s+/g, "").toLowerCase();
  const found: Underivable[] = [];
  for (const { maintenance_id: id } of row.expected) {
    if (text.includes(id.replaceAll(/\s+/g, "").toLowerCase())) continue;
    const reason = /^[0-9a-f]{32,}$/i.test(id)
      ? `"${id}" is a hash that stands nowhere in the notice`
      : `"${id}" stands nowhere in the notice`;
    found.push({ field: "maintenanceId", reason });
  }
  for (const { circuit_id: id } of row.expected.flatMap((expected) => expected.circuits))
    if (!text.includes(id.replaceAll(/\s+/g, "").toLowerCase()))
      found.push({ field: "circuits", reason: `"${id}" stands nowhere in the notice` });
  return [...new Map(found.map((item) => [item.reason, item])).values()];
}
