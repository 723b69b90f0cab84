import { maxReadByVisit } from '../../../domain/inbox-batch.ts';
import { dueAtOf, type Notification, type NotificationFilter } from '../../../domain/notification.ts';
import type { UserKey } from '../../../domain/user.ts';
import type { Visit } from '../../../ports/store/notifications.ts';
import { type Fragment, type Queryable, sparse, sql } from '../sql.ts';
import { isCountableRow, isUnreadRow } from './countable.ts';
import { columns } from './user.ts';

/** The time at which a notification was first seen: either it was marked itself, or an opening covered it. */
const seenAt = sql`
  least(n.seen_at, (
    SELECT o.opened_at FROM inbox_opening AS o
    WHERE o.tenant_id = n.tenant_id AND o.user_id = n.user_id AND o.up_to_seq >= n.seq ORDER BY o.up_to_seq LIMIT 1))`;

/** The columns that a read returns for a notification `n`. */
export const selected = sql`
  n.tenant_id AS "tenantId", n.user_id AS "userId", n.id, n.seq, n.status::text AS status, n.category,
  n.severity::text AS severity, n.title, n.body, n.data, n.action_url AS "actionUrl", n.subject_id AS "subjectId",
  n.created_at AS "createdAt", n.delivered_at AS "deliveredAt", n.read_at AS "readAt", n.archived_at AS "archivedAt",
  n.snoozed_until AS "snoozedUntil", n.scheduled_for AS "scheduledFor", n.expires_at AS "expiresAt",
  n.group_key AS "groupKey", n.group_count AS "groupCount", n.suppressed_reason AS "suppressedReason",
  ${seenAt} AS "seenAt"`;

const iso = (at: Date | null) => at?.toISOString() ?? null;

/** Returns all columns except the user, for `unnest`. */
const statesOf = (rows: readonly Notification[]) => {
  const at = (moment: (row: Notification) => Date | null) =>
    sql`${sparse(rows, (row) => iso(moment(row)))}::timestamptz[]`;
  const text = (column: (row: Notification) => string | null) => sql`${sparse(rows, column)}::text[]`;
  return sql`
    ${rows.map((row) => row.id)}::uuid[], ${sparse(rows, (row) => row.seq?.toString() ?? null)}::bigint[],
    ${rows.map((row) => row.status)}::notification_status[], ${text((row) => row.category)},
    ${rows.map((row) => row.severity)}::severity[], ${text((row) => row.title)}, ${text((row) => row.body)},
    ${sparse(rows, (row) => row.data && JSON.stringify(row.data))}::jsonb[],
    ${text((row) => row.actionUrl)}, ${text((row) => row.subjectId)},
    ${at((row) => row.createdAt)}, ${at((row) => row.deliveredAt)}, ${at((row) => row.seenAt)},
    ${at((row) => row.readAt)}, ${at((row) => row.archivedAt)}, ${at((row) => row.snoozedUntil)},
    ${at((row) => row.scheduledFor)}, ${at((row) => row.expiresAt)}, ${at(dueAtOf)},
    ${text((row) => row.groupKey)}, ${rows.map((row) => row.groupCount)}::int[],
    ${text((row) => row.suppressedReason)}`;
};

const stateColumns = [
  ...[
    'id',
    'seq',
    'status',
    'category',
    'severity',
    'title',
    'body',
    'data',
    'action_url',
    'subject_id',
    'created_at',
  ],
  ...[
    'delivered_at',
    'seen_at',
    'read_at',
    'archived_at',
    'snoozed_until',
    'scheduled_for',
    'expires_at',
    'due_at',
  ],
  ...['group_key', 'group_count', 'suppressed_reason'],
];
const states = sql.raw(stateColumns.join(', '));
const writes = sql.raw(stateColumns.map((column) => `${column} = new.${column}`).join(', '));

/** Whether a delivered notification was seen. */
const isSeen = sql`
  (n.seen_at IS NOT NULL OR n.seq <= (
    SELECT opened_seq FROM inbox WHERE inbox.tenant_id = n.tenant_id AND inbox.user_id = n.user_id))`;

const is = (condition: Fragment, wanted: boolean | undefined) =>
  wanted === undefined ? sql.empty : sql`AND ${condition} = ${wanted}::boolean`;

/** A condition for the delivered notifications `n` of a user that match the filter. */
export const inInbox = ({ tenantId, userId }: UserKey, filter: NotificationFilter): Fragment => sql`
  n.tenant_id = ${tenantId} AND n.user_id = ${userId} AND n.seq IS NOT NULL AND n.status = 'DELIVERED'
  ${is(isSeen, filter.seen)}
  ${is(sql`(n.read_at IS NOT NULL)`, filter.read)}
  ${is(sql`(n.archived_at IS NOT NULL)`, filter.archived)}
  ${is(sql`(n.snoozed_until IS NOT NULL)`, filter.snoozed)}
  ${filter.categories === undefined ? sql.empty : sql`AND n.category = ANY(${filter.categories}::text[])`}
  ${filter.subjectId === undefined ? sql.empty : sql`AND n.subject_id = ${filter.subjectId}`}
  ${filter.createdFrom === undefined ? sql.empty : sql`AND n.created_at >= ${filter.createdFrom}::timestamptz`}
  ${filter.createdTo === undefined ? sql.empty : sql`AND n.created_at < ${filter.createdTo}::timestamptz`}`;

