const GIVE_UP_MS = 30_000;

/**
 * Measures the time from a click on Send to the badge that counts the notification. The badge is a state, not
 * a list of notifications, so a rise by two ends the two oldest waits. `now` returns milliseconds and never
 * decreases.
 */
export function createPushTimer(now: () => number) {
  let waiting: number[] = [];

  return {
    /** Starts a wait. The returned function cancels the wait if the server refuses the notification. */
    start(): () => void {
      const startedAt = now();
      waiting.push(startedAt);
      return () => {
        const index = waiting.indexOf(startedAt);
        if (index >= 0) waiting.splice(index, 1);
      };
    },

    /**
     * Ends the `count` oldest waits after the badge has risen by `count`. Returns the durations of the ended
     * waits, oldest first.
     */
    arrived(count: number): number[] {
      const endedAt = now();
      waiting = waiting.filter((startedAt) => endedAt - startedAt < GIVE_UP_MS);
      return waiting.splice(0, Math.max(0, count)).map((startedAt) => endedAt - startedAt);
    },

    /** Cancels all waits, because after an outage the waits would include the outage. */
    clear(): void {
      waiting = [];
    },
  };
}
