/** The state machine of a delivery, in any order of deliverers, failures, crashes, undos and people. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import type { ChangeSetId } from "../kernel/index.ts";
import type { Database } from "../postgres/index.ts";
import { throwawayDatabase } from "../testing/index.ts";
import { claim, type Claimed } from "./claim.ts";
import { commitEffects, effectsOf, undoEffectsOf } from "./committing.test.kit.ts";
import { drop, resend } from "./index.ts";
import { type Outcome, settle } from "./settle.ts";

const HOLDERS = [1, 2, 3].map((n) => `00000000-0000-4000-8000-00000000000${n}`);
/** Long after any test: only a crash ends it. */
const LEASE_MS = 3_600_000;
let db: Database;

beforeAll(async () => {
  db = await throwawayDatabase();
}, 60_000);

type Act =
  | { readonly kind: "commit"; readonly keys: readonly (string | undefined)[] }
  | { readonly kind: "claim"; readonly holder: number; readonly limit: number }
  | { readonly kind: "settle"; readonly at: number; readonly as: Outcome["kind"]; readonly inDoubt: boolean }
  | { readonly kind: "crash"; readonly holder: number }
  | { readonly kind: "undo" | "resend" | "drop"; readonly at: number };

const at = fc.nat(9);
const holder = fc.nat(HOLDERS.length - 1);
const key = fc.constantFrom(undefined, undefined, "k", "l");
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("commit" as const),
      keys: fc.array(key, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("claim" as const),
      holder,
      limit: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("settle" as const),
      ...{ at, as: fc.constantFrom("delivered", "again", "dead"), inDoubt: fc.boolean() },
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("crash" as const), holder }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("undo", "resend", "drop"), at }) },
);

type Hand = { readonly claimed: Claimed; readonly holder: string; alive: boolean };

/** What the outside world saw, beside which the database's word is held. */
class World {
  readonly sets: ChangeSetId[] = [];
  readonly undone = new Set<string>();
  readonly hands: Hand[] = [];
  readonly keys = new Map<string, string>();
  /** Tries, as effect and number, that the receiver got, or may have. */
  readonly arrivals = new Set<string>();
  tried = 0;

  isOut(effect: string): boolean {
    return [...this.arrivals].some((one) => one.startsWith(`${effect}/`));
  }

  async do(given: Act): Promise<void> {
    switch (given.kind) {
      case "commit":
        this.sets.push(
          await commitEffects(
            db,
            given.keys.map((one) => ({
              ...{ channel: "hook", body: 1 },
              ...(one !== undefined && { orderKey: one }),
            })),
          ),
        );
        return;
      case "claim":
        return await this.#claim(HOLDERS[given.holder] ?? "", given.limit);
      case "settle":
        return await this.#settle(given);
      case "crash":
        return await this.#crash(HOLDERS[given.holder] ?? "");
      case "undo":
        return await this.#undo(given.at);
      case "resend":
      case "drop":
        return await this.#decide(given.kind, given.at);
    }
  }

