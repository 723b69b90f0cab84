import type { Store, StoreTransaction } from '../../ports/store.ts';
import type { Database, Sql } from './connection.ts';
import { translated } from './error.ts';
import { createEventQueries } from './event.ts';
import { createInboxQueries } from './inbox.ts';
import { createNotificationQueries } from './notification.ts';
import { createPageViewQueries, createPartition, monthOf } from './page-view.ts';
import { readStats } from './stats.ts';
import { createUserQueries } from './user.ts';

const createQueries = (sql: Sql) => ({
  ...createUserQueries(sql),
  ...createPageViewQueries(sql),
  ...createInboxQueries(sql),
  ...createNotificationQueries(sql),
  ...createEventQueries(sql),
});

/** Prisma on Postgres: one statement per table and batch, arrays in by `unnest`. */
export function createPostgresStore({ prisma, close }: Database): Store {
  const queries = createQueries(prisma);
  const preparedMonths = new Set<string>();

  return {
    transaction: (work) =>
      translated(prisma.$transaction((sql) => work(createQueries(sql) satisfies StoreTransaction))),
    users: (keys) => translated(queries.users(keys)),
    inboxes: (keys) => translated(queries.inboxes(keys)),
    notifications: (key, page) => translated(queries.notifications(key, page)),
    countNotifications: (key) => translated(queries.countNotifications(key)),
    notification: (tenantId, id) => translated(queries.notification(tenantId, id)),
    pageViews: (key, page) => translated(queries.pageViews(key, page)),
    countPageViews: (key, range) => translated(queries.countPageViews(key, range)),
    pageView: (key, place) => translated(queries.pageView(key, place)),
    stats: (key, window) => translated(readStats(prisma, key, window)),
    bindKeys: (keys, now) => translated(queries.bindKeys(keys, now)),
    boundDigest: (key) => translated(queries.boundDigest(key)),
    async preparePageViews(moments) {
      for (const month of new Set(moments.map(monthOf))) {
        if (preparedMonths.has(month)) continue;
        await translated(prisma.$transaction((sql) => createPartition(sql, month)));
        preparedMonths.add(month);
      }
    },
    async ping() {
      await translated(prisma.$queryRaw`SELECT 1`);
    },
    close,
  };
}
