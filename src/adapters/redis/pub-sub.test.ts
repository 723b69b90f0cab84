import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type PrivateInstance, startRedis } from '../../../scripts/services/private.ts';
import { type PubSubUnderTest, pubSubContract } from '../../ports/pub-sub.contract.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import { silent } from '../../testing/app.ts';
import { openRedisPubSub } from './pub-sub.ts';

describe('Redis pub/sub', () => {
  let dir: string;
  let redis: PrivateInstance;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'unseen-redis-'));
    redis = await startRedis({ dir });
  });
  afterAll(async () => {
    await redis.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  async function underTest(): Promise<PubSubUnderTest> {
    const opened: PubSub[] = [];
    return {
      async open() {
        const pubSub = await openRedisPubSub(redis.url, { logger: silent });
        opened.push(pubSub);
        return pubSub;
      },
      async cutConnections() {
        const admin = new Redis(redis.url);
        await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
        admin.disconnect();
      },
      async close() {
        await Promise.all(opened.map((pubSub) => pubSub.close()));
      },
    };
  }
  pubSubContract(underTest, { acrossProcesses: true, losesConnections: true });

  it('says at once that Redis is away, and goes on by itself when it is back empty', async () => {
    const { open, close } = await underTest();
    const pubSub = await open();
    const received: string[] = [];
    const gap = vi.fn();
    pubSub.onGap(gap);
    await pubSub.subscribe(['a'], ({ value }) => received.push(value));
    await redis.kill();
    const before = performance.now();
    await expect(pubSub.publish([{ topic: 'a', value: 'lost' }])).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
    expect(performance.now() - before).toBeLessThan(1_000);
    const late = pubSub.subscribe(['b'], ({ value }) => received.push(value));
    await redis.restart();
    await late;
    await vi.waitFor(() => expect(gap).toHaveBeenCalled(), { timeout: 20_000 });
    await vi.waitFor(
      async () => {
        await pubSub.publish([
          { topic: 'a', value: 'a' },
          { topic: 'b', value: 'b' },
        ]);
        expect(received).toEqual(expect.arrayContaining(['a', 'b']));
      },
      { timeout: 20_000 },
    );
    expect(received).not.toContain('lost');
    await close();
  }, 60_000);
});
