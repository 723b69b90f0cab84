import type { Counts, Inbox } from '../../domain/inbox.ts';
import type { NotificationAction } from '../../domain/notification.ts';
import type { UserKey } from '../../domain/user.ts';
import type { Marked, Marking } from '../../ports/store.ts';
import { Prisma } from './generated/client.ts';
import { live } from './live.ts';
import { inInbox } from './notification.ts';
import type { Sql } from './sql.ts';

const unseenAbove = (openedSeq: bigint) => Prisma.sql`(n.seen_at IS NULL AND n.seq > ${openedSeq}::bigint)`;

/** What an action writes, and to which; those that are so already are left alone. */
function effectOf(action: Exclude<NotificationAction, 'UNSNOOZE'>, { openedSeq }: Inbox, now: Date) {
  const at = Prisma.sql`${now}::timestamptz`;
  const seen = Prisma.sql`seen_at = coalesce(n.seen_at, ${at})`;
  switch (action) {
    case 'SEEN':
      return { set: seen, where: unseenAbove(openedSeq) };
    case 'READ':
      return { set: Prisma.sql`read_at = ${at}, ${seen}`, where: Prisma.sql`n.read_at IS NULL` };
    case 'UNREAD':
      return { set: Prisma.sql`read_at = NULL`, where: Prisma.sql`n.read_at IS NOT NULL` };
    case 'ARCHIVE':
      return {
        set: Prisma.sql`archived_at = ${at}, snoozed_until = NULL, due_at = n.expires_at, ${seen}`,
        where: Prisma.sql`n.archived_at IS NULL`,
      };
    case 'UNARCHIVE':
      return { set: Prisma.sql`archived_at = NULL`, where: Prisma.sql`n.archived_at IS NOT NULL` };
    default:
      return action satisfies never;
  }
}

/** What users do to many of their notifications at once, and what then counts. */
export function createMarkingQueries(sql: Sql) {
  return {
    async markNotifications(inbox: Inbox, marking: Marking, now: Date): Promise<Marked> {
      const { action, which, upToSeq, maxIds } = marking;
      const named = Prisma.sql`
        ${inInbox(inbox, 'filter' in which ? which.filter : {})} AND n.seq <= ${upToSeq}
        ${'ids' in which ? Prisma.sql`AND n.id = ANY(${which.ids}::uuid[])` : Prisma.empty}`;
      const { tenantId, lastSeq } = inbox;
      if (action === 'UNSNOOZE') {
        return markedOf(
          await sql.query<Marked>`
            WITH named AS (
              SELECT n.id, ${lastSeq}::bigint + row_number() OVER (ORDER BY n.seq) AS seq
              FROM notification AS n WHERE ${named} AND n.snoozed_until IS NOT NULL
            ), marked AS (
              UPDATE notification AS n SET seq = named.seq, delivered_at = ${now}::timestamptz, snoozed_until = NULL,
                seen_at = NULL, read_at = NULL, due_at = n.expires_at
              FROM named WHERE n.tenant_id = ${tenantId} AND n.id = named.id RETURNING n.id
            )
            SELECT count(*)::int AS count, coalesce((array_agg(id))[1:${maxIds}::int], '{}') AS ids FROM marked`,
        );
      }
      const { set, where } = effectOf(action, inbox, now);
      return markedOf(
        await sql.query<Marked>`
          WITH marked AS (UPDATE notification AS n SET ${set} WHERE ${named} AND ${where} RETURNING n.id)
          SELECT count(*)::int AS count, coalesce((array_agg(id))[1:${maxIds}::int], '{}') AS ids FROM marked`,
      );
    },

    async countUnseen({ tenantId, userId }: UserKey, openedSeq: bigint): Promise<number> {
      const rows = await sql.query<{ readonly count: number }>`
        SELECT count(*)::int AS count FROM notification AS n
        WHERE n.tenant_id = ${tenantId} AND n.user_id = ${userId} AND ${live} AND ${unseenAbove(openedSeq)}`;
      return rows[0]?.count ?? 0;
    },

    async countInbox({ tenantId, userId }: UserKey, openedSeq: bigint): Promise<Counts> {
      const rows = await sql.query<Counts>`
        SELECT count(*) FILTER (WHERE ${unseenAbove(openedSeq)})::int AS unseen,
          count(*) FILTER (WHERE n.read_at IS NULL)::int AS unread
        FROM notification AS n WHERE n.tenant_id = ${tenantId} AND n.user_id = ${userId} AND ${live}`;
      return rows[0] as Counts;
    },

    async countInboxes(inboxes: readonly Inbox[]): Promise<readonly Counts[]> {
      if (inboxes.length === 0) return [];
      return sql.query<Counts>`
        SELECT counted.* FROM unnest(${inboxes.map(({ tenantId }) => tenantId)}::text[],
          ${inboxes.map(({ userId }) => userId)}::text[], ${inboxes.map(({ openedSeq }) => String(openedSeq))}::bigint[])
          WITH ORDINALITY AS inbox (tenant_id, user_id, opened_seq, place)
        CROSS JOIN LATERAL (
          SELECT count(*) FILTER (WHERE n.seen_at IS NULL AND n.seq > inbox.opened_seq)::int AS unseen,
            count(*) FILTER (WHERE n.read_at IS NULL)::int AS unread
          FROM notification AS n WHERE n.tenant_id = inbox.tenant_id AND n.user_id = inbox.user_id AND ${live}
        ) AS counted ORDER BY place`;
    },

    async countByCategory({
      tenantId,
      userId,
    }: UserKey): Promise<readonly (Counts & { readonly category: string })[]> {
      return sql.query`
        SELECT n.category, count(*) FILTER (WHERE n.seen_at IS NULL AND n.seq > inbox.opened_seq)::int AS unseen,
          count(*) FILTER (WHERE n.read_at IS NULL)::int AS unread
        FROM notification AS n JOIN inbox USING (tenant_id, user_id)
        WHERE n.tenant_id = ${tenantId} AND n.user_id = ${userId} AND ${live}
        GROUP BY n.category
        HAVING bool_or(n.read_at IS NULL OR (n.seen_at IS NULL AND n.seq > inbox.opened_seq))
        ORDER BY n.category`;
    },

    async arrivedIds({ tenantId, userId }: UserKey, ids: readonly string[]): Promise<readonly string[]> {
      const rows = await sql.query<{ readonly id: string }>`
        SELECT n.id FROM notification AS n WHERE ${inInbox({ tenantId, userId }, {})} AND n.id = ANY(${ids}::uuid[])`;
      return rows.map(({ id }) => id);
    },
  };
}

function markedOf([marked]: readonly Marked[]): Marked {
  return marked as Marked;
}
