/** The time. Everything that asks for it takes a clock, so that tests can set it. */
export interface Clock {
  /** The present moment. May step in either direction: order is never taken from it. */
  now(): Date;
}

export const systemClock: Clock = { now: () => new Date() };
