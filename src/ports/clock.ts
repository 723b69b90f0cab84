/** Tells the current time. All code takes a clock as a parameter, so that tests can set the time. */
export interface Clock {
  /**
   * Returns the current time. The time may jump forwards or backwards, so no code uses it to decide which
   * event came first.
   */
  now(): Date;
}

export const systemClock: Clock = { now: () => new Date() };
