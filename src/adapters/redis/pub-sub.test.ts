// @module-tag redis
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type PrivateInstance, startRedis } from '../../../scripts/services/private.ts';
import { createRead } from '../../flow/read/read.ts';
import { createWatch } from '../../flow/watch/watch.ts';
import { silent } from '../../ports/logger.ts';
import type { Message, PubSub } from '../../ports/pub-sub.ts';
import { type PubSubUnderTest, pubSubContract } from '../../testing/contracts/pub-sub.ts';
import { createTestClock, testNow } from '../../testing/event.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createRedisPubSub } from './pub-sub.ts';

const waiting = { timeout: 20_000, interval: 10 };

describe.each([
  { name: 'on one node', cluster: false },
  { name: 'on a cluster', cluster: true },
])('Redis pub/sub $name', ({ cluster }) => {
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

  const opened: PubSub[] = [];
  afterEach(() => Promise.all(opened.splice(0).map((pubSub) => pubSub.close())));

  async function open({ url = redis.url, logger = silent } = {}): Promise<PubSub> {
    const pubSub = createRedisPubSub({ logger }, { url, cluster });
    opened.push(pubSub);
    await vi.waitFor(() => pubSub.publish([{ topic: 'ready', value: '' }]), waiting);
    return pubSub;
  }

  /** Runs a command of Redis on a separate connection. */
  async function administrate(...command: [string, ...string[]]): Promise<unknown> {
    const admin = new Redis(redis.url);
    try {
      return await admin.call(...command);
    } finally {
      admin.disconnect();
    }
  }

  /** Creates a pub/sub and records its messages on topic `a`, its gaps and its log lines. */
  async function observed() {
    const warn = vi.fn();
    const info = vi.fn();
    const pubSub = await open({ logger: { ...silent, warn, info } });
    const received: string[] = [];
    const gap = vi.fn();
    pubSub.onGap(gap);
    await pubSub.subscribe(['a'], ({ value }) => received.push(value)).confirmed;
    return { pubSub, received, gap, warn, info };
  }

  async function works(pubSub: PubSub, received: readonly string[]): Promise<void> {
    const value = crypto.randomUUID();
    await vi.waitFor(async () => {
      await pubSub.publish([{ topic: 'a', value }]);
      expect(received).toContain(value);
    }, waiting);
  }

  async function refusesPromptly(pubSub: PubSub): Promise<void> {
    const before = performance.now();
    await expect(pubSub.publish([{ topic: 'a', value: 'lost' }])).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
    expect(performance.now() - before).toBeLessThan(350);
  }

  const cutConnections = () => administrate('CLIENT', 'KILL', 'TYPE', 'pubsub');

  pubSubContract(
    async (): Promise<PubSubUnderTest> => ({
      open,
      cutConnections: async () => void (await cutConnections()),
      close: async () => {},
    }),
    { acrossProcesses: true, losesConnections: true },
  );

  it('rejects at once when Redis is killed, and recovers automatically when Redis is reachable again without data', async () => {
    const { pubSub, received, gap, warn, info } = await observed();
    await redis.kill();
    for (let n = 0; n < 20; n += 1) {
      await refusesPromptly(pubSub);
      await delay(50);
    }
    const late = pubSub.subscribe(['b'], ({ value }) => received.push(value)).confirmed;
    await redis.restart();
    await late;
    await vi.waitFor(() => expect(gap).toHaveBeenCalled(), waiting);
    await works(pubSub, received);
    await pubSub.publish([{ topic: 'b', value: 'on b' }]);
    await vi.waitFor(() => expect(received).toContain('on b'), waiting);
    expect(received).not.toContain('lost');
    await vi.waitFor(() => expect(info).toHaveBeenCalledTimes(1), waiting);
    expect(warn).toHaveBeenCalledTimes(1);
  });

  it('notices within 10 s that Redis is frozen, never blocks a publish, and reports a gap when Redis answers again', async () => {
    const { pubSub, received, gap, warn, info } = await observed();
    redis.freeze();
    try {
      const frozenAt = performance.now();
      while (performance.now() - frozenAt < 11_000) {
        await refusesPromptly(pubSub);
        await delay(100);
      }
      expect(gap).not.toHaveBeenCalled();
    } finally {
      redis.thaw();
    }
    // The client replaced the connection while Redis did not answer, so it reports a gap.
    await vi.waitFor(() => expect(gap).toHaveBeenCalled(), waiting);
    await works(pubSub, received);
    await vi.waitFor(() => expect(info).toHaveBeenCalledTimes(1), waiting);
    expect(warn).toHaveBeenCalledTimes(1);
    // The frozen Redis still had messages in its buffers, but for closed connections. No message was sent
    // again.
    expect(received).not.toContain('lost');
  });

  it('subscribes 10 000 topics with a few hundred commands, and does so again before it reports a gap after a lost connection', async () => {
    const { pubSub, received, gap } = await observed();
    const topics = Array.from({ length: 10_000 }, (_, n) => `topic-${n}`);
    const seen = new Set<string>();
    const listen = ({ topic }: Message) => seen.add(topic);
    const commands = async () => {
      const stats = String(await administrate('INFO', 'commandstats'));
      return Number(/cmdstat_s?subscribe:calls=(\d+)/.exec(stats)?.[1] ?? 0);
    };
    const before = await commands();
    const subscriptions = topics.map((topic) => pubSub.subscribe([topic], listen));
    await Promise.all(subscriptions.map(({ confirmed }) => confirmed));
    expect((await commands()) - before).toBeLessThan(300);

    const atGap = new Promise<void>((resolve, reject) => {
      pubSub.onGap(() => {
        // Every message that is published after the gap arrives on its topic.
        pubSub.publish(topics.map((topic) => ({ topic, value: '' }))).then(resolve, reject);
      });
    });
    await cutConnections();
    await atGap.catch(() => {});
    await vi.waitFor(() => expect(seen.size).toBe(topics.length), waiting);
    expect(gap).toHaveBeenCalledTimes(1);
    expect((await commands()) - before).toBeLessThan(600);
    for (const { end } of subscriptions) end();
    await works(pubSub, received);
  });

  it('delivers any text, even text that another client writes to the channel and that is not JSON', async () => {
    const { pubSub, received } = await observed();
    for (const value of ['not json', '', '\u0000', '{']) await pubSub.publish([{ topic: 'a', value }]);
    await works(pubSub, received);
    expect(received.slice(0, 4)).toEqual(['not json', '', '\u0000', '{']);
  });

  it('works with a Redis that is out of memory or accepts no writes', async () => {
    const { pubSub, received } = await observed();
    await administrate('CONFIG', 'SET', 'maxmemory', '1');
    await administrate('CONFIG', 'SET', 'min-replicas-to-write', '3');
    try {
      await works(pubSub, received);
    } finally {
      await administrate('CONFIG', 'SET', 'min-replicas-to-write', '0');
      await administrate('CONFIG', 'SET', 'maxmemory', '0');
    }
    await works(pubSub, received);
  });

  it('rejects messages that Redis refuses, and publishes again when Redis accepts them', async () => {
    const { pubSub, received } = await observed();
    await administrate('ACL', 'SETUSER', 'default', '-publish', '-spublish', '-subscribe', '-ssubscribe');
    let subscribed = false;
    try {
      await expect(pubSub.publish([{ topic: 'a', value: '1' }])).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        cause: { message: expect.stringContaining('NOPERM') },
      });
      void pubSub
        .subscribe(['b'], () => {})
        .confirmed.then(() => {
          subscribed = true;
        });
      await delay(200);
      expect(subscribed).toBe(false);
    } finally {
      await administrate('ACL', 'SETUSER', 'default', '+@all');
    }
    await works(pubSub, received);
    await vi.waitFor(() => expect(subscribed).toBe(true), waiting);
  });

  it('reports a gap to all processes if one of the processes could not publish', async () => {
    const [loser, { gap }] = [await open(), await observed()];
    await administrate('ACL', 'SETUSER', 'default', '-publish', '-spublish');
    await refusesPromptly(loser);
    await delay(1_500);
    expect(gap).not.toHaveBeenCalled();
    await administrate('ACL', 'SETUSER', 'default', '+@all');
    await vi.waitFor(() => expect(gap).toHaveBeenCalledTimes(1), { timeout: 5_000 });
  });

  it('publishes messages even before the first connection is open', async () => {
    const { received } = await observed();
    const pubSub = createRedisPubSub({ logger: silent }, { url: redis.url, cluster });
    opened.push(pubSub);
    await pubSub.publish([{ topic: 'a', value: 'early' }]);
    await vi.waitFor(() => expect(received).toContain('early'), waiting);
  });

  it('uses the user, password and database of the URL', async () => {
    await administrate('ACL', 'SETUSER', 'unseen', 'on', '>p@ss/wörd', '~*', '&*', '+@all');
    const url = redis.url.replace('redis://', `redis://unseen:${encodeURIComponent('p@ss/wörd')}@`);
    const pubSub = await open({ url: cluster ? url : `${url}/3` });
    const received: string[] = [];
    await pubSub.subscribe(['a'], ({ value }) => received.push(value)).confirmed;
    await works(pubSub, received);
    expect(await administrate('CLIENT', 'LIST')).toContain('user=unseen');
  });

  it('closes at once in any state of Redis, and settles pending subscriptions', async () => {
    const { pubSub } = await observed();
    redis.freeze();
    try {
      const late = pubSub.subscribe(['late'], () => {}).confirmed;
      const rejected = expect(late).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      const before = performance.now();
      await pubSub.close();
      await rejected;
      expect(performance.now() - before).toBeLessThan(1_000);
    } finally {
      redis.thaw();
    }
  });

  describe('a change whose message was lost with a connection', () => {
    /** Returns whether a subscriber sees a change whose message was lost with its connection. */
    async function isHealed(change: (pubSub: PubSub) => PubSub): Promise<boolean> {
      const { store } = storage;
      const user = { tenantId: 'default', userId: crypto.randomUUID() };
      await store.transaction((transaction) => transaction.ensureUsers([user], testNow));
      const pubSub = change(await open());
      const clock = createTestClock();
      const read = createRead({ store, clock });
      const watch = createWatch({ read, pubSub, clock, logger: silent }, { resyncMs: 3_600_000 });
      try {
        const updates = await watch.badges(user, ['notifications']);
        await updates.next();
        await cutConnections();
        await storage.query(
          `INSERT INTO inbox (tenant_id, user_id, unseen, unread, last_seq, opened_seq, version, updated_at)
           VALUES ($1, $2, 1, 1, 1, 0, 1, now())
           ON CONFLICT (tenant_id, user_id) DO UPDATE SET unseen = 1, unread = 1, last_seq = 1, version = 1`,
          [user.tenantId, user.userId],
        );
        const healed = updates.next().then(({ value }) => value?.cause === 'RESYNCED');
        return await Promise.race([healed, delay(3_000, false)]);
      } finally {
        watch.stop();
      }
    }

    it('is shown to a subscriber', async () => {
      expect(await isHealed((pubSub) => pubSub)).toBe(true);
    });

    it('is not shown to a subscriber if no gap is reported (control: the check above can fail)', async () => {
      expect(await isHealed((pubSub) => ({ ...pubSub, onGap: () => () => {} }))).toBe(false);
    });
  });
});

