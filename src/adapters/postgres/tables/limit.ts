import type { LimitFilter, LimitKey, LimitRecord, UserLimit, ZonedLimit } from '../../../domain/limit.ts';
import type { User, UserKey } from '../../../domain/user.ts';
import type {
  KeptLimitEvent,
  LimitedUser,
  LimitHistoryEntry,
  LimitHistoryPage,
} from '../../../ports/store/limits.ts';
import { type Fragment, type Queryable, sql } from '../sql.ts';
import {
  cells,
  keyColumns,
  limitColumns,
  limitOf,
  limitText,
  names,
  type Owner,
  recordColumns,
  replaced,
  stateText,
} from './limit-row.ts';
import { columns, isOf, selectedOfUser, toUser } from './user.ts';

/** The maximum number of limits that are read per user. */
const maxLimits = 500;

interface LimitRow extends UserKey {
  readonly limit: string;
}

interface HistoryRow extends LimitRecord {
  readonly page: number;
  readonly saidType: LimitRecord['type'] | null;
  readonly saidProgress: string | null;
  readonly saidRaw: string | null;
  readonly definedBy: string | null;
}

/** A position after every event, because no sequence number is this large. */
const behindAll = { sequence: 2n ** 62n, source: '', eventId: '' };

/** Selects the last event of a type that is not later than the event `said`, which states the progress. */
const lastBefore = (type: LimitRecord['type']) => sql`
  SELECT d.raw FROM user_limit_event AS d
  WHERE (d.tenant_id, d.user_id, d.user_limit_id) = (said.tenant_id, said.user_id, said.user_limit_id)
    AND d.type = ${sql.raw(`'${type}'`)}
    AND d.sequence_number <= said.sequence_number
  ORDER BY d.sequence_number DESC, d.source DESC, d.event_id DESC LIMIT 1`;

/** The status at a moment, by the same rule as `statusAt` of the domain. */
const statusAt = (at: Date) => sql`
  CASE WHEN l.status IN ('UNKNOWN', 'CANCELED') THEN l.status
    WHEN l.active_until <= ${at}::timestamptz THEN 'CANCELED'
    WHEN l.status = 'FUTURE' AND l.active_from <= ${at}::timestamptz THEN 'ACTIVE'
    ELSE l.status END`;

const conditionsOf = ({
  userLimitId,
  brandId,
  types,
  periods,
  statuses,
}: LimitFilter): readonly Fragment[] => [
  ...(userLimitId === undefined ? [] : [sql`AND l.user_limit_id = ${userLimitId}`]),
  ...(brandId === undefined ? [] : [sql`AND l.brand_id = ${brandId}`]),
  ...(types === undefined ? [] : [sql`AND l.type = ANY(${types}::text[])`]),
  ...(periods === undefined ? [] : [sql`AND l.period = ANY(${periods}::text[])`]),
  ...(statuses === undefined ? [] : [sql`AND ${statusAt(statuses.at)} = ANY(${statuses.any}::text[])`]),
];

const limitOwners = (
  db: Queryable,
  tenantId: string,
  userLimitId: string,
): Promise<readonly UserKey[]> => db.query<UserKey>`
  SELECT tenant_id AS "tenantId", user_id AS "userId" FROM user_limit
  WHERE tenant_id = ${tenantId} AND user_limit_id = ${userLimitId} LIMIT 2`;

