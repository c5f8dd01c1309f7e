/** The example's desk with its clock standing still, so that how long a test takes changes nothing. */
import desk from "../../../examples/network-ops/factotum.config.ts";
import { defineConfig } from "factotum/server";

export default defineConfig({ ...desk, clock: { at: new Date("2026-03-02T07:00:00Z"), rate: 0 } });
