import { LRUCache } from 'lru-cache';

/**
 * A token bucket for each key. A bucket gains `perSecond` tokens per second, holds at most `burst` tokens and
 * is full at the beginning.
 *
 * Only the `maxKeys` most recently used buckets are stored. Each bucket is stored as one number, which is the
 * time when the bucket will be full again. Taking a token moves this time further into the future (the
 * generic cell rate algorithm, ITU-T I.371).
 */
export interface TokenBuckets {
  /**
   * Takes tokens and returns 0. If the bucket has too few tokens, takes none and returns the time in ms until
   * it has enough. Returns Infinity if the bucket can never hold enough.
   */
  take(key: string, tokens?: number): number;
  /** The number of whole tokens in a bucket. */
  level(key: string): number;
}

export function createTokenBuckets(
  { perSecond, burst, maxKeys }: { perSecond: number; burst: number; maxKeys: number },
  nowMs: () => number = () => performance.now(),
): TokenBuckets {
  const buckets = new LRUCache<string, { fullAt: number }>({ max: maxKeys });
  // The unit of time is the time in which a bucket gains a thousandth of a token.
  const room = burst * 1000;
  return {
    take(key, tokens = 1) {
      const now = nowMs() * perSecond;
      const bucket = buckets.get(key);
      const full = Math.max(bucket?.fullAt ?? 0, now) + tokens * 1000;
      const missing = full - now - room;
      if (missing > 0) return tokens > burst ? Number.POSITIVE_INFINITY : missing / perSecond;
      if (bucket) bucket.fullAt = full;
      else buckets.set(key, { fullAt: full });
      return 0;
    },
    level(key) {
      const now = nowMs() * perSecond;
      const missing = Math.max((buckets.get(key)?.fullAt ?? 0) - now, 0);
      return Math.floor((room - missing) / 1000);
    },
  };
}
