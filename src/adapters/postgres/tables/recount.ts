import type { MetricsDifference, RecountOptions } from '../../../ports/store/activity.ts';
import type { Queryable } from '../sql.ts';

/**
 * Compares the buckets of a range with a count of the raw rows, and corrects the buckets unless `dryRun` is
 * set.
 * No flush of counts can run at the same time, because this function locks counted_event. Each flush first
 * inserts a row into counted_event for each event it counts, and writes the buckets last.
 * A recent page view without such a row is not counted here, because its event may still be in the log and a
 * flush will count it. Page views that are counted but not stored yet would be missed, so `settled` waits
 * until they are stored.
 */
export async function recountMetrics(
  db: Queryable,
  { from, to, pendingSince, dryRun, settled }: RecountOptions,
): Promise<MetricsDifference> {
  await db.execute`LOCK TABLE counted_event IN EXCLUSIVE MODE`;
  await settled();
  await db.execute`
    CREATE TEMPORARY TABLE recount_member (tenant_id text, granularity granularity, bucket_start timestamptz,
      user_id text, activity_type text, count bigint) ON COMMIT DROP`;
  // This counts per minute, user and type. Hours and days are sums of the minutes.
  await db.execute`
    WITH raw AS (
      SELECT tenant_id, user_id, occurred_at, 'page_view' AS activity_type FROM page_view
      WHERE occurred_at >= ${from}::timestamptz AND occurred_at < ${to}::timestamptz
        AND (received_at < ${pendingSince}::timestamptz OR EXISTS (SELECT FROM counted_event AS mark
          WHERE mark.tenant_id = page_view.tenant_id AND mark.id = page_view.id))
      UNION ALL
      SELECT tenant_id, user_id, occurred_at, activity_type FROM user_activity
      WHERE occurred_at >= ${from}::timestamptz AND occurred_at < ${to}::timestamptz
    ), minute AS (
      SELECT tenant_id, date_trunc('minute', occurred_at, 'UTC') AS start, user_id, activity_type, count(*) AS n
      FROM raw GROUP BY 1, 2, 3, 4
    )
    INSERT INTO recount_member
    SELECT tenant_id, granularity, date_trunc(granularity::text, start, 'UTC'), user_id, activity_type, sum(n)
    FROM minute, unnest(enum_range(NULL::granularity)) AS granularity GROUP BY 1, 2, 3, 4, 5`;
  await db.execute`
    CREATE TEMPORARY TABLE recount_bucket ON COMMIT DROP AS
    SELECT tenant_id, granularity, bucket_start, count(DISTINCT user_id)::int AS unique_users,
      coalesce(sum(count) FILTER (WHERE activity_type = 'page_view'), 0)::bigint AS page_view_count
    FROM recount_member GROUP BY 1, 2, 3`;
  await db.execute`
    CREATE TEMPORARY TABLE recount_type ON COMMIT DROP AS
    SELECT tenant_id, granularity, bucket_start, activity_type, sum(count)::bigint AS count
    FROM recount_member GROUP BY 1, 2, 3, 4`;

  const [buckets] = await db.query<{ n: number; counted: number; kept: number }>`
    SELECT count(*)::int AS n, coalesce(sum(b.page_view_count), 0)::float8 AS counted,
      coalesce(sum(m.page_view_count), 0)::float8 AS kept
    FROM recount_bucket AS b FULL JOIN (
      SELECT * FROM user_activity_metrics WHERE bucket_start >= ${from}::timestamptz AND bucket_start < ${to}::timestamptz
    ) AS m USING (tenant_id, granularity, bucket_start)
    WHERE (coalesce(b.unique_users, 0), coalesce(b.page_view_count, 0))
      <> (coalesce(m.unique_users, 0), coalesce(m.page_view_count, 0))`;
  const [types] = await db.query<{ n: number }>`
    SELECT count(*)::int AS n FROM recount_type AS r FULL JOIN (
      SELECT * FROM user_activity_type WHERE bucket_start >= ${from}::timestamptz AND bucket_start < ${to}::timestamptz
    ) AS t USING (tenant_id, granularity, bucket_start, activity_type)
    WHERE r.count IS DISTINCT FROM t.count`;
  const [members] = await db.query<{ missing: number; surplus: number }>`
    SELECT count(*) FILTER (WHERE m.user_id IS NULL)::int AS missing,
      count(*) FILTER (WHERE r.user_id IS NULL)::int AS surplus
    FROM (SELECT DISTINCT tenant_id, granularity, bucket_start, user_id FROM recount_member) AS r FULL JOIN (
      SELECT * FROM user_activity_member WHERE bucket_start >= ${from}::timestamptz AND bucket_start < ${to}::timestamptz
    ) AS m USING (tenant_id, granularity, bucket_start, user_id)
    WHERE r.user_id IS NULL OR m.user_id IS NULL`;
  const difference: MetricsDifference = {
    buckets: buckets?.n ?? 0,
    pageViewsCounted: buckets?.counted ?? 0,
    pageViewsKept: buckets?.kept ?? 0,
    types: types?.n ?? 0,
    membersMissing: members?.missing ?? 0,
    membersSurplus: members?.surplus ?? 0,
  };
  if (!dryRun) await repair(db, { from, to });
  return difference;
}

