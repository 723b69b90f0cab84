import { callerNameOf } from '../../../domain/caller.ts';
import { type UserKey, userKeyOf } from '../../../domain/user.ts';
import type { Erasure, PartialErasure } from '../../../ports/store/erasure.ts';
import { type Fragment, type Queryable, sql } from '../sql.ts';
import { isCountableRow } from './countable.ts';
import { shareCollectionLock } from './item.ts';

/**
 * The tables with rows that name a user, except three kinds of rows. The row of the inbox is removed
 * separately, because its version is needed. Rows of user_activity_member are found through the days of the
 * user's activity. `forgetItemViews` removes views of items. A test compares this list with the catalog of
 * the database.
 */
const tablesOfUser = [
  'app_user',
  'page_view',
  'user_activity',
  'inbox_opening',
  'inbox_change',
  'notification',
  'notification_preference',
  'user_limit',
  'user_limit_event',
  'waiting_record',
] as const;

interface Column {
  readonly name: string;
  readonly type: 'text' | 'integer' | 'bigint' | 'uuid' | 'timestamptz';
}

const column = (name: string, type: Column['type'] = 'text'): Column => ({ name, type });
const activityKey = [column('occurred_at', 'timestamptz'), column('id', 'uuid')];
const itemKey = [column('collection'), column('item_id')];

/**
 * The tables in which a user may have many rows. Each entry has the columns that follow the user in the
 * primary key.
 */
const longTables: readonly (readonly [table: string, rest: readonly Column[]])[] = [
  ['page_view', activityKey],
  ['user_activity', activityKey],
  ['inbox_opening', [column('up_to_seq', 'bigint')]],
  [
    'user_limit_event',
    [column('user_limit_id'), column('sequence_number', 'bigint'), column('source'), column('event_id')],
  ],
  ['user_limit', [column('user_limit_id')]],
  ['waiting_record', [column('topic'), column('partition', 'integer'), column('"offset"', 'bigint')]],
];

/**
 * The number of log records that one statement examines. The log has no index by key, because such an index
 * would slow every append.
 */
const stride = 50_000n;

const ofUser = ({ tenantId, userId }: UserKey) => sql`tenant_id = ${tenantId} AND user_id = ${userId}`;

const ofCaller = ({ tenantId, userId }: UserKey) => {
  const caller = callerNameOf({ role: 'user', subject: userId });
  return sql`tenant_id = ${tenantId} AND caller = ${caller}`;
};

/**
 * Removes the user from these days of activity. The counts of all users together remain, because they name no
 * user.
 */
async function removeDays(
  db: Queryable,
  { tenantId, userId }: UserKey,
  days: readonly Date[],
): Promise<number> {
  if (days.length === 0) return 0;
  const own = sql`member.tenant_id = ${tenantId} AND member.user_id = ${userId}`;
  const [found] = await db.query<{ readonly rows: number }>`
    WITH day AS (
      DELETE FROM user_activity_member AS member USING unnest(${days}::timestamptz[]) AS at
      WHERE ${own} AND granularity = 'DAY' AND bucket_start = at RETURNING bucket_start
    ), hour AS (
      DELETE FROM user_activity_member AS member USING day, generate_series(0, 23) AS n
      WHERE ${own} AND granularity = 'HOUR' AND member.bucket_start = day.bucket_start + n * interval '1 hour'
      RETURNING member.bucket_start
    ), minute AS (
      DELETE FROM user_activity_member AS member USING hour, generate_series(0, 59) AS n
      WHERE ${own} AND granularity = 'MINUTE' AND member.bucket_start = hour.bucket_start + n * interval '1 minute'
      RETURNING 1
    )
    SELECT (SELECT count(*) FROM day)::int + (SELECT count(*) FROM hour)::int
      + (SELECT count(*) FROM minute)::int AS rows`;
  return found?.rows ?? 0;
}

/**
 * Finds the oldest days of the user's activity: at most `limit` days, or all days if `limit` is null. The
 * table has no index by user, because such an index would slow every count.
 */
async function daysOf(
  db: Queryable,
  { tenantId, userId }: UserKey,
  limit: number | null,
): Promise<readonly Date[]> {
  const rows = await db.query<{ readonly at: Date }>`
    WITH kept AS (
      SELECT min(bucket_start) AS first, max(bucket_start) AS last FROM user_activity_member
      WHERE tenant_id = ${tenantId} AND granularity = 'DAY'
    )
    SELECT at FROM kept, generate_series(first, last, '1 day') AS at WHERE EXISTS (
      SELECT FROM user_activity_member AS member WHERE member.tenant_id = ${tenantId} AND granularity = 'DAY'
        AND bucket_start = at AND member.user_id = ${userId} OFFSET 0)
    ORDER BY at LIMIT ${limit}::int`;
  return rows.map(({ at }) => at);
}

