import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type PrivateInstance, startKafka, startPostgres, startRedis } from './private.ts';
import { identify } from './process.ts';
import { type ServiceName, whyNotReady } from './service.ts';

let dir: string;
let instance: PrivateInstance | undefined;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'unseen-private-'));
});

afterEach(async () => {
  await instance?.stop();
  instance = undefined;
  rmSync(dir, { recursive: true });
});

describe('private instances', () => {
  it('of Kafka keep topics after kill -9 and do not answer while frozen', {
    timeout: 120_000,
    tags: ['kafka'],
  }, async () => {
    instance = await startKafka({ dir });
    const connect = () => new Kafka({ brokers: [instance?.url ?? ''], logLevel: logLevel.NOTHING }).admin();
    const before = connect();
    await before.createTopics({ topics: [{ topic: 'kept', numPartitions: 2 }] });
    await before.disconnect();
    await killAndFreeze('kafka', instance);
    const after = connect();
    expect(await after.listTopics()).toEqual(['kept']);
    await after.disconnect();
  });

  it('of PostgreSQL keep rows after kill -9 and do not answer while frozen', {
    timeout: 60_000,
    tags: ['postgres'],
  }, async () => {
    instance = await startPostgres({ dir });
    const { url } = instance;
    const query = async (sql: string) => {
      const client = new pg.Client(url);
      await client.connect();
      const { rows } = await client.query(sql);
      await client.end();
      return rows;
    };
    await query('CREATE TABLE kept AS SELECT 1 AS id');
    // PostgreSQL has a child process for each open connection. The child process must also end and freeze.
    const open = new pg.Client(url);
    open.on('error', () => undefined);
    await open.connect();
    const ended = new Promise((resolve) => open.once('end', resolve));
    await killAndFreeze('postgres', instance);
    await ended;
    expect(await query('SELECT * FROM kept')).toEqual([{ id: 1 }]);
  });

  it('of Redis can be a cluster', { tags: ['redis'] }, async () => {
    instance = await startRedis({ dir, cluster: true });
    const client = new Redis(instance.url);
    expect(await client.cluster('INFO')).toContain('cluster_slots_ok:16384');
    client.disconnect();
    await killAndFreeze('redis', instance);
  });

  it('end with the process that started them', { tags: ['redis'] }, async () => {
    const module = new URL('private.ts', import.meta.url).href;
    const code = `const { startRedis } = await import('${module}');
      const instance = await startRedis({ dir: '${dir}' });
      console.log(instance.pid);
      instance.freeze();
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pid = Number(await new Promise((resolve) => child.stdout.once('data', resolve)));
    expect(identify(pid)).toBeDefined();
    child.kill('SIGKILL');
    await vi.waitFor(() => expect(identify(pid)).toBeUndefined(), { timeout: 5_000 });
  });
});

/** Freezes, thaws, kills and restarts the instance. The instance runs afterwards. */
async function killAndFreeze(name: ServiceName, instance: PrivateInstance): Promise<void> {
  const { pid, url } = instance;
  instance.freeze();
  expect(await whyNotReady(name, url)).toBeDefined();
  instance.thaw();
  await vi.waitFor(async () => expect(await whyNotReady(name, url)).toBeUndefined(), { timeout: 20_000 });
  expect(instance.pid).toBe(pid);
  await instance.kill();
  expect(identify(pid)).toBeUndefined();
  await instance.restart();
  expect(instance.url).toBe(url);
  expect(instance.pid).not.toBe(pid);
  expect(await whyNotReady(name, url)).toBeUndefined();
}
