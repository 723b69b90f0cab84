import { withDeadline } from '../../async/deadline.ts';
import { AppError } from '../../domain/error.ts';
import type { StatsWindow } from '../../domain/stats.ts';
import type { UserKey } from '../../domain/user.ts';
import type { HealthStore } from '../../ports/store/health.ts';
import type { Store, StoreTransaction } from '../../ports/store/store.ts';
import type { Database } from './connection.ts';
import { withTranslatedErrors } from './error.ts';
import type { PrismaClient } from './generated/client.ts';
import { createTransactions, exclusively, type Finish, type Queryable, queryable, sql } from './sql.ts';
import { createActivityReads, createActivityWrites, createMetricsWrites } from './tables/activity.ts';
import { createDeadLetterReads, createDeadLetterWrites } from './tables/dead-letter.ts';
import { createErasureWrites } from './tables/erase.ts';
import {
  createEventReads,
  createEventWrites,
  createIdempotencyReads,
  createIdempotencyWrites,
} from './tables/event.ts';
import { createDueInboxWrites, createInboxReads, createInboxWrites } from './tables/inbox.ts';
import { createItemLookups, createItemReads, createItemViewWrites, createItemWrites } from './tables/item.ts';
import {
  createLimitEventWrites,
  createLimitHistoryReads,
  createLimitReads,
  createLimitWrites,
} from './tables/limit.ts';
import { createCategoryReads, createMarkingWrites } from './tables/marking.ts';
import { createNotificationReads, createNotificationWrites } from './tables/notification.ts';
import { createOutboxWrites } from './tables/outbox.ts';
import {
  createPageViewLookups,
  createPageViewReads,
  createPageViewWrites,
  createPartitions,
} from './tables/page-view.ts';
import { createPreferenceReads, createPreferenceWrites } from './tables/preference.ts';
import { createRetentionQueries } from './tables/retention.ts';
import { readStats } from './tables/stats.ts';
import { createStreamReads } from './tables/stream.ts';
import { createUserLookups, createUserReads, createUserWrites } from './tables/user.ts';
import { createWaitingReads, createWaitingWrites } from './tables/waiting.ts';
import type { WriteHealth } from './write-health.ts';

/**
 * The maximum time of a probe, in ms. A small write takes less time, and callers of the probe wait longer
 * than this.
 */
const probeMs = 1_000;

/** Whether a session holds a lock that blocks writes to a table of this schema, or waits for such a lock. */
const isTableLocked = sql`EXISTS (
  SELECT FROM pg_locks JOIN pg_class ON pg_class.oid = relation
  WHERE locktype = 'relation' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND relnamespace = current_schema()::regnamespace
    AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))`;

/** Creates the reads that exist both in a transaction and in the store. */
const createSharedReads = (db: Queryable) => ({
  ...createUserReads(db),
  ...createPreferenceReads(db),
  ...createInboxReads(db),
  ...createNotificationReads(db),
  ...createIdempotencyWrites(db),
});

const createReads = (db: Queryable) => ({
  ...createSharedReads(db),
  ...createCategoryReads(db),
  ...createStreamReads(db),
  ...createItemReads(db),
  ...createPageViewReads(db),
  ...createActivityReads(db),
  ...createLimitReads(db),
  ...createLimitHistoryReads(db),
  ...createWaitingReads(db),
  ...createEventReads(db),
  ...createIdempotencyReads(db),
  ...createDeadLetterReads(db),
  stats: (key: UserKey, window: StatsWindow) => readStats(db, key, window),
});

/** Creates the reads of single rows and counts through Prisma's typed client. */
const createLookups = (prisma: PrismaClient) => ({
  ...createUserLookups(prisma),
  ...createPageViewLookups(prisma),
  ...createItemLookups(prisma),
});

function createTransactionQueries(db: Queryable, finish: Finish) {
  const notifications = createNotificationWrites(db);
  const due = createDueInboxWrites(db);
  return {
    ...createSharedReads(db),
    ...createUserWrites(db),
    ...createPreferenceWrites(db),
    ...createErasureWrites(db),
    ...createPageViewWrites(db),
    ...createInboxWrites(db),
    ...notifications,
    ...createMarkingWrites(db),
    ...createItemWrites(db),
    ...createItemViewWrites(db),
    ...createEventWrites(db),
    ...createActivityWrites(db),
    ...createMetricsWrites(db),
    ...createDeadLetterWrites(db),
    ...createOutboxWrites(db),
    ...createWaitingWrites(db),
    ...createLimitWrites(db),
    ...createLimitEventWrites(db),
    finish,
    postpone: due.postpone,
    async lockDue(now: Date, limit: number) {
      const locked = await due.lockInboxesDue(now, limit);
      const inboxes = locked.map(({ inbox }) => inbox);
      return { locked, due: await notifications.notificationsDue(inboxes, now, limit) };
    },
  } satisfies StoreTransaction;
}

const createHealth = (db: Queryable, writes: WriteHealth): HealthStore => ({
  async version() {
    const [row] = await db.query<{ version: string }>`SELECT current_setting('server_version') AS version`;
    // Some distributions append their own text to the version number.
    return row?.version.split(' ')[0] ?? '';
  },
  async ping() {
    await db.query`SELECT 1`;
  },
  problem: () => writes.problem(),
  async probe() {
    // PostgreSQL writes this message only to its write-ahead log, not to a table.
    const write = db.query<{ isLocked: boolean }>`
        SELECT ${isTableLocked} AS "isLocked" FROM pg_logical_emit_message(true, ${'unseen'}::text, 'probe')`;
    const [row] = await withDeadline(write, probeMs);
    if (row?.isLocked) throw new AppError('UNAVAILABLE', 'A table is locked.');
  },
});

/** With this isolation every statement of the transaction sees the same rows. */
const snapshot = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';

/**
 * Creates the store. Reads and writes of many rows and frequent statements use pg. Other reads use Prisma's
 * typed client (docs/decisions/0004).
 */
export function createPostgresStore(
  { prisma, pool, writes, close }: Database,
  {
    holdsLog = false,
  }: {
    /**
     * Whether the log is a table of the same database. Defaults to false. If true, a projection that
     * publishes nothing may be acknowledged before it is on disk. This is safe: the consumer position is
     * later in the write-ahead log, so a crash that undoes the projection also undoes the position. The
     * records are on disk before the projection, so they are delivered again.
     */
    readonly holdsLog?: boolean;
  } = {},
): Store {
  const db = queryable(pool);
  const inTransaction = createTransactions(pool, createTransactionQueries);
  const transaction =
    (begin: string): Store['transaction'] =>
    (work) =>
      writes.noted(inTransaction(work, begin));
  const durable = transaction('BEGIN');
  const silent = holdsLog ? transaction('BEGIN; SET LOCAL synchronous_commit = off') : durable;

  return withTranslatedErrors<Store>({
    ...createReads(db),
    ...createLookups(prisma),
    ...createRetentionQueries(
      db,
      createTransactions(pool, (connection) => connection),
    ),
    ...createPartitions(db),
    ...createHealth(db, writes),
    recount: (keys) => inTransaction(({ recount }) => recount(keys), snapshot),
    recountSample: (size) => inTransaction(({ recountSample }) => recountSample(size), snapshot),
    transaction: durable,
    projection: (work, { publishes }) => (publishes ? durable : silent)(work),
    exclusively: (name, work) => exclusively(pool, name, work),
    close,
  });
}
