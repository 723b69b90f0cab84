// @module-tag redis
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type PrivateInstance, startRedis } from '../../../scripts/services/private.ts';
import { createAct } from '../../flow/act/act.ts';
import { createProject } from '../../flow/apply/project.ts';
import { createRead } from '../../flow/read/read.ts';
import { type BadgeCache, badgeCacheMs } from '../../ports/badge-cache.ts';
import { silent } from '../../ports/logger.ts';
import { anyone, badgeCacheContract, badgeOf } from '../../testing/contracts/badge-cache.ts';
import { createTestClock, notificationSent, recordsOf, testNow } from '../../testing/event.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createLocalPubSub } from '../local/pub-sub.ts';
import { createRedisBadgeCache } from './badge-cache.ts';

const waiting = { timeout: 20_000, interval: 10 };

describe.each([
  { name: 'on one node', cluster: false, state: 'is full', setting: 'maxmemory', fault: '1' },
  {
    name: 'on a cluster',
    cluster: true,
    state: 'takes no writes',
    setting: 'min-replicas-to-write',
    fault: '3',
  },
])('the badge cache in Redis $name', ({ cluster, state, setting, fault }) => {
  let dir: string;
  let redis: PrivateInstance;
  let storage: TestStorage;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'unseen-redis-'));
    [redis, storage] = await Promise.all([startRedis({ dir, cluster }), openTestStorage()]);
  });
  afterAll(async () => {
    await redis.stop();
    await storage.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const opened: BadgeCache[] = [];
  const close = async () => void (await Promise.all(opened.splice(0).map((cache) => cache.close())));
  afterEach(close);

  async function open({ logger = silent } = {}): Promise<BadgeCache> {
    const cache = createRedisBadgeCache({ logger }, { url: redis.url, cluster });
    opened.push(cache);
    const badge = badgeOf(anyone(), 1);
    await administrate('SET', `unseen:badge:default/${badge.userId}`, `1 ${JSON.stringify(badge)}`);
    await vi.waitFor(async () => expect(await cache.read([badge])).toEqual([badge]), waiting);
    return cache;
  }

  /** Waits until the cache stores a badge and returns it. */
  async function serves(cache: BadgeCache): Promise<void> {
    await vi.waitFor(async () => {
      const badge = badgeOf(anyone(), 1);
      await cache.write([badge]);
      expect(await cache.read([badge])).toEqual([badge]);
    }, waiting);
  }

  async function administrate(command: string, ...args: readonly string[]): Promise<void> {
    const admin = new Redis(redis.url);
    await admin.call(command, ...args).finally(() => admin.disconnect());
  }

  async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
    const before = performance.now();
    const result = await promise;
    expect(performance.now() - before).toBeLessThan(ms);
    return result;
  }

  badgeCacheContract(async () => ({ open, close }));

  it('promptly returns no badge while Redis is unreachable or frozen, logs one line, and works again when Redis answers', async () => {
    const warn = vi.fn();
    const info = vi.fn();
    const cache = await open({ logger: { ...silent, warn, info } });
    const badge = badgeOf(anyone(), 1);
    redis.freeze();
    try {
      await within(200, cache.read([badge]));
      for (let n = 0; n < 20; n += 1) {
        await within(400, cache.write([badge]));
        expect(await within(50, cache.read([badge]))).toEqual([undefined]);
      }
    } finally {
      redis.thaw();
    }
    await redis.kill();
    for (let n = 0; n < 20; n += 1) {
      await within(100, cache.write([badge]));
      expect(await within(50, cache.read([badge]))).toEqual([undefined]);
    }
    await redis.restart();
    await serves(cache);
    expect(warn).toHaveBeenCalledTimes(1);
    expect(info).toHaveBeenCalledTimes(1);
  });

  it(`never returns a badge that a write should have replaced, if the write failed because Redis ${state}`, async () => {
    const cache = await open();
    const user = anyone();
    await cache.write([badgeOf(user, 1)]);
    await administrate('CONFIG', 'SET', setting, fault);
    try {
      await cache.write([badgeOf(user, 2)]);
    } finally {
      await administrate('CONFIG', 'SET', setting, '0');
    }
    const failedAt = performance.now();
    while (performance.now() - failedAt < badgeCacheMs + 500) {
      expect(await cache.read([user])).toEqual([undefined]);
      await delay(100);
    }
    await serves(cache);
  });

  it('returns the old badge to a process whose own write did not fail (control: the check above can fail)', async () => {
    const [cache, other] = [await open(), await open()];
    const user = anyone();
    await cache.write([badgeOf(user, 1)]);
    await administrate('CONFIG', 'SET', 'maxmemory', '1');
    await cache.write([badgeOf(user, 2)]).finally(() => administrate('CONFIG', 'SET', 'maxmemory', '0'));
    expect(await other.read([user])).toEqual([badgeOf(user, 1)]);
  });

  it('ignores invalid values and replaces them', async () => {
    const cache = await open();
    const user = anyone();
    for (const value of ['', 'not json', '9 {}', '9 null']) {
      await administrate('SET', `unseen:badge:default/${user.userId}`, value);
      expect(await cache.read([user])).toEqual([undefined]);
    }
    await cache.write([badgeOf(user, 10)]);
    expect(await cache.read([user])).toEqual([badgeOf(user, 10)]);
  });

  it('returns no badge for a key of another type, and works again', async () => {
    const cache = await open();
    const user = anyone();
    await administrate('LPUSH', `unseen:badge:default/${user.userId}`, 'x');
    expect(await cache.read([user])).toEqual([undefined]);
    await cache.write([badgeOf(user, 1)]);
    await serves(await open());
  });

  describe('used by the badge query', () => {
    /**
     * Returns the number of unseen notifications that a user reads directly after opening the inbox. Earlier
     * reads use the cache.
     */
    async function unseenAfterOpening(
      change: (cache: BadgeCache) => BadgeCache,
    ): Promise<number | undefined> {
      const { store } = storage;
      const user = { tenantId: 'default', userId: crypto.randomUUID() };
      await store.transaction((transaction) => transaction.ensureUsers([user], testNow));
      const deps = { store, pubSub: createLocalPubSub(), clock: createTestClock(), logger: silent };
      const cache = await open();
      const project = createProject({ ...deps, cache }, { retentionDays: 183 });
      const act = createAct({ ...deps, cache: change(cache) });
      const read = createRead({ store, cache, clock: deps.clock });
      expect(await read.badge(user)).toMatchObject({ unseen: 0 });
      await project.apply(recordsOf([notificationSent(user)], 1));
      expect(await read.badge(user)).toMatchObject({ unseen: 1, version: 1 });
      await act.openInbox(user, undefined);
      return (await read.badge(user)).unseen;
    }

    it("shows a user the result of the user's own change", async () => {
      expect(await unseenAfterOpening((cache) => cache)).toBe(0);
    });

    it('shows an old state if changes are not written to the cache (control: the check above can fail)', async () => {
      expect(await unseenAfterOpening((cache) => ({ ...cache, write: async () => {} }))).toBe(1);
    });

    it('queries the database only once for repeated reads, and only once for all missing badges', async () => {
      const inboxes = vi.fn(storage.store.inboxes);
      const store = { ...storage.store, inboxes };
      const read = createRead({ store, cache: await open(), clock: createTestClock() });
      const many = Array.from({ length: 300 }, anyone).map((user) => ({
        ...user,
        userId: `read-${user.userId}`,
      }));
      const first = await Promise.all(many.map((user) => read.badge(user)));
      await vi.waitFor(async () => {
        inboxes.mockClear();
        expect(await Promise.all(many.map((user) => read.badge(user)))).toEqual(first);
        expect(inboxes).not.toHaveBeenCalled();
      }, waiting);
      // `currentBadge` must return a state that is not older than the call, so it reads the database.
      await read.currentBadge(many[0] ?? anyone());
      expect(inboxes).toHaveBeenCalledTimes(1);
    });

    it('reads the database while Redis is unreachable', async () => {
      const { store } = storage;
      const read = createRead({ store, cache: await open(), clock: createTestClock() });
      await redis.kill();
      try {
        for (let n = 0; n < 5; n += 1) expect(await read.badge(anyone())).toMatchObject({ version: 0 });
      } finally {
        await redis.restart();
      }
    });
  });
});
