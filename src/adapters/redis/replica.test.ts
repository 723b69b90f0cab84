// @module-tag redis
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type PrivateInstance, startRedis } from '../../../scripts/services/private.ts';
import { createAct } from '../../flow/act/act.ts';
import { createProject } from '../../flow/apply/project.ts';
import { badgeTopic } from '../../flow/deliver/publish.ts';
import { createRead } from '../../flow/read/read.ts';
import { silent } from '../../ports/logger.ts';
import { anyone, badgeOf } from '../../testing/contracts/badge-cache.ts';
import { createTestClock, notificationSent, recordsOf, testNow } from '../../testing/event.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createRedisBadgeCache } from './badge-cache.ts';
import { createRedisPubSub } from './pub-sub.ts';

const waiting = { timeout: 20_000, interval: 10 };

let dir: string;
let servers: readonly PrivateInstance[];
let redis: Redis;
let primary: Redis;
let storage: TestStorage;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'unseen-redis-'));
  const starting = ['redis', 'primary'].map((name) => startRedis({ dir: join(dir, name) }));
  [servers, storage] = await Promise.all([Promise.all(starting), openTestStorage()]);
  [redis, primary] = servers.map(({ url }) => new Redis(url)) as [Redis, Redis];
});
afterAll(async () => {
  redis.disconnect();
  primary.disconnect();
  await Promise.all(servers.map((server) => server.stop()));
  await storage.close();
  rmSync(dir, { recursive: true, force: true });
});

it('the server blocks no request and shows no old state while Redis loads its data or accepts no writes, and recovers automatically', async () => {
  const location = { url: servers[0]?.url ?? '', cluster: false };
  const cache = createRedisBadgeCache({ logger: silent }, location);
  const pubSub = createRedisPubSub({ logger: silent }, location);
  const { store } = storage;
  const deps = { store, pubSub, cache, clock: createTestClock(), logger: silent };
  const project = createProject(deps, { retentionDays: 183 });
  const act = createAct(deps);
  const read = createRead(deps);
  const user = { tenantId: 'default', userId: crypto.randomUUID() };
  await store.transaction((transaction) => transaction.ensureUsers([user], testNow));
  const topic = badgeTopic(user, 'notifications');
  const pushed = vi.fn();
  await pubSub.subscribe([topic], ({ value }) => pushed(JSON.parse(value).badge.unseen)).confirmed;

  const serves = () =>
    vi.waitFor(async () => {
      const badge = badgeOf(anyone(), 1);
      await cache.write([badge]);
      expect(await cache.read([badge])).toEqual([badge]);
    }, waiting);
  let offset = 0;
  /** Sends a notification and opens the inbox. Checks that both changes are pushed and can be read. */
  async function arrivesAndIsOpened(): Promise<void> {
    pushed.mockClear();
    offset += 1;
    await project.apply(recordsOf([notificationSent(user)], offset));
    expect(await read.badge(user)).toMatchObject({ unseen: 1 });
    await act.openInbox(user, undefined);
    expect(await read.badge(user)).toMatchObject({ unseen: 0 });
    await vi.waitFor(() => expect(pushed.mock.calls).toEqual([[1], [0]]), waiting);
    const before = performance.now();
    await pubSub.publish([{ topic: 'another', value: '' }]);
    expect(performance.now() - before).toBeLessThan(350);
  }

  try {
    await serves();
    await arrivesAndIsOpened();

    // This makes Redis load the data of a primary slowly, as a replica.
    const keys = Array.from({ length: 1_000 }, (_, n) => [`key-${n}`, 'x'.repeat(100)]);
    await primary.mset(keys.flat());
    const old = { ...badgeOf(user, 0), unseen: 7 };
    await primary.set(`unseen:badge:default/${user.userId}`, `0 ${JSON.stringify(old)}`);
    await redis.config('SET', 'key-load-delay', '3000', 'loading-process-events-interval-bytes', '1024');
    const { hostname, port } = new URL(servers[1]?.url ?? '');
    await redis.replicaof(hostname, Number(port));
    await vi.waitFor(() => expect(redis.get('key')).rejects.toThrow('LOADING'), waiting);
    await arrivesAndIsOpened();
    await expect(redis.get('key')).rejects.toThrow('LOADING');

    await redis.config('SET', 'key-load-delay', '0');
    await vi.waitFor(() => expect(redis.set('key', '')).rejects.toThrow('READONLY'), waiting);
    await arrivesAndIsOpened();

    await redis.replicaof('NO', 'ONE');
    await serves();
    await arrivesAndIsOpened();
  } finally {
    await pubSub.close();
    await cache.close();
  }
});