/**
 * Whether a notification `n` is scheduled and has not arrived. The partial index repeats this condition
 * literally.
 */
const isScheduled = sql`n.scheduled_for IS NOT NULL AND n.seq IS NULL AND n.status = 'SCHEDULED'`;

const visitColumns = (visits: readonly Visit[]) => {
  const [tenantIds, userIds] = columns(visits);
  return sql`${tenantIds}::text[], ${userIds}::text[], ${visits.map((visit) => visit.subjectId)}::text[]`;
};

/** The seq of the newest unread notification about the subject of a `visit`. */
const newestAbout = (below: Fragment) => sql`(
  SELECT max(n.seq) FROM notification AS n
  WHERE (n.tenant_id, n.user_id, n.subject_id) = (visit.tenant_id, visit.user_id, visit.subject_id)
    AND ${isUnreadRow} ${below})`;

/**
 * Whether a notification `n` counts as unseen if its seq is above the watermark, like `isUnseen` in
 * `domain/inbox.ts`. The index of groups contains only such notifications.
 */
const isOpenRow = sql`${isCountableRow} AND n.seen_at IS NULL`;

export function createNotificationReads(db: Queryable) {
  return {
    async notifications(
      key: UserKey,
      { first, before, ...filter }: NotificationFilter & { readonly first: number; readonly before?: bigint },
    ): Promise<readonly Notification[]> {
      const place = before === undefined ? sql.empty : sql`AND n.seq < ${before}`;
      return db.query<Notification>`
        SELECT ${selected} FROM notification AS n WHERE ${inInbox(key, filter)} ${place}
        ORDER BY n.seq DESC LIMIT ${first}`;
    },

    async countNotifications(key: UserKey, filter: NotificationFilter): Promise<number> {
      const rows = await db.query<{ readonly count: number }>`
        SELECT count(*)::int AS count FROM notification AS n WHERE ${inInbox(key, filter)}`;
      return rows[0]?.count ?? 0;
    },

    async scheduled(
      { tenantId, userId }: UserKey,
      {
        first,
        after,
      }: { readonly first: number; readonly after?: { readonly scheduledFor: Date; readonly id: string } },
    ): Promise<readonly Notification[]> {
      const place = after
        ? sql`AND (n.scheduled_for, n.id) > (${after.scheduledFor}::timestamptz, ${after.id}::uuid)`
        : sql.empty;
      return db.query<Notification>`
        SELECT ${selected} FROM notification AS n
        WHERE n.tenant_id = ${tenantId} AND n.user_id = ${userId} AND ${isScheduled} ${place}
        ORDER BY n.scheduled_for, n.id LIMIT ${first}`;
    },

    async countScheduled({ tenantId, userId }: UserKey): Promise<number> {
      const rows = await db.query<{ readonly count: number }>`
        SELECT count(*)::int AS count FROM notification AS n
        WHERE n.tenant_id = ${tenantId} AND n.user_id = ${userId} AND ${isScheduled}`;
      return rows[0]?.count ?? 0;
    },

    async notification(tenantId: string, id: string): Promise<Notification | undefined> {
      const rows = await db.query<Notification>`
        SELECT ${selected} FROM notification AS n WHERE n.tenant_id = ${tenantId} AND n.id = ${id}::uuid`;
      return rows[0];
    },

    async usersWithUnreadAbout(visits: readonly Visit[]): Promise<readonly UserKey[]> {
      if (visits.length === 0) return [];
      return db.query<UserKey>`
        SELECT DISTINCT visit.tenant_id AS "tenantId", visit.user_id AS "userId"
        FROM unnest(${visitColumns(visits)}) AS visit (tenant_id, user_id, subject_id)
        CROSS JOIN LATERAL (
          SELECT FROM notification AS n
          WHERE (n.tenant_id, n.user_id, n.subject_id) = (visit.tenant_id, visit.user_id, visit.subject_id)
            AND ${isUnreadRow} ORDER BY n.seq DESC LIMIT 1
        ) AS n`;
    },

    async nextDue(): Promise<Date | undefined> {
      const rows = await db.query<{ readonly dueAt: Date | null }>`
        SELECT least(
          (SELECT min(due_at) FROM notification WHERE due_at IS NOT NULL),
          (SELECT min(due_at) FROM user_limit WHERE due_at IS NOT NULL),
          (SELECT min(due_at) FROM waiting_record)) AS "dueAt"`;
      return rows[0]?.dueAt ?? undefined;
    },
  };
}

