/**
 * Works an order off and delivers its letter, in a process of its own. Arguments: the addresses of database,
 * provider and receiver. It begins when its parent says so, so that processes can be started ahead.
 */
import { once } from "node:events";
import { must } from "factotum/kernel";
import { openDatabase } from "factotum/postgres";
import { deliver, work } from "./kill-shop.ts";

/** Looking round counts as something done, so it is done seldom. */
const SELDOM_MS = 60_000;

process.on("disconnect", () => process.exit());
const [url, provider, receiver] = process.argv.slice(2).map((one) => must(one, "an address"));
await once(process, "message");
const db = await openDatabase({ kind: "url", url: must(url, "the database") });
const worker = work(db, must(provider, "the provider"), SELDOM_MS);
await worker.drained();
await worker.stop();
const deliverer = deliver(db, must(receiver, "the receiver"), SELDOM_MS);
await deliverer.drained();
await deliverer.stop();
await db.close();
process.exit();
