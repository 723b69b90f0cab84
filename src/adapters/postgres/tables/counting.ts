import type { Counts, Inbox } from '../../../domain/inbox.ts';
import { type Queryable, sql } from '../sql.ts';
import { isUnreadRow, isUnseenRow } from './countable.ts';
import { columns } from './user.ts';

/** The maximum number of notifications of one user that a statement reads. */
export const rowsPerStatement = 5_000;

/** The maximum number of notifications of all users together that a statement counts. */
const maxCounted = 50_000;

/** An inbox, and the seq after which its notifications are counted. 0 counts all notifications. */
export interface Counting extends Pick<Inbox, 'tenantId' | 'userId' | 'openedSeq'> {
  readonly afterSeq: bigint;
}

interface Window extends Counts {
  readonly rows: number;
  readonly upToSeq: bigint | null;
}

/**
 * Counts the unseen and unread notifications of inboxes, and returns the counts in the order of the inboxes.
 * A large inbox needs several statements. So the counts of an inbox are consistent only if the inbox is
 * locked, or if all statements use one snapshot.
 */
export async function countRows(db: Queryable, inboxes: readonly Counting[]): Promise<readonly Counts[]> {
  const counts = inboxes.map((): Counts => ({ unseen: 0, unread: 0 }));
  let open = inboxes.map((inbox, place) => ({ ...inbox, place }));
  while (open.length > 0) {
    const limit = Math.min(rowsPerStatement, Math.ceil(maxCounted / open.length));
    const windows = await countNext(db, open, limit);
    open = open.flatMap((inbox, n) => {
      const { unseen, unread, rows, upToSeq } = windows[n] as Window;
      const before = counts[inbox.place] as Counts;
      counts[inbox.place] = { unseen: before.unseen + unseen, unread: before.unread + unread };
      return rows < limit || upToSeq === null ? [] : [{ ...inbox, afterSeq: upToSeq }];
    });
  }
  return counts;
}

function countNext(db: Queryable, inboxes: readonly Counting[], limit: number): Promise<readonly Window[]> {
  const [tenantIds, userIds] = columns(inboxes);
  return db.query<Window>`
    SELECT counted.* FROM unnest(${tenantIds}::text[], ${userIds}::text[],
      ${inboxes.map(({ openedSeq }) => String(openedSeq))}::bigint[],
      ${inboxes.map(({ afterSeq }) => String(afterSeq))}::bigint[]
    ) WITH ORDINALITY AS inbox (tenant_id, user_id, opened_seq, after_seq, place)
    CROSS JOIN LATERAL (
      SELECT count(*)::int AS rows, max(n.seq) AS "upToSeq",
        count(*) FILTER (WHERE ${isUnseenRow(sql`inbox.opened_seq`)})::int AS unseen,
        count(*) FILTER (WHERE ${isUnreadRow})::int AS unread
      FROM (
        SELECT * FROM notification AS n
        WHERE n.tenant_id = inbox.tenant_id AND n.user_id = inbox.user_id AND n.seq > inbox.after_seq
        ORDER BY n.seq LIMIT ${limit}
      ) AS n
    ) AS counted ORDER BY place`;
}
