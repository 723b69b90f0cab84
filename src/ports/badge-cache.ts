import type { Badge } from '../domain/badge.ts';
import type { UserKey } from '../domain/user.ts';

/** The time, in ms, after which a cached badge expires. No cached badge is older than this. */
export const badgeCacheMs = 5_000;

/**
 * A cache of notification badges, for reads that accept a badge up to `badgeCacheMs` old. Neither function
 * rejects. If the cache is unreachable or slow, both functions act as if the cache were empty.
 *
 * A read that begins after a write has resolved returns the written version, a newer version, or nothing. So
 * a client whose mutation was answered after the write reads the result of its mutation. If a write does not
 * reach the cache, the writing process does not read from the cache until the outdated entries have expired.
 * Other processes may read an outdated entry for up to `badgeCacheMs` after the last successful write.
 * Processes may also read an outdated entry if another process dies after a commit and before its write to
 * the cache.
 */
export interface BadgeCache {
  /**
   * Returns the cached badge of each user, in the given order. An entry is undefined if the badge is not
   * cached or did not arrive within 50 ms.
   */
  read(users: readonly UserKey[]): Promise<readonly (Badge | undefined)[]>;
  /**
   * Stores each badge for `badgeCacheMs`, unless the cache holds a newer version from any process. The badges
   * must be committed and recent. Resolves within 200 ms.
   */
  write(badges: readonly Badge[]): Promise<void>;
  close(): Promise<void>;
}

/** A cache that stores nothing, for a process that has no cache server. */
export const noBadgeCache: BadgeCache = {
  read: async (users) => users.map(() => undefined),
  write: async () => {},
  close: async () => {},
};