export function createNotificationWrites(db: Queryable) {
  return {
    async addNotifications(rows: readonly Notification[]): Promise<void> {
      if (rows.length === 0) return;
      const [tenantIds, userIds] = columns(rows);
      await db.execute`
        INSERT INTO notification (tenant_id, user_id, ${states})
        SELECT * FROM unnest(${tenantIds}::text[], ${userIds}::text[], ${statesOf(rows)})`;
    },

    async saveNotifications(rows: readonly Notification[]): Promise<void> {
      if (rows.length === 0) return;
      const [tenantIds, userIds] = columns(rows);
      await db.execute`
        UPDATE notification AS n SET ${writes}
        FROM unnest(${tenantIds}::text[], ${userIds}::text[], ${statesOf(rows)}) AS new (tenant_id, user_id, ${states})
        WHERE n.tenant_id = new.tenant_id AND n.id = new.id`;
    },

    async removeNotifications(rows: readonly Notification[]): Promise<void> {
      if (rows.length === 0) return;
      await db.execute`
        DELETE FROM notification WHERE (tenant_id, id) IN (
          SELECT * FROM unnest(${rows.map((row) => row.tenantId)}::text[], ${rows.map((row) => row.id)}::uuid[]))`;
    },

    /**
     * Takes the `limit` notifications that have been due the longest, and returns those that belong to these
     * users, in the order of the due times. Does not search further for other due notifications of these
     * users.
     */
    async notificationsDue(
      keys: readonly UserKey[],
      now: Date,
      limit: number,
    ): Promise<readonly Notification[]> {
      if (keys.length === 0) return [];
      const [tenantIds, userIds] = columns(keys);
      return db.query<Notification>`
        SELECT ${selected}
        FROM (SELECT * FROM notification WHERE due_at <= ${now}::timestamptz ORDER BY due_at LIMIT ${limit}) AS n
        WHERE (n.tenant_id, n.user_id) IN (SELECT * FROM unnest(${tenantIds}::text[], ${userIds}::text[]))
        ORDER BY n.due_at, n.created_at, n.id`;
    },

    async reachOf({
      groups,
      visits,
      atHand = [],
    }: {
      readonly groups: readonly (UserKey & { readonly groupKey: string })[];
      readonly visits: readonly Visit[];
      readonly atHand?: readonly Notification[];
    }): Promise<readonly Notification[]> {
      if (groups.length === 0 && visits.length === 0) return [];
      const [tenantIds, userIds] = columns(groups);
      // The recursion takes one row at a time from the end of an index, so the number of notifications of a
      // subject or group does not matter. A subquery with only a max() reads just the last entry of the
      // index, whatever the planner estimates.
      return db.query<Notification>`
        WITH RECURSIVE step AS (
          SELECT visit.*, ${newestAbout(sql.empty)} AS seq, count(*) OVER (PARTITION BY tenant_id, user_id) AS taken
          FROM (SELECT DISTINCT * FROM unnest(${visitColumns(visits)})) AS visit (tenant_id, user_id, subject_id)
          UNION ALL
          SELECT tenant_id, user_id, subject_id, ${newestAbout(sql`AND n.seq < visit.seq`)},
            taken + count(*) OVER (PARTITION BY tenant_id, user_id)
          FROM step AS visit WHERE seq IS NOT NULL AND taken < ${maxReadByVisit}
        ), visited AS MATERIALIZED (
          SELECT n.* FROM step JOIN notification AS n USING (tenant_id, user_id, seq)
        ), at_hand AS MATERIALIZED (
          SELECT tenant_id, id FROM visited UNION ALL
          SELECT * FROM unnest(${atHand.map(({ tenantId }) => tenantId)}::text[], ${atHand.map(({ id }) => id)}::uuid[])
        ), newest AS MATERIALIZED (
          SELECT tenant_id, user_id, (
            SELECT max(n.seq) FROM notification AS n
            WHERE (n.tenant_id, n.user_id, n.group_key) = (inbox.tenant_id, inbox.user_id, wanted.group_key)
              AND ${isOpenRow} AND n.seq > inbox.opened_seq AND (n.tenant_id, n.id) NOT IN (SELECT * FROM at_hand)
          ) AS seq
          FROM (SELECT DISTINCT * FROM unnest(
            ${tenantIds}::text[], ${userIds}::text[], ${groups.map((one) => one.groupKey)}::text[])
          ) AS wanted (tenant_id, user_id, group_key) JOIN inbox USING (tenant_id, user_id)
        )
        SELECT ${selected} FROM visited AS n
        UNION ALL
        SELECT ${selected} FROM newest JOIN notification AS n USING (tenant_id, user_id, seq)`;
    },
  };
}
