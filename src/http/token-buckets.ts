import { LRUCache } from 'lru-cache';

/**
 * A token bucket for each key: it gains `perSecond` tokens a second up to what `burstSec` seconds bring, and begins full. The
 * answer takes a token out; false when there is none. `perSecond` 0: there always is one.
 *
 * The `maxKeys` buckets that were asked last are remembered, each by one number: the time at which it is full again, which a token
 * taken puts off (the generic cell rate algorithm, ITU-T I.371).
 */
export function createTokenBuckets(
  { perSecond, burstSec, maxKeys }: { perSecond: number; burstSec: number; maxKeys: number },
  nowMs: () => number = () => performance.now(),
): (key: string) => boolean {
  if (perSecond === 0) return () => true;
  const fullAt = new LRUCache<string, number>({ max: maxKeys });
  return (key) => {
    // Time as the thousandths of a token it brings.
    const now = nowMs() * perSecond;
    const full = Math.max(fullAt.get(key) ?? 0, now) + 1000;
    if (full - now > burstSec * perSecond * 1000) return false;
    fullAt.set(key, full);
    return true;
  };
}
