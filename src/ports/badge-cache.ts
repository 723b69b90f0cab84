import type { Badge } from '../domain/badge.ts';
import type { UserKey } from '../domain/user.ts';

/** How long the cache serves a badge, in ms, and so the greatest age of a cached badge. */
export const badgeCacheMs = 5_000;

/**
 * A cache of notification badges, for reads that accept a state up to `badgeCacheMs` old. Neither function
 * rejects. A cache that is away or slow acts like an empty cache.
 *
 * A read that begins after a write has resolved returns that version, a newer one, or nothing. So a caller
 * whose action was answered after the write reads the result of the action. If a write does not reach the
 * cache, the writing process does not read from the cache until the outdated entries have expired. Other
 * processes may read an outdated entry for up to `badgeCacheMs` after the last successful write. The same
 * holds if a process dies between a commit and the write.
 */
export interface BadgeCache {
  /**
   * The cached badge of each user, in the given order. Undefined if it is not cached or did not arrive within
   * 50 ms.
   */
  read(users: readonly UserKey[]): Promise<readonly (Badge | undefined)[]>;
  /**
   * Stores each badge for `badgeCacheMs`, unless the cache holds a newer version from any process. The badges
   * must be committed and recent. Resolves within 200 ms.
   */
  write(badges: readonly Badge[]): Promise<void>;
  close(): Promise<void>;
}

/** The cache of a process without a cache. */
export const noBadgeCache: BadgeCache = {
  read: async (users) => users.map(() => undefined),
  write: async () => {},
  close: async () => {},
};