  async #claim(by: string, limit: number): Promise<void> {
    const before = await effectsOf(db);
    const claimed = await claim(db, ["hook"], { holder: by, leaseMs: LEASE_MS, limit });
    for (const one of claimed) {
      const { effect, key: sent } = one.delivery;
      this.tried += 1;
      assert.ok(!this.hands.some((hand) => hand.alive && hand.claimed.delivery.effect === effect));
      assert.equal(sent, this.keys.get(effect) ?? sent);
      this.keys.set(effect, sent);
      const row = before.find((each) => each.id === effect);
      assert.match(row?.state ?? "none", /^(waiting|delivering)$/);
      const ahead = before.filter(
        (each) =>
          row?.orderKey !== null &&
          each.orderKey === row?.orderKey &&
          before.indexOf(each) < before.findIndex((other) => other.id === effect),
      );
      assert.ok(!ahead.some((each) => ["waiting", "delivering", "dead"].includes(each.state)));
      this.hands.push({ claimed: one, holder: by, alive: true });
    }
  }

  /** The receiver gets it before anything is written down, and also when the deliverer is a ghost by then. */
  async #settle({ at: n, as, inDoubt }: Act & { readonly kind: "settle" }): Promise<void> {
    const [hand] = this.hands.splice(n % Math.max(1, this.hands.length), 1);
    if (hand === undefined) return;
    const { effect } = hand.claimed.delivery;
    const outcome: Outcome =
      as === "delivered" ? { kind: as, note: null } : { kind: as, because: "it failed", inDoubt, waitMs: 0 };
    const { tries } = hand.claimed;
    const arrived = as === "delivered" || inDoubt;
    if (arrived) this.arrivals.add(`${effect}/${tries}`);
    const kept = await settle(db, { effect, tries, holder: hand.holder }, outcome);
    // One that was taken for dead, and lived to say in time that nothing arrived, is believed.
    if (kept && !arrived) this.arrivals.delete(`${effect}/${tries}`);
    const retaken = this.hands.some(
      (one) => one.claimed.delivery.effect === effect && one.claimed.tries > tries,
    );
    if (hand.alive) assert.equal(kept, true);
    if (retaken) assert.equal(kept, false);
  }

  /** It may have got through to the receiver first; nobody will know. */
  async #crash(by: string): Promise<void> {
    for (const hand of this.hands.filter((one) => one.holder === by)) {
      hand.alive = false;
      this.arrivals.add(`${hand.claimed.delivery.effect}/${hand.claimed.tries}`);
    }
    await db.query(
      "update factotum.deliveries set lease_until = '-infinity' where holder = $1 and state = 'delivering'",
      [by],
    );
  }

  async #undo(n: number): Promise<void> {
    const set = this.sets[n % Math.max(1, this.sets.length)];
    if (set === undefined || this.undone.has(set)) return;
    const effects = (await effectsOf(db)).filter((one) => one.changeSet === set);
    const busy = effects.some((one) => one.state === "delivering" || this.isOut(one.id));
    const refused = await undoEffectsOf(db, set).then(
      () => false,
      () => true,
    );
    assert.equal(refused, busy);
    if (!refused) this.undone.add(set);
  }

  async #decide(how: "resend" | "drop", n: number): Promise<void> {
    const effects = await effectsOf(db);
    const one = effects[n % Math.max(1, effects.length)];
    if (one === undefined) return;
    const decided = db.transaction((tx) => (how === "resend" ? resend : drop)(tx, one.id, "ann"));
    if (one.state === "dead") await decided;
    else await assert.rejects(decided, { code: "effect-not-dead" });
  }

  /** Everybody who is left does their work. */
  async finish(): Promise<void> {
    for (const by of HOLDERS) await this.#crash(by);
    this.hands.splice(0);
    for (;;) {
      const before = this.tried;
      await this.#claim(HOLDERS[0] ?? "", 100);
      while (this.hands.length > 0)
        await this.#settle({ kind: "settle", at: 0, as: "delivered", inDoubt: false });
      if (this.tried === before) return;
    }
  }
}

test("none goes out after its undo, twice at once, out of order or rekeyed; none is lost", async () => {
  let tried = 0;
  let undone = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 20, maxLength: 60 }), async (acts) => {
      await db.query("delete from factotum.deliveries; delete from factotum.outbox");
      const world = new World();
      for (const one of acts) await world.do(one);
      await world.finish();
      const wrong = (await effectsOf(db)).filter(({ id, state, changeSet, behind }) => {
        const out = world.isOut(id);
        if (world.undone.has(changeSet)) return state !== "withdrawn" || out;
        if (state === "waiting") return behind === null;
        return !["dead", "dropped"].includes(state) && (state !== "delivered" || !out);
      });
      expect(wrong).toEqual([]);
      tried += world.tried;
      undone += world.undone.size;
    }),
    { numRuns: 50 },
  );
  expect(tried).toBeGreaterThan(100);
  expect(undone).toBeGreaterThan(5);
}, 240_000);
