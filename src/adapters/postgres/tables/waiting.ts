import type { UserKey } from '../../../domain/user.ts';
import type { LogRecord } from '../../../ports/event-log.ts';
import type { WaitingForUser } from '../../../ports/store/waiting.ts';
import { type Queryable, sql } from '../sql.ts';
import { headersJson, storableKey } from './outbox.ts';
import { columns, isOf } from './user.ts';

type Row = UserKey &
  Omit<LogRecord, 'offset'> & { readonly offset: bigint; receivedAt: Date; deadlineAt: Date };

const selected = sql`
  w.tenant_id AS "tenantId", w.user_id AS "userId", w.topic, w.partition, w."offset", w.key, w.headers, w.value,
  w.appended_at AS "appendedAt", w.received_at AS "receivedAt", w.deadline_at AS "deadlineAt"`;

const toWaiting = ({ tenantId, userId, receivedAt, deadlineAt, ...record }: Row): WaitingForUser => ({
  tenantId,
  userId,
  receivedAt,
  deadlineAt,
  record,
});

const placeColumns = sql.raw('tenant_id, user_id, topic, partition, "offset"');

/** The keys of waiting records, for `unnest`. */
const placesOf = (rows: readonly WaitingForUser[]) => {
  const [tenantIds, userIds] = columns(rows);
  return sql`
    ${tenantIds}::text[], ${userIds}::text[], ${rows.map(({ record }) => record.topic)}::text[],
    ${rows.map(({ record }) => record.partition)}::int[], ${rows.map(({ record }) => String(record.offset))}::bigint[]`;
};

const placeOf = ({ tenantId, userId, topic, partition, offset }: UserKey & Omit<LogRecord, 'value'>) =>
  JSON.stringify([tenantId, userId, topic, partition, String(offset)]);

const iso = (rows: readonly WaitingForUser[], at: (row: WaitingForUser) => Date) =>
  rows.map((row) => at(row).toISOString());

/** The `limit` waiting records that have been due the longest. */
const due = (now: Date, limit: number) => sql`
  (SELECT ${placeColumns} FROM waiting_record WHERE due_at <= ${now}::timestamptz ORDER BY due_at LIMIT ${limit}) AS due`;

/** Creates the reads of log records that wait for their users to exist. */
export function createWaitingReads(db: Queryable) {
  return {
    /**
     * Takes the `limit` records that have been due the longest, and returns those users of the records that
     * now exist.
     */
    async usersAppeared(now: Date, limit: number): Promise<readonly UserKey[]> {
      return db.query<UserKey>`
        SELECT DISTINCT tenant_id AS "tenantId", user_id AS "userId" FROM ${due(now, limit)}
        JOIN app_user USING (tenant_id, user_id)`;
    },

    async waitingOf(keys: readonly UserKey[], limit: number): Promise<readonly WaitingForUser[]> {
      if (keys.length === 0) return [];
      const rows = await db.query<Row>`
        SELECT ${selected} FROM waiting_record AS w WHERE ${isOf(keys)} ORDER BY ${placeColumns} LIMIT ${limit}`;
      return rows.map(toWaiting);
    },

    async countWaiting(): Promise<number> {
      const [row] = await db.query<{
        readonly count: number;
      }>`SELECT count(*)::int AS count FROM waiting_record`;
      return row?.count ?? 0;
    },
  };
}

export function createWaitingWrites(db: Queryable) {
  return {
    async usersAwaited(keys: readonly UserKey[]): Promise<readonly UserKey[]> {
      if (keys.length === 0) return [];
      return db.query<UserKey>`
        SELECT DISTINCT tenant_id AS "tenantId", user_id AS "userId" FROM waiting_record WHERE ${isOf(keys)}`;
    },

    async waitingCounts(tenantIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
      const rows = await db.query<{ readonly tenantId: string; readonly count: number }>`
        SELECT tenant_id AS "tenantId", count(*)::int AS count FROM waiting_record
        WHERE tenant_id = ANY(${tenantIds}::text[]) GROUP BY tenant_id`;
      return new Map(rows.map(({ tenantId, count }) => [tenantId, count]));
    },

    async addWaiting(rows: readonly (WaitingForUser & { readonly dueAt: Date })[]): Promise<void> {
      if (rows.length === 0) return;
      await db.execute`
        INSERT INTO waiting_record (${placeColumns}, key, headers, value, appended_at, received_at, deadline_at, due_at)
        SELECT * FROM unnest(${placesOf(rows)},
          ${rows.map(({ record }) => storableKey(record.key))}::text[],
          ${rows.map(({ record }) => headersJson(record.headers))}::jsonb[],
          ${rows.map(({ record }) => Buffer.from(record.value ?? []))}::bytea[],
          ${iso(rows, ({ record }) => record.appendedAt)}::timestamptz[], ${iso(rows, (row) => row.receivedAt)}::timestamptz[],
          ${iso(rows, (row) => row.deadlineAt)}::timestamptz[], ${rows.map((row) => row.dueAt.toISOString())}::timestamptz[])
        ON CONFLICT DO NOTHING`;
    },

    async takeWaiting(rows: readonly WaitingForUser[]): Promise<readonly boolean[]> {
      if (rows.length === 0) return [];
      // Locked users are skipped, because the worker that holds the lock of a user is applying the records of
      // that user.
      const users = await db.query<UserKey>`
        SELECT tenant_id AS "tenantId", user_id AS "userId" FROM app_user
        WHERE ${isOf(rows)} ORDER BY tenant_id, user_id FOR UPDATE SKIP LOCKED`;
      if (users.length === 0) return rows.map(() => false);
      const taken = await db.query<UserKey & Omit<LogRecord, 'value'>>`
        DELETE FROM waiting_record AS w
        WHERE (${placeColumns}) IN (SELECT * FROM unnest(${placesOf(rows)})) AND ${isOf(users)}
        RETURNING ${selected}`;
      const places = new Set(taken.map(placeOf));
      return rows.map(({ tenantId, userId, record }) => places.has(placeOf({ tenantId, userId, ...record })));
    },

    async lockWaitingInVain(now: Date, limit: number): Promise<readonly WaitingForUser[]> {
      const rows = await db.query<Row>`
        SELECT ${selected} FROM ${due(now, limit)} JOIN waiting_record AS w USING (${placeColumns})
        WHERE NOT EXISTS (SELECT FROM app_user AS u WHERE u.tenant_id = w.tenant_id AND u.user_id = w.user_id)
        ORDER BY ${placeColumns} FOR UPDATE OF w SKIP LOCKED`;
      return rows.map(toWaiting);
    },

    async postponeWaiting(rows: readonly (WaitingForUser & { readonly dueAt: Date })[]): Promise<void> {
      if (rows.length === 0) return;
      await db.execute`
        UPDATE waiting_record AS w SET due_at = later.due_at
        FROM unnest(${placesOf(rows)}, ${rows.map((row) => row.dueAt.toISOString())}::timestamptz[])
          AS later (${placeColumns}, due_at)
        WHERE (w.tenant_id, w.user_id, w.topic, w.partition, w."offset")
          = (later.tenant_id, later.user_id, later.topic, later.partition, later."offset")`;
    },

    async removeWaiting(rows: readonly WaitingForUser[]): Promise<void> {
      if (rows.length === 0) return;
      await db.execute`
        DELETE FROM waiting_record WHERE (${placeColumns}) IN (SELECT * FROM unnest(${placesOf(rows)}))`;
    },
  };
}
