import { afterAll, beforeAll, expect, it } from 'vitest';
import type { UserKey } from '../../domain/user.ts';
import { silent } from '../../ports/logger.ts';
import { pageViewed } from '../../testing/event.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createCallersStore } from './lanes.ts';
import { createPostgresEventLog } from './log/event-log.ts';

let storage: TestStorage;
beforeAll(async () => {
  storage = await openTestStorage();
});
afterAll(() => storage.close());

const user = (userId: string, tenantId = 'default'): UserKey => ({ tenantId, userId });
const now = new Date('2026-11-20T12:00:00Z');

it('the store for callers leaves connections to the worker and the log, whatever callers do', async () => {
  const { database, connection } = storage;
  let end = () => {};
  const until = new Promise<void>((resolve) => {
    end = resolve;
  });
  /** Occupies a connection until `end` is called. */
  const hold = async (): Promise<never> => {
    const client = await database.pool.connect();
    await until;
    client.release();
    return undefined as never;
  };
  const slow = { ...storage.store, stats: hold, collections: hold, transaction: hold };
  // The pool of the tests has 5 connections.
  const { store, waiting } = createCallersStore(slow, { poolSize: 5 });

  let answered = 0;
  const users = Array.from({ length: 8 }, (_, n) => user(`u${n}`, `t${n % 4}`));
  const window = { days: [], start: now, end: now, timeZone: 'UTC' };
  const asked = users.flatMap((owner) => [
    store.stats(owner, window),
    store.collections(owner.tenantId, 1),
    store.transaction(async () => {}, owner),
  ]);
  for (const one of asked) {
    void one.then(() => {
      answered += 1;
    });
  }
  expect(waiting()).toBe(3 * users.length - 3);

  const log = createPostgresEventLog({ database, connection, logger: silent });
  await log.append([pageViewed()]);
  await storage.store.transaction((transaction) => transaction.ensureUsers([user('new')], now));
  expect(await storage.store.users([user('new')])).toHaveLength(1);
  expect(answered).toBe(0);
  end();
  await Promise.all(asked);
  expect(waiting()).toBe(0);
});
