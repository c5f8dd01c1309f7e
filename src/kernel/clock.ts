/** Tells the time. Rooms get one as an argument; only the composition root makes a real one. */
export type Clock = {
  /** The present instant, as the business sees it. */
  now(): Date;
};

/** The machine's clock. */
export const systemClock: Clock = { now: () => new Date() };
