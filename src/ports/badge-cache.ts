import type { Badge } from '../domain/badge.ts';
import type { UserKey } from '../domain/user.ts';

/** How long a badge is served from the cache, and so how old it can be at most. Units: ms. */
export const badgeCacheMs = 5_000;

/**
 * A nearer copy of the notification badges, for reads that bear a state up to `badgeCacheMs` old. Neither function rejects:
 * a cache that is away or slow is a cache that has nothing.
 *
 * A read that begins after a write has resolved gives that version, a newer one or nothing: so who acted, and was answered
 * after the write, reads what they did. When a write does not reach the cache, the process that wrote reads nothing from
 * it until what is out of date has expired; other processes may read that for up to `badgeCacheMs`, counted from when
 * the cache was well. That is also what a process leaves that dies between a commit and the write.
 */
export interface BadgeCache {
  /** Per user, in the order asked for, what is cached; undefined for what is not, or was not had within 50 ms. */
  read(users: readonly UserKey[]): Promise<readonly (Badge | undefined)[]>;
  /**
   * Keeps each badge for `badgeCacheMs`, unless a newer version is there, whoever wrote it. The badges must have been
   * committed, and current a moment ago. Resolves within 200 ms.
   */
  write(badges: readonly Badge[]): Promise<void>;
  close(): Promise<void>;
}

/** Where there is no cache. */
export const noBadgeCache: BadgeCache = {
  read: async (users) => users.map(() => undefined),
  write: async () => {},
  close: async () => {},
};
