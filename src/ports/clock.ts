/** The current time. All code takes a clock, so that tests can set the time. */
export interface Clock {
  /** The current time. It may jump in either direction, so no code derives an order from it. */
  now(): Date;
}

export const systemClock: Clock = { now: () => new Date() };