/** Clears the user's log records among the `stride` records after an offset. */
async function blankStretch(
  db: Queryable,
  user: UserKey,
  after: bigint,
): Promise<{ rows: number; upTo: bigint; isAll: boolean }> {
  const [log] = await db.query<{ readonly oldest: bigint | null; readonly head: bigint }>`
    SELECT (SELECT min("offset") FROM event_log WHERE "offset" > ${after}) AS oldest, head FROM log_head`;
  const head = log?.head ?? after;
  const from = log?.oldest ?? head + 1n;
  const rows = await db.execute`
    UPDATE event_log SET key = NULL, value = NULL, raw = NULL, headers = '{}'
    WHERE "offset" >= ${from} AND "offset" < ${from + stride} AND "offset" <= ${head} AND key = ${userKeyOf(user)}`;
  const isAll = from + stride > head;
  return { rows, upTo: isAll ? head : from + stride - 1n, isAll };
}

export function createErasureWrites(db: Queryable) {
  return {
    async eraseSome(
      user: UserKey,
      { size, logUpTo, now }: { readonly size: number; readonly logUpTo: bigint; readonly now: Date },
    ): Promise<PartialErasure> {
      const rows = await removeSome(db, user, size, now);
      if (rows > 0) return { rows, logUpTo, isRestFew: false };
      // A day of a user has up to about 1500 rows.
      const days = await daysOf(db, user, 2);
      if (days.length > 1)
        return { rows: await removeDays(db, user, days.slice(0, 1)), logUpTo, isRestFew: false };
      const { upTo, isAll, ...blanked } = await blankStretch(db, user, logUpTo);
      return { rows: blanked.rows, logUpTo: upTo, isRestFew: isAll };
    },

    async eraseUser(user: UserKey, logUpTo: bigint): Promise<Erasure> {
      const key = userKeyOf(user);
      let rows = 0;
      // The slow steps come first, because at this point no other transaction waits for a lock of this
      // transaction.
      let passed = await blankRecords(logUpTo);
      await remove('page_view');
      await removeMember();
      // A transaction that writes data of a user first locks rows of app_user or inbox, and relies on what it
      // read there. With these table locks such a transaction either ends before this transaction, or starts
      // after it and finds no user. Reads can continue. Other transactions lock the two tables in the same
      // order.
      await db.execute`LOCK TABLE app_user, inbox IN EXCLUSIVE MODE`;
      passed = await blankRecords(passed);
      for (const table of tablesOfUser) await remove(table);
      await removeMember();
      rows += await db.execute`DELETE FROM dead_letter WHERE key = ${key}`;
      rows += await db.execute`DELETE FROM outbox WHERE key = ${key}`;
      rows += await db.execute`DELETE FROM idempotency_key WHERE ${ofCaller(user)}`;
      // A subscriber ignores versions that are not above the version it has seen, even if the user returns
      // later. So new inboxes of the tenant begin above the version of the erased inbox. One floor per user
      // would have to name the user.
      const [floor] = await db.query<{ readonly version: bigint }>`
        WITH erased AS (
          DELETE FROM inbox WHERE ${ofUser(user)} RETURNING version + 1 AS version
        ), raised AS (
          INSERT INTO version_floor AS floor (tenant_id, version) SELECT ${user.tenantId}, version FROM erased
          ON CONFLICT (tenant_id) DO UPDATE SET version = greatest(floor.version, excluded.version)
        )
        SELECT version FROM erased`;
      return { hadAny: rows > 0 || floor !== undefined, version: floor && Number(floor.version) };

      async function remove(table: (typeof tablesOfUser)[number]): Promise<void> {
        rows += await db.execute`DELETE FROM ${sql.raw(table)} WHERE ${ofUser(user)}`;
      }

      async function removeMember(): Promise<void> {
        rows += await removeDays(db, user, await daysOf(db, user, null));
      }

      /**
       * Clears the user's log records after an offset. Returns the offset of the last record that was
       * examined.
       */
      async function blankRecords(after: bigint): Promise<bigint> {
        for (let upTo = after; ; ) {
          const stretch = await blankStretch(db, user, upTo);
          rows += stretch.rows;
          upTo = stretch.upTo;
          if (stretch.isAll) return upTo;
        }
      }
    },
  };
}

/**
 * A condition that matches the first `size` rows of the user in the order of the key. Undefined if the user
 * has at most `size` rows.
 */
