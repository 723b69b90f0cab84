import { withDeadline } from '../../async/deadline.ts';
import { runEach } from '../../async/run-each.ts';
import { AppError } from '../../domain/error.ts';
import type { Store, StoreTransaction } from '../../ports/store/store.ts';
import type { Database } from './connection.ts';
import { translated } from './error.ts';
import { createTransactions, exclusively, type Finish, type Queryable, queryable, sql } from './sql.ts';
import { createActivityQueries } from './tables/activity.ts';
import { createDeadLetterLookups, createDeadLetterQueries } from './tables/dead-letter.ts';
import { createEraseQueries } from './tables/erase.ts';
import { createEventLookups, createEventQueries } from './tables/event.ts';
import { createInboxQueries } from './tables/inbox.ts';
import { createItemLookups, createItemQueries, createItemWrites } from './tables/item.ts';
import { createLimitQueries, createLimitWrites } from './tables/limit.ts';
import { createMarkingQueries } from './tables/marking.ts';
import { createNotificationQueries } from './tables/notification.ts';
import { createOutboxQueries } from './tables/outbox.ts';
import {
  createPageViewLookups,
  createPageViewQueries,
  createPartitions,
  monthOf,
} from './tables/page-view.ts';
import { createPreferenceQueries } from './tables/preference.ts';
import { createRetentionQueries } from './tables/retention.ts';
import { readStats } from './tables/stats.ts';
import { createStreamQueries } from './tables/stream.ts';
import { createUserLookups, createUserQueries } from './tables/user.ts';
import { createWaitingQueries } from './tables/waiting.ts';

/** Longer than a small write takes, and shorter than anybody waits for it. */
const probeMs = 1_000;

/** Whether a table of ours is locked against writes, or someone waits to lock it. */
const isTableLocked = sql`EXISTS (
  SELECT FROM pg_locks JOIN pg_class ON pg_class.oid = relation
  WHERE locktype = 'relation' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND relnamespace = current_schema()::regnamespace
    AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))`;

const createQueries = (db: Queryable) => ({
  ...createUserQueries(db),
  ...createPreferenceQueries(db),
  ...createEraseQueries(db),
  ...createPageViewQueries(db),
  ...createInboxQueries(db),
  ...createNotificationQueries(db),
  ...createMarkingQueries(db),
  ...createItemWrites(db),
  ...createStreamQueries(db),
  ...createEventQueries(db),
  ...createActivityQueries(db),
  ...createDeadLetterQueries(db),
  ...createOutboxQueries(db),
  ...createWaitingQueries(db),
  ...createLimitQueries(db),
});

function createTransactionQueries(db: Queryable, finish: Finish) {
  const queries = createQueries(db);
  return {
    ...queries,
    finish,
    ...createLimitWrites(db),
    async lockDue(now: Date, limit: number) {
      const locked = await queries.lockInboxesDue(now, limit);
      const inboxes = locked.map(({ inbox }) => inbox);
      return { locked, due: await queries.notificationsDue(inboxes, now, limit) };
    },
  } satisfies StoreTransaction;
}

/** Every statement sees the same rows. */
const snapshot = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';

