/** Room `testing`: what tests of Factotum, and of agents built on it, are written with. */
export { type FakeClock, fakeClock } from "./clock.ts";
export { makeTemplate, makeThrowaway, type TestServer } from "./database.ts";
export { throwawayDatabase } from "./throwaway.ts";
