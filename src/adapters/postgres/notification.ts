import type { Notification } from '../../domain/notification.ts';
import type { UserKey } from '../../domain/user.ts';
import { Prisma, type PrismaClient } from './generated/client.ts';
import type { Sql } from './sql.ts';
import { columns, keyOf } from './user.ts';

const selected = Prisma.sql`
  n.tenant_id AS "tenantId", n.user_id AS "userId", n.id, n.seq, n.status::text AS status, n.category,
  n.severity::text AS severity, n.title, n.body, n.data, n.action_url AS "actionUrl", n.subject_id AS "subjectId",
  n.created_at AS "createdAt", n.delivered_at AS "deliveredAt", n.suppressed_reason AS "suppressedReason",
  (SELECT o.opened_at FROM inbox_opening AS o
   WHERE o.tenant_id = n.tenant_id AND o.user_id = n.user_id AND o.up_to_seq >= n.seq
   ORDER BY o.up_to_seq LIMIT 1) AS "seenAt"`;

export function createNotificationQueries(sql: Sql) {
  return {
    async addNotifications(rows: readonly Notification[]): Promise<void> {
      if (rows.length === 0) return;
      const [tenantIds, userIds] = columns(rows);
      await sql.execute`
        INSERT INTO notification (tenant_id, user_id, id, seq, status, category, severity, title, body, data,
          action_url, subject_id, created_at, delivered_at, suppressed_reason)
        SELECT * FROM unnest(
          ${tenantIds}::text[], ${userIds}::text[], ${rows.map((row) => row.id)}::uuid[],
          ${rows.map((row) => row.seq?.toString() ?? null)}::bigint[],
          ${rows.map((row) => row.status)}::notification_status[], ${rows.map((row) => row.category)}::text[],
          ${rows.map((row) => row.severity)}::severity[], ${rows.map((row) => row.title)}::text[],
          ${rows.map((row) => row.body)}::text[],
          ${rows.map((row) => (row.data === null ? null : JSON.stringify(row.data)))}::jsonb[],
          ${rows.map((row) => row.actionUrl)}::text[], ${rows.map((row) => row.subjectId)}::text[],
          ${rows.map((row) => row.createdAt.toISOString())}::timestamptz[],
          ${rows.map((row) => row.deliveredAt?.toISOString() ?? null)}::timestamptz[],
          ${rows.map((row) => row.suppressedReason)}::text[])`;
    },

    async countUnseen({ tenantId, userId }: UserKey, openedSeq: bigint): Promise<number> {
      const rows = await sql.query<{ count: number }>`
        SELECT count(*)::int AS count FROM notification
        WHERE tenant_id = ${tenantId} AND user_id = ${userId} AND seq > ${openedSeq}`;
      return rows[0]?.count ?? 0;
    },

    async notifications(
      { tenantId, userId }: UserKey,
      { first, before }: { readonly first: number; readonly before?: bigint },
    ): Promise<readonly Notification[]> {
      const place = before === undefined ? Prisma.empty : Prisma.sql`AND n.seq < ${before}`;
      return sql.query<Notification>`
        SELECT ${selected} FROM notification AS n
        WHERE n.tenant_id = ${tenantId} AND n.user_id = ${userId} AND n.seq IS NOT NULL ${place}
        ORDER BY n.seq DESC LIMIT ${first}`;
    },

    async notification(tenantId: string, id: string): Promise<Notification | undefined> {
      const rows = await sql.query<Notification>`
        SELECT ${selected} FROM notification AS n WHERE n.tenant_id = ${tenantId} AND n.id = ${id}::uuid`;
      return rows[0];
    },
  };
}

export function createNotificationLookups({ notification: table }: Pick<PrismaClient, 'notification'>) {
  return {
    countNotifications: (user: UserKey): Promise<number> =>
      table.count({ where: { ...keyOf(user), seq: { not: null } } }),
  };
}