async function repair(db: Queryable, { from, to }: Pick<RecountOptions, 'from' | 'to'>): Promise<void> {
  await db.execute`
    DELETE FROM user_activity_member AS m
    WHERE bucket_start >= ${from}::timestamptz AND bucket_start < ${to}::timestamptz AND NOT EXISTS (
      SELECT FROM recount_member AS r WHERE (r.tenant_id, r.granularity, r.bucket_start, r.user_id)
        = (m.tenant_id, m.granularity, m.bucket_start, m.user_id))`;
  await db.execute`
    INSERT INTO user_activity_member SELECT DISTINCT tenant_id, granularity, bucket_start, user_id FROM recount_member
    ON CONFLICT DO NOTHING`;
  await db.execute`
    DELETE FROM user_activity_type AS t
    WHERE bucket_start >= ${from}::timestamptz AND bucket_start < ${to}::timestamptz AND NOT EXISTS (
      SELECT FROM recount_type AS r WHERE (r.tenant_id, r.granularity, r.bucket_start, r.activity_type)
        = (t.tenant_id, t.granularity, t.bucket_start, t.activity_type))`;
  await db.execute`
    INSERT INTO user_activity_type AS kept SELECT * FROM recount_type
    ON CONFLICT (tenant_id, granularity, bucket_start, activity_type) DO UPDATE SET count = excluded.count
    WHERE kept.count <> excluded.count`;
  // An empty bucket is not deleted. Its version grows, so that subscribers learn that the bucket is empty.
  await db.execute`
    UPDATE user_activity_metrics AS m SET unique_users = 0, page_view_count = 0, version = version + 1, updated_at = now()
    WHERE bucket_start >= ${from}::timestamptz AND bucket_start < ${to}::timestamptz
      AND (unique_users <> 0 OR page_view_count <> 0) AND NOT EXISTS (
        SELECT FROM recount_bucket AS r
        WHERE (r.tenant_id, r.granularity, r.bucket_start) = (m.tenant_id, m.granularity, m.bucket_start))`;
  await db.execute`
    INSERT INTO user_activity_metrics AS kept (tenant_id, granularity, bucket_start, unique_users, page_view_count, version,
      updated_at)
    SELECT tenant_id, granularity, bucket_start, unique_users, page_view_count, 1, now() FROM recount_bucket
    ON CONFLICT (tenant_id, granularity, bucket_start) DO UPDATE SET unique_users = excluded.unique_users,
      page_view_count = excluded.page_view_count, version = kept.version + 1, updated_at = excluded.updated_at
    WHERE (kept.unique_users, kept.page_view_count) <> (excluded.unique_users, excluded.page_view_count)`;
}
