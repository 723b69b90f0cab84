import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';

/** What could not be read again is tried again after this, at the latest. */
export const retryMs = 3_000;

/**
 * Reads what is watched again: every `resyncMs`, with jitter, while somebody watches, and at once after a gap in pub/sub. What
 * that lost is found so.
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
    /** Reads and offers everything that is watched. */
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

  /** Never two at once; calls while one runs share the next, since that one may have read before what they are about. */
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
          logger.warn({ err }, `watched ${what} could not be read again`);
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
    /** When everything that is watched was last read again; undefined before the first time. */
    succeededAt: () => succeededAt,
    /** Somebody watches: there is a next time. */
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