async function firstOf(
  db: Queryable,
  table: string,
  owner: Fragment,
  rest: readonly Column[],
  size: number,
): Promise<Fragment | undefined> {
  const key = sql.raw(rest.map(({ name }) => name).join(', '));
  const texts = sql.raw(rest.map(({ name }, n) => `${name}::text AS c${n}`).join(', '));
  const [next] = await db.query<Readonly<Record<string, string>>>`
    SELECT ${texts} FROM ${sql.raw(table)} WHERE ${owner} ORDER BY ${key} OFFSET ${size}::int LIMIT 1`;
  if (!next) return undefined;
  const place = rest.map(({ type }, n) => sql`${next[`c${n}`]}::text::${sql.raw(type)}`);
  // The second condition lets the planner skip later partitions.
  return sql`${owner} AND (${key}) < (${sql.join(place)}) AND ${sql.raw(rest[0]?.name ?? '')} <= ${place[0]}`;
}

async function removeRows(
  db: Queryable,
  table: string,
  owner: Fragment,
  rest: readonly Column[],
  size: number,
): Promise<number> {
  const first = await firstOf(db, table, owner, rest, size);
  return first ? db.execute`DELETE FROM ${sql.raw(table)} WHERE ${first}` : 0;
}

/**
 * Removes the oldest notifications. Locks the inbox and reduces its counters by the number of removed
 * notifications that counted.
 */
async function removeNotifications(db: Queryable, user: UserKey, size: number, now: Date): Promise<number> {
  const found = await db.query<{ readonly id: string }>`
    SELECT id FROM notification WHERE ${ofUser(user)} ORDER BY seq LIMIT ${size + 1}`;
  if (found.length <= size) return 0;
  const ids = found.slice(0, size).map(({ id }) => id);
  await db.execute`SELECT FROM inbox WHERE ${ofUser(user)} FOR UPDATE`;
  await db.execute`
    WITH gone AS (
      DELETE FROM notification AS n WHERE n.tenant_id = ${user.tenantId} AND n.id = ANY(${ids}::uuid[])
      RETURNING n.seq, n.seen_at, n.read_at, ${isCountableRow} AS is_live
    )
    UPDATE inbox SET version = version + 1, updated_at = ${now}::timestamptz,
      unseen = greatest(0, unseen - (SELECT count(*) FROM gone WHERE is_live AND seen_at IS NULL AND seq > opened_seq)),
      unread = greatest(0, unread - (SELECT count(*) FROM gone WHERE is_live AND read_at IS NULL))
    WHERE ${ofUser(user)}`;
  return size;
}

/**
 * Removes views of items. Each removed view changes the number of unseen items in its collection, so the
 * version of the collection grows.
 */
async function removeItemViews(db: Queryable, user: UserKey, size: number, now: Date): Promise<number> {
  const first = await firstOf(db, 'item_view', ofUser(user), itemKey, size);
  if (!first) return 0;
  await db.execute`${shareCollectionLock}`;
  await db.execute`
    WITH gone AS (DELETE FROM item_view WHERE ${first} RETURNING collection)
    UPDATE item_collection SET version = version + 1, updated_at = ${now}::timestamptz
    WHERE tenant_id = ${user.tenantId} AND collection IN (SELECT collection FROM gone)`;
  return size;
}

async function removeDeadLetters(db: Queryable, key: string, size: number): Promise<number> {
  const found = await db.query<{ readonly tenantId: string; readonly id: string }>`
    SELECT tenant_id AS "tenantId", id FROM dead_letter WHERE key = ${key} LIMIT ${size + 1}`;
  if (found.length <= size) return 0;
  const tenantIds = [...new Set(found.map(({ tenantId }) => tenantId))];
  return db.execute`
    DELETE FROM dead_letter
    WHERE tenant_id = ANY(${tenantIds}::text[]) AND id = ANY(${found.slice(0, size).map(({ id }) => id)}::uuid[])`;
}

async function removeOutgoing(db: Queryable, key: string, size: number): Promise<number> {
  const found = await db.query<{ readonly id: bigint }>`
    SELECT id FROM outbox WHERE key = ${key} LIMIT ${size + 1}`;
  if (found.length <= size) return 0;
  return db.execute`DELETE FROM outbox WHERE id = ANY(${found.slice(0, size).map(({ id }) => String(id))}::bigint[])`;
}

/**
 * Removes about `size` rows of a user from the first table in which the user has more than `size` rows.
 * Returns the number of removed rows, or 0 if there is no such table.
 */
async function removeSome(db: Queryable, user: UserKey, size: number, now: Date): Promise<number> {
  for (const [table, rest] of longTables) {
    const removed = await removeRows(db, table, ofUser(user), rest, size);
    if (removed > 0) return removed;
  }
  const keys = [column('mutation'), column('key')];
  return (
    (await removeNotifications(db, user, size, now)) ||
    (await removeItemViews(db, user, size, now)) ||
    (await removeRows(db, 'idempotency_key', ofCaller(user), keys, size)) ||
    (await removeDeadLetters(db, userKeyOf(user), size)) ||
    (await removeOutgoing(db, userKeyOf(user), size))
  );
}
