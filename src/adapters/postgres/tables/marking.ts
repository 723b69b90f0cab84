import type { Counts, Inbox } from '../../../domain/inbox.ts';
import type { NotificationAction } from '../../../domain/notification.ts';
import type { UserKey } from '../../../domain/user.ts';
import type { Marked, Marking } from '../../../ports/store/notifications.ts';
import { type Queryable, sql } from '../sql.ts';
import { isCountableRow, isUnreadRow, isUnseenRow } from './countable.ts';
import { countRows, rowsPerStatement } from './counting.ts';
import { inInbox } from './notification.ts';

/**
 * Returns the columns that an action sets in a notification `n`, and a condition for the notifications that
 * the action changes.
 */
function effectOf(action: NotificationAction, { openedSeq, lastSeq }: Inbox, now: Date) {
  const at = sql`${now}::timestamptz`;
  const seen = sql`seen_at = coalesce(n.seen_at, ${at})`;
  switch (action) {
    case 'SEEN':
      return { set: seen, where: sql`n.seen_at IS NULL AND n.seq > ${openedSeq}::bigint` };
    case 'READ':
      return { set: sql`read_at = ${at}, ${seen}`, where: sql`n.read_at IS NULL` };
    case 'UNREAD':
      return { set: sql`read_at = NULL`, where: sql`n.read_at IS NOT NULL` };
    case 'ARCHIVE':
      return {
        set: sql`archived_at = ${at}, snoozed_until = NULL, due_at = n.expires_at, ${seen}`,
        where: sql`n.archived_at IS NULL`,
      };
    case 'UNARCHIVE':
      return { set: sql`archived_at = NULL`, where: sql`n.archived_at IS NOT NULL` };
    case 'UNSNOOZE':
      return {
        set: sql`seq = ${lastSeq}::bigint + named.place, delivered_at = ${at}, snoozed_until = NULL, seen_at = NULL,
          read_at = NULL, due_at = n.expires_at`,
        where: sql`n.snoozed_until IS NOT NULL`,
      };
    default:
      return action satisfies never;
  }
}

interface Named {
  readonly id: string;
  readonly isUnseen: boolean;
  readonly isUnread: boolean;
}

/**
 * Selects notifications by their primary key. OFFSET 0 prevents the planner from using the index by seq
 * instead. With that index it would read the whole inbox, because it expects less than one row per range of
 * seqs.
 */
const byIds = (tenantId: string, ids: readonly string[]) => sql`(
  SELECT * FROM notification WHERE tenant_id = ${tenantId} AND id = ANY(${ids}::uuid[]) OFFSET 0)`;

/** Creates the writes that change many notifications at once and count the result. */
export function createMarkingWrites(db: Queryable) {
  return {
    async markNotifications(inbox: Inbox, marking: Marking, now: Date): Promise<Marked> {
      const { action, which, afterSeq, upToSeq } = marking;
      const { set, where } = effectOf(action, inbox, now);
      const [isUnseen, isUnread] = [isUnseenRow(inbox.openedSeq), isUnreadRow];
      const named = await db.query<Named>`
        SELECT n.id, ${isUnseen} AS "isUnseen", ${isUnread} AS "isUnread"
        FROM ${'ids' in which ? byIds(inbox.tenantId, which.ids) : sql`notification`} AS n
        WHERE ${inInbox(inbox, 'filter' in which ? which.filter : {})}
          AND n.seq > ${afterSeq} AND n.seq <= ${upToSeq} AND ${where}
        ORDER BY n.seq`;
      const ids = named.map(({ id }) => id);
      if (ids.length === 0) return { ids, delta: { unseen: 0, unread: 0 } };
      // The ids are passed as parameters. If the statement joined the rows of a query instead, the planner
      // might read the whole table.
      const [after] = await db.query<Counts>`
        WITH marked AS (
          UPDATE notification AS n SET ${set} FROM unnest(${ids}::uuid[]) WITH ORDINALITY AS named (id, place)
          WHERE n.tenant_id = ${inbox.tenantId} AND n.id = named.id RETURNING ${isUnseen} AS unseen, ${isUnread} AS unread
        )
        SELECT count(*) FILTER (WHERE unseen)::int AS unseen, count(*) FILTER (WHERE unread)::int AS unread FROM marked`;
      const { unseen, unread } = after as Counts;
      return {
        ids,
        delta: {
          unseen: unseen - named.filter((one) => one.isUnseen).length,
          unread: unread - named.filter((one) => one.isUnread).length,
        },
      };
    },

    async endOfStep({ tenantId, userId }: UserKey, afterSeq: bigint): Promise<bigint | undefined> {
      const rows = await db.query<{ readonly seq: bigint }>`
        SELECT seq FROM notification WHERE tenant_id = ${tenantId} AND user_id = ${userId} AND seq > ${afterSeq}
        ORDER BY seq OFFSET ${rowsPerStatement - 1}::int LIMIT 1`;
      return rows[0]?.seq;
    },

    async countUnseen(key: UserKey, openedSeq: bigint): Promise<number> {
      const [counts] = await countRows(db, [{ ...key, openedSeq, afterSeq: openedSeq }]);
      return (counts as Counts).unseen;
    },

    async arrivedIds({ tenantId, userId }: UserKey, ids: readonly string[]): Promise<readonly string[]> {
      const rows = await db.query<{ readonly id: string }>`
        SELECT n.id FROM ${byIds(tenantId, ids)} AS n WHERE ${inInbox({ tenantId, userId }, {})}`;
      return rows.map(({ id }) => id);
    },
  };
}

export function createCategoryReads(db: Queryable) {
  return {
    async countByCategory({
      tenantId,
      userId,
    }: UserKey): Promise<readonly (Counts & { readonly category: string })[]> {
      return db.query`
        SELECT n.category, count(*) FILTER (WHERE n.seen_at IS NULL AND n.seq > inbox.opened_seq)::int AS unseen,
          count(*) FILTER (WHERE n.read_at IS NULL)::int AS unread
        FROM notification AS n JOIN inbox USING (tenant_id, user_id)
        WHERE n.tenant_id = ${tenantId} AND n.user_id = ${userId} AND ${isCountableRow}
        GROUP BY n.category
        HAVING bool_or(n.read_at IS NULL OR (n.seen_at IS NULL AND n.seq > inbox.opened_seq))
        ORDER BY n.category`;
    },
  };
}
