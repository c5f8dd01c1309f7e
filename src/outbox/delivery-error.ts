import { FactotumError, messageOf } from "../kernel/index.ts";

/** Why a try failed, as a channel says it. */
export type DeliveryErrorFields = {
  /** `never`: no further try can help, such as a body that the receiver calls wrong. */
  readonly retry: "never" | "later";
  readonly message: string;
  /** `no` where the receiver surely did not take it; `perhaps` where no answer came, or none to rely on. */
  readonly arrived: "no" | "perhaps";
  /** How long the receiver asks to be left alone, milliseconds. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
};

/** A try that failed. */
export class DeliveryError extends FactotumError {
  readonly arrived: "no" | "perhaps";
  readonly retryAfterMs: number;

  constructor({ arrived, retryAfterMs = 0, ...fields }: DeliveryErrorFields) {
    super({ code: "delivery-failed", ...fields });
    this.arrived = arrived;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Whatever a channel threw, as what is to be done about it. */
export function deliveryError(error: unknown): DeliveryError {
  if (error instanceof DeliveryError) return error;
  const retry = error instanceof FactotumError && error.retry === "never" ? "never" : "later";
  return new DeliveryError({ retry, message: messageOf(error), arrived: "perhaps", cause: error });
}
