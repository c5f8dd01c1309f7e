/** What random tests are drawn by: one seed for a run of the tests, FACTOTUM_SEED. */
import fc from "fast-check";

/** The seed, for what is random without fast-check. */
export const seed: number = Number(process.env["FACTOTUM_SEED"]);

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
