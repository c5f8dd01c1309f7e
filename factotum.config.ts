/** What `npm start` and `npx factotum` work with in this repository: the network-operations example. */
export { default } from "./examples/network-ops/factotum.config.ts";
