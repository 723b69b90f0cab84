import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';

/** The longest wait after a failed read, in ms. */
export const retryMs = 3_000;

/**
 * Reads everything that is watched again: every `resyncMs` with jitter while there are watchers, and at once
 * after a gap in pub/sub. This finds the changes whose messages were lost. `what` names the watched things,
 * for the log.
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
    /** Reads everything that is watched and offers it to the watchers. */
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
   * Reads now. Only one read runs at a time. Calls during a read share the next read, because the current
   * read may be older than the change that they are about.
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
    /** When the last complete read succeeded. Undefined before the first one. */
    succeededAt: () => succeededAt,
    /** Schedules the next read. Callers call this for each new watcher. */
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
