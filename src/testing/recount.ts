import type { TestStorage } from './storage.ts';

/**
 * Returns the inboxes whose counters differ from a count of the rows, or whose `last_seq` is not the highest
 * `seq` of the rows. A row is unseen if its `seq` is above `opened_seq` and its `seen_at` is null.
 */
export async function drift(query: TestStorage['query']): Promise<readonly { readonly user_id: string }[]> {
  return query(`
    SELECT inbox.user_id, inbox.unseen, inbox.unread, inbox.last_seq, counted.*
    FROM inbox CROSS JOIN LATERAL (
      SELECT count(*) FILTER (WHERE counts AND seen_at IS NULL AND seq > inbox.opened_seq)::int AS counted_unseen,
        count(*) FILTER (WHERE counts AND read_at IS NULL)::int AS counted_unread, coalesce(max(seq), 0) AS newest
      FROM (
        SELECT *, status = 'DELIVERED' AND archived_at IS NULL AND snoozed_until IS NULL AS counts FROM notification
        WHERE tenant_id = inbox.tenant_id AND user_id = inbox.user_id
      ) AS n
    ) AS counted
    WHERE (unseen, unread, last_seq) IS DISTINCT FROM (counted_unseen, counted_unread, newest)`);
}

/**
 * Returns the buckets of the metrics, with their types and members, that differ from a count of the raw rows.
 * A bucket differs if it is missing, if it has no raw rows, or if its number is wrong.
 */
export function metricsDrift(query: TestStorage['query']): Promise<readonly object[]> {
  return query(`
    WITH activity AS (
      SELECT tenant_id, user_id, occurred_at, 'page_view' AS activity_type FROM page_view
      UNION ALL SELECT tenant_id, user_id, occurred_at, activity_type FROM user_activity
    ), placed AS (
      SELECT activity.*, granularity, date_trunc(granularity::text, occurred_at, 'UTC') AS bucket_start
      FROM activity, unnest(enum_range(NULL::granularity)) AS granularity
    ), counted AS (
      SELECT tenant_id, granularity, bucket_start, 'users' AS what, count(DISTINCT user_id) AS n FROM placed GROUP BY 1, 2, 3
      UNION ALL SELECT tenant_id, granularity, bucket_start, 'views', count(*) FILTER (WHERE activity_type = 'page_view')
        FROM placed GROUP BY 1, 2, 3
      UNION ALL SELECT tenant_id, granularity, bucket_start, 'type ' || activity_type, count(*)
        FROM placed GROUP BY 1, 2, 3, activity_type
      UNION ALL SELECT DISTINCT tenant_id, granularity, bucket_start, 'member ' || user_id, 1 FROM placed
    ), kept AS (
      SELECT tenant_id, granularity, bucket_start, 'users' AS what, unique_users AS n FROM user_activity_metrics
      UNION ALL SELECT tenant_id, granularity, bucket_start, 'views', page_view_count FROM user_activity_metrics
      UNION ALL SELECT tenant_id, granularity, bucket_start, 'type ' || activity_type, count FROM user_activity_type
      UNION ALL SELECT tenant_id, granularity, bucket_start, 'member ' || user_id, 1 FROM user_activity_member
    )
    SELECT tenant_id, granularity, bucket_start, what, counted.n::int AS recounted, kept.n::int AS kept
    FROM counted FULL JOIN kept USING (tenant_id, granularity, bucket_start, what)
    WHERE counted.n IS DISTINCT FROM kept.n ORDER BY 1, 2, 3, 4`);
}
