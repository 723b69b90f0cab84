import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';

/** The maximum wait after a failed read, in ms. */
export const retryMs = 3_000;

/**
 * Creates a task that reads everything that is watched again. While there are watchers, the task reads every
 * `resyncMs` with jitter. After a gap in pub/sub, it reads at once. So it finds the changes whose messages
 * were lost. `what` names the watched things, for the log.
 */
export function createResync(
  {
    pubSub,
    clock,
    logger,
    readAll,
    isWatched,
  }: {
    readonly pubSub: PubSub;
    readonly clock: Clock;
    readonly logger: Logger;
    /** Reads everything that is watched and passes the results to the watchers. */
    readonly readAll: () => Promise<void>;
    readonly isWatched: () => boolean;
  },
  { resyncMs, what }: { readonly resyncMs: number; readonly what: string },
) {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let reading: Promise<void> | undefined;
  let following: Promise<void> | undefined;
  let succeededAt: Date | undefined;
  const stopListening = pubSub.onGap(() => void now());

  /**
   * Reads now. Only one read runs at a time. All calls during a read share the next read, because the current
   * read may have started before their changes.
   */
  function now(): Promise<void> {
    if (following) return following;
    if (!reading) return begin();
    following = reading.then(begin);
    return following;
  }

  function begin(): Promise<void> {
    following = undefined;
    reading = readAll()
      .then(
        () => {
          succeededAt = clock.now();
          return resyncMs;
        },
        (err) => {
          logger.warn({ err }, `could not read the watched ${what} again`);
          return Math.min(resyncMs, retryMs);
        },
      )
      .then((nextMs) => {
        reading = undefined;
        schedule(nextMs);
      });
    return reading;
  }

  function schedule(ms: number): void {
    clearTimeout(timer);
    timer = undefined;
    if (stopped || !isWatched()) return;
    timer = setTimeout(() => void now(), ms * (0.8 + 0.4 * Math.random())).unref();
  }

  return {
    now,
    /** Returns the time of the last successful read. Undefined if no read has succeeded yet. */
    succeededAt: () => succeededAt,
    /** Schedules the next read. Must be called for each new watcher. */
    watched(): void {
      if (timer === undefined) schedule(resyncMs);
    },
    stop(): void {
      stopped = true;
      stopListening();
      clearTimeout(timer);
    },
  };
}
