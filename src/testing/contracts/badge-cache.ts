import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Badge } from '../../domain/badge.ts';
import type { UserKey } from '../../domain/user.ts';
import { type BadgeCache, badgeCacheMs } from '../../ports/badge-cache.ts';
import { testNow } from '../event.ts';

/**
 * A cache to test. Each call of `open` opens the cache for another process. `close` closes every opened
 * cache.
 */
export interface BadgeCacheUnderTest {
  open(): Promise<BadgeCache>;
  close(): Promise<void>;
}

let users = 0;
export const anyone = (): UserKey => ({ tenantId: 'default', userId: `user-${++users}` });
export const badgeOf = (user: UserKey, version: number): Badge => ({
  ...user,
  key: 'notifications',
  unseen: version % 7,
  unread: version,
  version,
  asOf: testNow,
});

/**
 * Tests the guarantees that every badge cache gives. Each test checks a sentence of the comments in
 * ports/badge-cache.ts.
 */
export function badgeCacheContract(open: () => Promise<BadgeCacheUnderTest>): void {
  let underTest: BadgeCacheUnderTest;
  let cache: BadgeCache;
  let other: BadgeCache;
  beforeEach(async () => {
    underTest = await open();
    [cache, other] = [await underTest.open(), await underTest.open()];
  });
  afterEach(() => underTest.close());

  describe('the badge cache', () => {
    it('returns undefined for users without a written badge', async () => {
      expect(await cache.read([anyone(), anyone()])).toEqual([undefined, undefined]);
      expect(await cache.read([])).toEqual([]);
      await cache.write([]);
    });

    it('returns complete badges in the requested order, in every process', async () => {
      const [a, b, c] = [anyone(), { tenantId: 'other', userId: 'a/b {c}\u{1F600}' }, anyone()];
      await cache.write([badgeOf(a, 1), badgeOf(b, 2)]);
      const expected = [badgeOf(b, 2), undefined, badgeOf(a, 1)];
      expect(await cache.read([b, c, a])).toEqual(expected);
      expect(await other.read([b, c, a])).toEqual(expected);
    });

    it('returns no badge for a user with the same name in another tenant', async () => {
      const user = anyone();
      await cache.write([badgeOf(user, 1)]);
      expect(await cache.read([{ ...user, tenantId: 'other' }])).toEqual([undefined]);
    });

    it('keeps the newest version during concurrent writes, and never returns an older version', async () => {
      const user = anyone();
      const versions = Array.from({ length: 100 }, (_, n) => (n * 37) % 101);
      let newest = 0;
      const writes = versions.map(async (version, n) => {
        await (n % 2 ? cache : other).write([badgeOf(user, version)]);
        newest = Math.max(newest, version);
        const floor = newest;
        const [read] = await (n % 3 ? cache : other).read([user]);
        // A cache that is too slow may return no badge, but never an older badge.
        expect(read?.version ?? floor).toBeGreaterThanOrEqual(floor);
      });
      await Promise.all(writes);
      expect(await cache.read([user])).toEqual([badgeOf(user, Math.max(...versions))]);
      await cache.write([badgeOf(user, 3)]);
      expect(await other.read([user])).toEqual([badgeOf(user, Math.max(...versions))]);
    });

    it('compares versions as numbers', async () => {
      const user = anyone();
      await cache.write([badgeOf(user, 9)]);
      await cache.write([badgeOf(user, 10)]);
      await cache.write([badgeOf(user, 9)]);
      expect(await cache.read([user])).toEqual([badgeOf(user, 10)]);
      await cache.write([badgeOf(user, 2 ** 53 - 1)]);
      await cache.write([badgeOf(user, 2 ** 53 - 2)]);
      expect(await cache.read([user])).toEqual([badgeOf(user, 2 ** 53 - 1)]);
    });

    it('drops a badge after its lifetime, even if clients keep reading the badge', async () => {
      const user = anyone();
      await cache.write([badgeOf(user, 1)]);
      const writtenAt = performance.now();
      await vi.waitFor(async () => expect(await cache.read([user])).toEqual([undefined]), {
        timeout: badgeCacheMs + 2_000,
        interval: 50,
      });
      const keptMs = performance.now() - writtenAt;
      expect(keptMs).toBeGreaterThan(badgeCacheMs - 500);
      expect(keptMs).toBeLessThan(badgeCacheMs + 500);
    });

    it('stores 1000 badges in one call', async () => {
      const many = Array.from({ length: 1_000 }, () => badgeOf(anyone(), 1));
      await cache.write(many);
      expect(await other.read(many)).toEqual(many);
    });
  });
}
