import { FactotumError } from "../kernel/index.ts";

/**
 * A call that cannot be made or settled as asked. Codes: `price-missing` (its cost cannot be stated, so it
 * is not made), `call-missing` (it was never intended), `call-settled` (it has ended with another outcome).
 */
export class CallError extends FactotumError {}