export function createLimitReads(db: Queryable) {
  return {
    async limits(users: readonly UserKey[], filter: LimitFilter = {}): Promise<readonly LimitedUser[]> {
      if (users.length === 0) return [];
      const conditions = sql.join([sql.empty, ...conditionsOf(filter)], ' ');
      const rows = await db.query<User & { readonly limits: string }>`
        SELECT tenant_id AS "tenantId", user_id AS "userId", ${selectedOfUser}, array_to_string(ARRAY(
          SELECT ${stateText} FROM user_limit AS l
          WHERE l.tenant_id = app_user.tenant_id AND l.user_id = app_user.user_id ${conditions}
          ORDER BY l.user_limit_id LIMIT ${maxLimits}), E'\n') AS limits
        FROM app_user WHERE ${isOf(users)} ORDER BY tenant_id, user_id`;
      return rows.map((row) => {
        const limits = row.limits === '' ? [] : row.limits.split('\n');
        return { user: toUser(row), limits: limits.map((limit) => limitOf(limit, row)) };
      });
    },

    async limitKeys({
      first,
      after,
    }: {
      readonly first: number;
      readonly after?: LimitKey;
    }): Promise<readonly LimitKey[]> {
      const place = [after?.tenantId ?? '', after?.userId ?? '', after?.userLimitId ?? ''];
      const page = (table: string) => sql`(
        SELECT DISTINCT tenant_id, user_id, user_limit_id FROM ${sql.raw(table)}
        WHERE (tenant_id, user_id, user_limit_id) > (${sql.join(place)}) ORDER BY 1, 2, 3 LIMIT ${first})`;
      return db.query<LimitKey>`
        SELECT tenant_id AS "tenantId", user_id AS "userId", user_limit_id AS "userLimitId"
        FROM (${page('user_limit')} UNION ${page('user_limit_event')}) AS known ORDER BY 1, 2, 3 LIMIT ${first}`;
    },

    limitOwners: (tenantId: string, userLimitId: string) => limitOwners(db, tenantId, userLimitId),
  };
}

export function createLimitHistoryReads(db: Queryable) {
  return {
    async limitHistories(
      pages: readonly LimitHistoryPage[],
    ): Promise<readonly (readonly LimitHistoryEntry[])[]> {
      if (pages.length === 0) return [];
      const [tenantIds, userIds] = columns(pages);
      const places = pages.map(({ before = behindAll }) => before);
      const rows = await db.query<HistoryRow>`
        SELECT n::int AS page, e.tenant_id AS "tenantId", e.user_id AS "userId", e.user_limit_id AS "userLimitId", e.source,
          e.event_id AS "eventId", e.type, e.sequence_number AS sequence, e.occurred_at AS "occurredAt",
          e.progress_after AS "progressAfter", e.raw, said.type AS "saidType", said.progress_after AS "saidProgress",
          said.raw AS "saidRaw", coalesce(defined.raw, reset.raw) AS "definedBy"
        FROM unnest(
          ${tenantIds}::text[], ${userIds}::text[], ${pages.map((page) => page.userLimitId)}::text[],
          ${pages.map((page) => page.first)}::int[], ${places.map((place) => String(place.sequence))}::bigint[],
          ${places.map((place) => place.source)}::text[], ${places.map((place) => place.eventId)}::text[]
        ) WITH ORDINALITY AS page (tenant_id, user_id, user_limit_id, first, sequence_number, source, event_id, n)
        CROSS JOIN LATERAL (
          SELECT * FROM user_limit_event AS e
          WHERE (e.tenant_id, e.user_id, e.user_limit_id) = (page.tenant_id, page.user_id, page.user_limit_id)
            AND (e.sequence_number, e.source, e.event_id) < (page.sequence_number, page.source, page.event_id)
          ORDER BY e.sequence_number DESC, e.source DESC, e.event_id DESC LIMIT page.first
        ) AS e
        LEFT JOIN LATERAL (
          SELECT * FROM user_limit_event AS s
          WHERE (s.tenant_id, s.user_id, s.user_limit_id) = (e.tenant_id, e.user_id, e.user_limit_id)
            AND (s.sequence_number, s.source, s.event_id) <= (e.sequence_number, e.source, e.event_id)
            AND s.progress_after IS NOT NULL
          ORDER BY s.sequence_number DESC, s.source DESC, s.event_id DESC LIMIT 1
        ) AS said ON true
        LEFT JOIN LATERAL (${lastBefore('USER_LIMIT_CREATED')}) AS defined ON said.type = 'USER_LIMIT_PROGRESS_CHANGED'
        LEFT JOIN LATERAL (${lastBefore('USER_LIMIT_RESET')}) AS reset
          ON said.type = 'USER_LIMIT_PROGRESS_CHANGED' AND defined.raw IS NULL
        ORDER BY n, e.sequence_number DESC, e.source DESC, e.event_id DESC`;
      const histories = pages.map((): LimitHistoryEntry[] => []);
      for (const { page, saidType, saidProgress, saidRaw, ...row } of rows) {
        const said = saidType && saidProgress && saidRaw;
        histories[page - 1]?.push({
          ...row,
          said: said ? { type: saidType, progressAfter: saidProgress, raw: saidRaw } : null,
        });
      }
      return histories;
    },
  };
}

