const GIVE_UP_MS = 30_000;

/**
 * Times notifications from the click to the badge that counts them. The badge is a state, not a list of arrivals, so
 * a rise by two ends the two oldest waits. `now` is in milliseconds and only grows.
 */
export function createPushTimer(now: () => number) {
  let waiting: number[] = [];

  return {
    /** Starts a wait; the returned function takes it back, for a notification that was refused. */
    start(): () => void {
      const startedAt = now();
      waiting.push(startedAt);
      return () => {
        const index = waiting.indexOf(startedAt);
        if (index >= 0) waiting.splice(index, 1);
      };
    },

    /** The badge rose by `count`: how long each of the waits took that this ends, oldest first. */
    arrived(count: number): number[] {
      const endedAt = now();
      waiting = waiting.filter((startedAt) => endedAt - startedAt < GIVE_UP_MS);
      return waiting.splice(0, Math.max(0, count)).map((startedAt) => endedAt - startedAt);
    },

    /** Forgets all waits: after an outage the number would be the outage's. */
    clear(): void {
      waiting = [];
    },
  };
}
