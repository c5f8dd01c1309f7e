/** Text that JSON may hold and Postgres' jsonb may not. */
import { expect, test } from "vitest";
import { openDesk } from "../desk/kit.ts";

const NOTICE = `BLUEWATER CABLE - MAINTENANCE NOTIFICATION
Reference: MW-777
Status: Confirmed
Start: 03-Mar-2026 01:00 UTC
End: 03-Mar-2026 04:00 UTC
Services:
  BWC979931-1 Outage`;

test("a notice with a NUL character or half a surrogate pair is asked about like any other", async () => {
  const desk = await openDesk();
  for (const odd of ["\0", "\ud800"]) {
    const input = {
      subject: `MW-777${odd}`,
      sentAt: "2026-03-02T00:15:00Z",
      text: `${NOTICE}\n${odd}`,
      attachments: [],
    };
    await desk.start({ agent: "network-desk", key: `odd ${odd.codePointAt(0)}`, input });
  }
  const worker = desk.work();
  await worker.drained();
  const cards = (await desk.inbox()).map(({ card }) => `${card.title} ${card.about}`);
  expect(cards).toEqual([expect.stringContaining("MW-777\ufffd"), expect.stringContaining("MW-777\ufffd")]);
  await worker.stop();
  await desk.close();
});