/** One statement per table and batch, arrays in by `unnest`; single rows and counts by Prisma's typed client. */
export function createPostgresStore(
  { prisma, pool, writes, close }: Database,
  {
    holdsLog = false,
  }: {
    /**
     * The log is a table of the same database. A projection that nobody is told of then need not be on disk when its commit
     * is answered: what undoes it undoes the position too, which comes after it in the write-ahead log, and not the records,
     * which are on disk long since.
     */
    readonly holdsLog?: boolean;
  } = {},
): Store {
  const db = queryable(pool);
  const queries = createQueries(db);
  const itemQueries = createItemQueries(db);
  const retention = createRetentionQueries(
    db,
    createTransactions(pool, (connection) => connection),
  );
  const lookups = {
    ...createUserLookups(prisma),
    ...createPageViewLookups(prisma),
    ...createItemLookups(prisma),
    ...createEventLookups(prisma),
    ...createDeadLetterLookups(prisma),
  };
  const preparedMonths = new Set<string>();

  const inTransaction = createTransactions(pool, createTransactionQueries);
  const transaction =
    (begin: string): Store['transaction'] =>
    (work) =>
      writes.noted(translated(inTransaction(work, begin)));
  const durable = transaction('BEGIN');
  const silent = holdsLog ? transaction('BEGIN; SET LOCAL synchronous_commit = off') : durable;

  return {
    transaction: durable,
    projection: (work, { publishes }) => (publishes ? durable : silent)(work),
    users: (keys) => translated(queries.users(keys)),
    usersOf: (tenantId, page) => translated(queries.usersOf(tenantId, page)),
    countUsers: (tenantId) => translated(lookups.countUsers(tenantId)),
    recipients: (keys) => translated(queries.recipients(keys)),
    categoryChoices: (keys) => translated(queries.categoryChoices(keys)),
    inboxes: (keys) => translated(queries.inboxes(keys)),
    inboxKeys: (page) => translated(queries.inboxKeys(page)),
    limitKeys: (page) => translated(queries.limitKeys(page)),
    exclusively: (name, work) => translated(exclusively(pool, name, work)),
    notifications: (key, page) => translated(queries.notifications(key, page)),
    countNotifications: (key, filter) => translated(queries.countNotifications(key, filter)),
    recount: (keys) => translated(inTransaction(({ recount }) => recount(keys), snapshot)),
    recountSample: (size) => translated(inTransaction(({ recountSample }) => recountSample(size), snapshot)),
    countByCategory: (key) => translated(queries.countByCategory(key)),
    arrivals: (stretches, first) => translated(queries.arrivals(stretches, first)),
    changes: (stretches, first) => translated(queries.changes(stretches, first)),
    usersWithUnreadAbout: (visits) => translated(queries.usersWithUnreadAbout(visits)),
    notification: (tenantId, id) => translated(queries.notification(tenantId, id)),
    pageViews: (key, page) => translated(queries.pageViews(key, page)),
    countPageViews: (key, range) => translated(lookups.countPageViews(key, range)),
    pageView: (key, place) => translated(lookups.pageView(key, place)),
    itemBadges: (keys, horizon) => translated(itemQueries.itemBadges(keys, horizon)),
    collections: (tenantId, first) => translated(lookups.collections(tenantId, first)),
    items: (key, page) => translated(itemQueries.items(key, page)),
    countItems: (key) => translated(lookups.countItems(key)),
    item: (key, itemId, viewerId) => translated(itemQueries.item(key, itemId, viewerId)),
    activityBuckets: (keys) => translated(queries.activityBuckets(keys)),
    activityBucketsBetween: (tenantId, level, range) =>
      translated(queries.activityBucketsBetween(tenantId, level, range)),
    distinctUsers: (tenantId, level, bounds) => translated(queries.distinctUsers(tenantId, level, bounds)),
    activityTypes: (tenantId, level, bounds, options) =>
      translated(queries.activityTypes(tenantId, level, bounds, options)),
    stats: (key, window) => translated(readStats(db, key, window)),
    scheduled: (key, page) => translated(queries.scheduled(key, page)),
    countScheduled: (key) => translated(queries.countScheduled(key)),
    limits: (users, filter) => translated(queries.limits(users, filter)),
    limitOwners: (tenantId, userLimitId) => translated(queries.limitOwners(tenantId, userLimitId)),
    limitHistories: (pages) => translated(queries.limitHistories(pages)),
    nextDue: () => translated(queries.nextDue()),
    bindKeys: (keys, now) => translated(queries.bindKeys(keys, now)),
    areApplied: (events) => translated(queries.areApplied(events)),
    boundDigest: (key) => translated(lookups.boundDigest(key)),
    usersAppeared: (now, limit) => translated(queries.usersAppeared(now, limit)),
    waitingOf: (keys, limit) => translated(queries.waitingOf(keys, limit)),
    countWaiting: () => translated(queries.countWaiting()),
    deadLetters: (page) => translated(queries.deadLetters(page)),
    countDeadLetters: (filter) => translated(lookups.countDeadLetters(filter)),
    deadLetter: (id, filter) => translated(queries.deadLetter(id, filter)),
    async preparePageViews(moments) {
      const missing = [...new Set(moments.map(monthOf))].filter((month) => !preparedMonths.has(month));
      await runEach(
        missing.map((month) => async () => {
          await createPartitions(db, month);
          preparedMonths.add(month);
        }),
      );
    },
    expire: retention.expire,
    noteSweep: (kind, at, outcome) => translated(retention.noteSweep(kind, at, outcome)),
    sweeps: () => translated(retention.sweeps()),
    async version() {
      const [row] = await translated(
        db.query<{ version: string }>`SELECT current_setting('server_version') AS version`,
      );
      // Distributions add words of their own.
      return row?.version.split(' ')[0] ?? '';
    },
    async ping() {
      await translated(db.query`SELECT 1`);
    },
    problem: () => writes.problem(),
    async probe() {
      // Written to the log of the database and nowhere else.
      const write = db.query<{ isLocked: boolean }>`
        SELECT ${isTableLocked} AS "isLocked" FROM pg_logical_emit_message(true, ${'unseen'}::text, 'probe')`;
      const [row] = await translated(withDeadline(write, probeMs));
      if (row?.isLocked) throw new AppError('UNAVAILABLE', 'A table is locked.');
    },
    close,
  };
}
