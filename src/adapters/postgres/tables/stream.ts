import { type InboxChange, maxIdsOfChange } from '../../../domain/inbox.ts';
import type { Notification } from '../../../domain/notification.ts';
import type { Stretch } from '../../../ports/store/inboxes.ts';
import { type Queryable, sql } from '../sql.ts';
import { selected } from './notification.ts';
import { columns } from './user.ts';

/** The requested ranges of inboxes, numbered from 1. */
const stretchesOf = (stretches: readonly Stretch[]) => {
  const [tenantIds, userIds] = columns(stretches);
  return sql`
    unnest(${tenantIds}::text[], ${userIds}::text[], ${stretches.map(({ after }) => String(after))}::bigint[],
      ${stretches.map(({ upTo }) => String(upTo))}::bigint[])
    WITH ORDINALITY AS wanted (tenant_id, user_id, after, up_to, number)`;
};

interface Numbered {
  readonly number: bigint;
}

/** Groups rows by the number of their range. The order of the rows does not change. */
function byStretch<Row>(
  stretches: readonly Stretch[],
  rows: readonly (Row & Numbered)[],
): readonly (readonly Row[])[] {
  const found = stretches.map((): Row[] => []);
  for (const { number, ...row } of rows) found[Number(number) - 1]?.push(row as Row);
  return found;
}

/** Creates the reads of arrivals and changes that follow a given seq or change in an inbox. */
export function createStreamReads(db: Queryable) {
  return {
    async arrivals(
      stretches: readonly Stretch[],
      first: number,
    ): Promise<readonly (readonly Notification[])[]> {
      const rows = await db.query<Notification & Numbered>`
        SELECT wanted.number, ${selected}
        FROM ${stretchesOf(stretches)} CROSS JOIN LATERAL (
          SELECT * FROM notification
          WHERE tenant_id = wanted.tenant_id AND user_id = wanted.user_id AND status = 'DELIVERED'
            AND seq > wanted.after AND seq <= wanted.up_to
          ORDER BY seq LIMIT ${first}
        ) AS n ORDER BY wanted.number, n.seq`;
      return byStretch(stretches, rows);
    },

    async changes(
      stretches: readonly Stretch[],
      first: number,
    ): Promise<readonly (readonly InboxChange[])[]> {
      type Row = Omit<InboxChange, 'stretch'> &
        Numbered & { readonly from: bigint | null; readonly to: bigint | null };
      // `named` is the number of ids in the earlier changes of the page. A page ends when this number reaches
      // the maximum. An opening stores no ids. Its ids are the notifications of its range that were unseen
      // before the opening and have not arrived again since.
      const rows = await db.query<Row>`
        SELECT wanted.number, c.tenant_id AS "tenantId", c.user_id AS "userId", c.change_seq AS "changeSeq",
          c.last_seq AS "lastSeq", c.action, c.from_seq AS "from", c.to_seq AS "to", c.changed_at AS "changedAt",
          CASE WHEN c.to_seq - c.from_seq <= ${maxIdsOfChange} THEN ARRAY(
            SELECT n.id FROM notification AS n
            WHERE n.tenant_id = c.tenant_id AND n.user_id = c.user_id AND n.status = 'DELIVERED'
              AND n.seq > c.from_seq AND n.seq <= c.to_seq AND (n.seen_at IS NULL OR n.seen_at >= c.changed_at)
            ORDER BY n.seq
          ) ELSE c.ids END AS ids
        FROM ${stretchesOf(stretches)} CROSS JOIN LATERAL (
          SELECT *, sum(cardinality(ids) + coalesce(to_seq - from_seq, 0)) OVER (
            ORDER BY change_seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS named
          FROM inbox_change
          WHERE tenant_id = wanted.tenant_id AND user_id = wanted.user_id
            AND change_seq > wanted.after AND change_seq <= wanted.up_to
          ORDER BY change_seq LIMIT ${first}
        ) AS c WHERE coalesce(c.named, 0) < ${maxIdsOfChange} ORDER BY wanted.number, c.change_seq`;
      return byStretch(stretches, rows).map((changes) =>
        changes.map(({ from, to, ...change }) => ({
          ...change,
          stretch: from === null || to === null ? null : { from, to },
        })),
      );
    },
  };
}