export function createLimitWrites(db: Queryable) {
  return {
    async lockLimitId(tenantId: string, userLimitId: string): Promise<readonly UserKey[]> {
      const lock = JSON.stringify(['user_limit', tenantId, userLimitId]);
      // The lock is a separate statement. So the next statement sees all changes that were committed before
      // the lock was granted.
      await db.execute`SELECT pg_advisory_xact_lock(hashtextextended(${lock}, 0))`;
      return limitOwners(db, tenantId, userLimitId);
    },

    async limits(keys: readonly LimitKey[]): Promise<readonly UserLimit[]> {
      if (keys.length === 0) return [];
      const rows = await db.query<LimitRow>`
        SELECT tenant_id AS "tenantId", user_id AS "userId", ${limitText} AS limit
        FROM user_limit AS l WHERE (tenant_id, user_id, user_limit_id) IN (
          SELECT * FROM unnest(${cells(keyColumns, keys)}))`;
      return rows.map((row) => limitOf(row.limit, row));
    },

    async saveLimits(limits: readonly UserLimit[]): Promise<void> {
      if (limits.length === 0) return;
      await db.execute`
        INSERT INTO user_limit (${names(limitColumns)})
        SELECT * FROM unnest(${cells(limitColumns, limits)})
        ON CONFLICT (tenant_id, user_id, user_limit_id) DO UPDATE SET ${replaced}`;
    },

    async lockLimitsDue(now: Date, limit: number): Promise<readonly ZonedLimit[]> {
      const users = await db.query<UserKey>`
        SELECT tenant_id AS "tenantId", user_id AS "userId" FROM app_user WHERE (tenant_id, user_id) IN (
          SELECT tenant_id, user_id FROM (
            SELECT tenant_id, user_id FROM user_limit WHERE due_at <= ${now}::timestamptz ORDER BY due_at LIMIT ${limit}
          ) AS due)
        ORDER BY tenant_id, user_id FOR UPDATE SKIP LOCKED`;
      if (users.length === 0) return [];
      const [tenantIds, userIds] = columns(users);
      // The limits are read after the users were locked, because the previous holder of a lock may have
      // changed the limits.
      const rows = await db.query<LimitRow & Owner>`
        SELECT l.tenant_id AS "tenantId", l.user_id AS "userId", u.time_zone AS "timeZone", ${limitText} AS limit
        FROM (SELECT * FROM user_limit WHERE due_at <= ${now}::timestamptz ORDER BY due_at LIMIT ${limit}) AS l
        JOIN app_user AS u USING (tenant_id, user_id)
        WHERE (tenant_id, user_id) IN (SELECT * FROM unnest(${tenantIds}::text[], ${userIds}::text[]))
        ORDER BY l.due_at`;
      return rows.map((row) => limitOf(row.limit, row));
    },
  };
}

export function createLimitEventWrites(db: Queryable) {
  return {
    async keptLimitEvents(
      upTo: LimitKey,
      { first, after }: { readonly first: number; readonly after: LimitKey & Partial<KeptLimitEvent> },
    ): Promise<readonly KeptLimitEvent[]> {
      const { tenantId, userId, userLimitId, sequence = -1n, source = '', eventId = '' } = after;
      return db.query<KeptLimitEvent>`
        SELECT tenant_id AS "tenantId", user_id AS "userId", user_limit_id AS "userLimitId",
          sequence_number AS sequence, source, event_id AS "eventId", raw
        FROM user_limit_event
        WHERE (tenant_id, user_id, user_limit_id, sequence_number, source, event_id)
            > (${tenantId}, ${userId}, ${userLimitId}, ${sequence}, ${source}, ${eventId})
          AND (tenant_id, user_id, user_limit_id) <= (${upTo.tenantId}, ${upTo.userId}, ${upTo.userLimitId})
        ORDER BY tenant_id, user_id, user_limit_id, sequence_number, source, event_id LIMIT ${first}`;
    },

    async addLimitEvents(events: readonly LimitRecord[]): Promise<void> {
      if (events.length === 0) return;
      await db.execute`
        INSERT INTO user_limit_event (${names(recordColumns)})
        SELECT * FROM unnest(${cells(recordColumns, events)}) ON CONFLICT DO NOTHING`;
    },
  };
}