describe('Redis pub/sub on a cluster of several nodes', () => {
  it('subscribes channels at the node to which they move, and reports a gap', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'unseen-redis-'));
    const [one, two] = await Promise.all(
      ['one', 'two'].map((name) => startRedis({ dir: join(dir, name), cluster: true })),
    );
    if (!one || !two) throw new Error('There are two nodes.');
    const [first, second] = [new Redis(one.url), new Redis(two.url)];
    const warn = vi.fn();
    const pubSub = createRedisPubSub({ logger: { ...silent, warn } }, { url: one.url, cluster: true });
    try {
      await second.cluster('RESET', 'HARD');
      await first.cluster('MEET', '127.0.0.1', Number(new URL(two.url).port));
      await vi.waitFor(
        async () => expect(await second.cluster('INFO')).toContain('cluster_state:ok'),
        waiting,
      );

      const topics = Array.from({ length: 500 }, (_, n) => `topic-${n}`);
      const seen = new Set<string>();
      const gap = vi.fn();
      pubSub.onGap(gap);
      await Promise.all(
        topics.map((topic) => pubSub.subscribe([topic], (message) => seen.add(message.topic))),
      );
      const isWhole = () =>
        vi.waitFor(async () => {
          seen.clear();
          await pubSub.publish(topics.map((topic) => ({ topic, value: '' })));
          await vi.waitFor(() => expect(seen.size).toBe(topics.length), { timeout: 500 });
        }, waiting);
      await isWhole();
      expect(gap).not.toHaveBeenCalled();

      // A new configuration epoch makes the slots of this node win over the earlier slots of the first node.
      await second.call('CLUSTER', 'BUMPEPOCH');
      const newOwner = await second.cluster('MYID');
      for (const node of [second, first]) {
        const moves = node.pipeline();
        for (let slot = 0; slot < 8_192; slot += 1) moves.cluster('SETSLOT', slot, 'NODE', newOwner);
        await moves.exec();
      }
      await vi.waitFor(() => expect(gap).toHaveBeenCalled(), waiting);
      await isWhole();
      // Each of the two nodes has subscribers.
      for (const node of [first, second]) {
        expect(await node.call('PUBSUB', 'SHARDCHANNELS')).not.toHaveLength(0);
      }
    } finally {
      await pubSub.close();
      first.disconnect();
      second.disconnect();
      await Promise.all([one.stop(), two.stop()]);
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
