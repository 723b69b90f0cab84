import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { UserInbox } from '../../domain/inbox.ts';
import type { NotificationFilter } from '../../domain/notification.ts';
import { testNow as now } from '../../testing/event.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { connect, type Database } from './connection.ts';
import { createPostgresStore } from './store.ts';

let storage: TestStorage;
let database: Database;
beforeAll(async () => {
  storage = await openTestStorage();
  database = connect(storage.connection, { maxConnections: 1 });
});
afterAll(async () => {
  await database.close();
  await storage.close();
});

/** Returns the prepared statements of the only connection. */
const kept = async () =>
  (await database.pool.query<{ statement: string }>('SELECT statement FROM pg_prepared_statements')).rows.map(
    ({ statement }) => statement,
  );

describe('the prepared statements of a connection', () => {
  it('remain few for many different filters of notifications, and include the frequent statements', async () => {
    const store = createPostgresStore(database);
    const user = { tenantId: 'default', userId: 'alice' };
    await store.transaction((transaction) => transaction.ensureUsers([user], now));
    const parts: readonly NotificationFilter[] = [
      { seen: true },
      { read: false },
      { archived: false },
      { snoozed: false },
      { categories: ['general'] },
      { subjectId: 'order-1' },
      { createdFrom: now },
      { createdTo: now },
    ];
    const filters = Array.from(
      { length: 2 ** parts.length - 1 },
      (_, n): NotificationFilter => Object.assign({}, ...parts.filter((_, bit) => (n + 1) & (1 << bit))),
    );
    for (const filter of [...filters, ...filters]) {
      await store.notifications(user, { ...filter, first: 1 });
      await store.notifications(user, { ...filter, first: 1, before: 5n });
      await store.countNotifications(user, filter);
    }
    for (const filter of filters) {
      await store.transaction(async (transaction) => {
        const [locked] = (await transaction.lockInboxes([user], now)) as [UserInbox];
        const marking = { action: 'READ', which: { filter }, afterSeq: 0n, upToSeq: 0n } as const;
        await transaction.markNotifications(locked.inbox, marking, now);
      });
    }
    expect((await kept()).length).toBeLessThan(20);

    const page = (statement: string) => /FROM notification AS n WHERE.*LIMIT/s.test(statement);
    const before = (await kept()).filter(page);
    for (let n = 0; n < 10; n += 1) await store.notifications(user, { first: 1 });
    const [added, ...others] = (await kept()).filter(
      (statement) => page(statement) && !before.includes(statement),
    );
    expect(added).not.toContain('::boolean');
    expect(others).toEqual([]);
  });
});
