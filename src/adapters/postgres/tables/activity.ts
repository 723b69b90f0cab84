import {
  type Activity,
  type ActivityTypeKey,
  additionsOf,
  type BucketAddition,
  type BucketKey,
  type Granularity,
  maxShownTypes,
  type TypeCount,
  type TypedBucket,
} from '../../../domain/activity.ts';
import { compareText } from '../../../domain/compare.ts';
import { pageViewType } from '../../../events/activity.ts';
import type { MetricsDifference, RecountOptions } from '../../../ports/store/activity.ts';
import { lines, type Queryable, sql } from '../sql.ts';
import { distinctInOrder, freshOf } from './event.ts';
import { recountMetrics } from './recount.ts';

const selected = sql`
  tenant_id AS "tenantId", granularity, bucket_start AS "start", unique_users AS "uniqueUsers",
  page_view_count::float8 AS "pageViewCount", version::float8 AS version, updated_at AS "updatedAt"`;

const compareActivities = (a: Activity, b: Activity) =>
  compareText(a.id, b.id) || compareText(a.tenantId, b.tenantId);

/** The first key of the advisory lock for new activity types ("unst" in ASCII). */
const activityTypeLock = 0x756e7374;

const nameOf = ({ tenantId, id }: Pick<Activity, 'tenantId' | 'id'>) => `${tenantId}/${id}`;

// The separator is a control character, because no name contains one.
const separator = '\u0001';

/** Sorts names. All writers take locks in this order, so they cannot deadlock. */
const inOrder = (names: Iterable<string>) => [...names].sort();

export function createActivityReads(db: Queryable) {
  return {
    async activityBuckets(keys: readonly BucketKey[]): Promise<readonly TypedBucket[]> {
      if (keys.length === 0) return [];
      return db.query<TypedBucket>`
        SELECT ${selected}, (
          SELECT coalesce(json_agg(json_build_object('activityType', activity_type, 'count', count)), '[]') FROM (
            SELECT activity_type, count FROM user_activity_type AS type
            WHERE (type.tenant_id, type.granularity, type.bucket_start)
              = (metrics.tenant_id, metrics.granularity, metrics.bucket_start)
            ORDER BY count DESC, activity_type COLLATE "C" LIMIT ${maxShownTypes}
          ) AS top
        ) AS "byType"
        FROM user_activity_metrics AS metrics WHERE (tenant_id, granularity, bucket_start) IN (
          SELECT * FROM unnest(${keys.map(({ tenantId }) => tenantId)}::text[],
            ${keys.map(({ granularity }) => granularity)}::granularity[],
            ${keys.map(({ start }) => start.toISOString())}::timestamptz[]))`;
    },

    async activityBucketsBetween(
      tenantId: string,
      level: Granularity,
      { from, to, changedSince }: { readonly from: Date; readonly to: Date; readonly changedSince?: Date },
    ) {
      // Times are read as milliseconds. A chart reads a month of hours. Parsing so many dates from text would
      // take longer than the rest of the read.
      const rows = await db.query<{
        start: number;
        uniqueUsers: number;
        pageViewCount: number;
        updatedAt: number;
      }>`
        SELECT ${milliseconds('bucket_start')} AS "start", unique_users AS "uniqueUsers",
          page_view_count::float8 AS "pageViewCount", ${milliseconds('updated_at')} AS "updatedAt"
        FROM user_activity_metrics
        WHERE tenant_id = ${tenantId} AND granularity = ${level}::granularity AND bucket_start >= ${from}::timestamptz
          AND bucket_start < ${to}::timestamptz AND updated_at >= coalesce(${changedSince ?? null}::timestamptz, '-infinity')
        ORDER BY bucket_start`;
      return rows.map(({ start, uniqueUsers, pageViewCount, updatedAt }) => ({
        start: new Date(start),
        uniqueUsers,
        pageViewCount,
        updatedAt: new Date(updatedAt),
      }));
    },

    async distinctUsers(
      tenantId: string,
      level: Granularity,
      bounds: readonly Date[],
    ): Promise<ReadonlyMap<number, number>> {
      const starts = bounds.map((bound) => bound.toISOString());
      const rows = await db.query<{ n: number; users: number }>`
        SELECT width_bucket(bucket_start, ${starts}::timestamptz[]) - 1 AS n, count(DISTINCT user_id)::int AS users
        FROM user_activity_member
        WHERE tenant_id = ${tenantId} AND granularity = ${level}::granularity
          AND bucket_start >= ${bounds.at(0)}::timestamptz AND bucket_start < ${bounds.at(-1)}::timestamptz
        GROUP BY 1`;
      return new Map(rows.map(({ n, users }) => [n, users]));
    },

    async activityTypes(
      tenantId: string,
      level: Granularity,
      bounds: readonly Date[],
      { areCounted }: { readonly areCounted: boolean },
    ): Promise<ReadonlyMap<number, readonly TypeCount[]>> {
      const starts = sql`${bounds.map((bound) => bound.toISOString())}::timestamptz[]`;
      const kept = sql`
        FROM user_activity_type
        WHERE tenant_id = ${tenantId} AND granularity = ${level}::granularity
          AND bucket_start >= ${bounds.at(0)}::timestamptz AND bucket_start < ${bounds.at(-1)}::timestamptz`;
      const counted = areCounted
        ? sql`SELECT bucket_start AS start, activity_type, count ${kept}`
        : sql`
            SELECT (${starts})[width_bucket(bucket_start, ${starts})] AS start, activity_type, sum(count)::bigint AS count
            ${kept} GROUP BY 1, 2`;
      // The types of a bucket are read as one text. Parsing each value separately would take longer than the
      // rest of the read.
      const rows = await db.query<{ start: number; types: string }>`
        SELECT ${milliseconds('start')} AS start, array_to_string((array_agg(activity_type || ${separator} || count
          ORDER BY count DESC, activity_type COLLATE "C"))[:${maxShownTypes}::int], ${separator}) AS types
        FROM (${counted}) AS counted GROUP BY counted.start`;
      return new Map(rows.map(({ start, types }) => [start, toTypeCounts(types.split(separator))]));
    },
  };
}

export function createActivityWrites(db: Queryable) {
  return {
    async claimCounted(activities: readonly Activity[], now: Date): Promise<readonly boolean[]> {
      if (activities.length === 0) return [];
      const distinct = distinctInOrder(activities, compareActivities);
      const column = (name: 'tenantId' | 'id') => lines(distinct, (n) => (activities[n] as Activity)[name]);
      const [row] = await db.query<{ readonly known: readonly number[] | null }>`
        SELECT claim_counted(string_to_array(${column('tenantId')}, E'\\n'), string_to_array(${column('id')}, E'\\n')::uuid[],
          ${now}::timestamptz) AS known`;
      return freshOf(activities, distinct, row?.known);
    },

    async claimActivityTypes(
      types: readonly ActivityTypeKey[],
      max: number,
      now: Date,
    ): Promise<readonly ActivityTypeKey[]> {
      const tenantIds = types.map(({ tenantId }) => tenantId);
      // The lock is a separate statement, so that the next statement sees the activity types that earlier
      // transactions have added.
      await db.execute`SELECT pg_advisory_xact_lock(${activityTypeLock}, 0)`;
      await db.execute`
        WITH wanted AS (
          SELECT * FROM unnest(${tenantIds}::text[], ${types.map(({ activityType }) => activityType)}::text[])
            WITH ORDINALITY AS wanted (tenant_id, activity_type, n)
        ), known AS (
          SELECT tenant_id, count(*) AS types FROM activity_type WHERE tenant_id IN (SELECT tenant_id FROM wanted) GROUP BY 1
        ), fresh AS (
          SELECT tenant_id, activity_type, coalesce(types, 0) + row_number() OVER (PARTITION BY tenant_id ORDER BY n) AS place
          FROM wanted LEFT JOIN known USING (tenant_id)
          WHERE (tenant_id, activity_type) NOT IN (SELECT tenant_id, activity_type FROM activity_type
            WHERE tenant_id IN (SELECT tenant_id FROM wanted))
        )
        INSERT INTO activity_type (tenant_id, activity_type, first_seen_at)
        SELECT tenant_id, activity_type, ${now}::timestamptz FROM fresh WHERE place <= ${max}::int`;
      return db.query<ActivityTypeKey>`
        SELECT tenant_id AS "tenantId", activity_type AS "activityType" FROM activity_type
        WHERE tenant_id = ANY(${tenantIds}::text[])`;
    },

    async keepActivity(activities: readonly Activity[]): Promise<readonly Activity[]> {
      const isView = ({ activityType }: Activity) => activityType === pageViewType;
      const others = activities.filter((activity) => !isView(activity));
      if (others.length === 0) return activities;
      const rows = await db.query<Pick<Activity, 'tenantId' | 'id'>>`
        INSERT INTO user_activity (tenant_id, user_id, occurred_at, id, activity_type)
        SELECT * FROM unnest(${others.map(({ tenantId }) => tenantId)}::text[], ${others.map(({ userId }) => userId)}::text[],
          ${others.map(({ occurredAt }) => occurredAt.toISOString())}::timestamptz[],
          ${others.map(({ id }) => id)}::uuid[], ${others.map(({ activityType }) => activityType)}::text[])
        ON CONFLICT DO NOTHING RETURNING tenant_id AS "tenantId", id`;
      const kept = new Set(rows.map(nameOf));
      return activities.filter((activity) => isView(activity) || kept.has(nameOf(activity)));
    },
  };
}

export function createMetricsWrites(db: Queryable) {
  return {
    async addActivity(activities: readonly Activity[], now: Date): Promise<void> {
      if (activities.length === 0) return;
      const additions = additionsOf(activities);
      // Each column is sent as one text with one line per bucket. The separator joins several values of a
      // bucket within a line.
      const column = (text: (addition: BucketAddition) => string) => lines(additions, text);
      const tenants = column(({ tenantId }) => tenantId);
      const levels = column(({ granularity }) => granularity);
      const starts = column(({ start }) => start.toISOString());
      const members = column(({ userIds }) => inOrder(userIds).join(separator));
      const views = column(({ types }) => String(types.get(pageViewType) ?? 0));
      const names = column(({ types }) => inOrder(types.keys()).join(separator));
      const counts = column(({ types }) =>
        inOrder(types.keys())
          .map((type) => types.get(type))
          .join(separator),
      );
      await Promise.all([
        // The number of unique users grows by the number of new members. If another transaction is adding the
        // same member, this statement waits for that transaction.
        db.execute`
          WITH bucket AS (
            SELECT * FROM unnest(string_to_array(${tenants}, E'\\n'), string_to_array(${levels}, E'\\n')::granularity[],
              string_to_array(${starts}, E'\\n')::timestamptz[], string_to_array(${views}, E'\\n')::bigint[],
              string_to_array(${members}, E'\\n'))
              WITH ORDINALITY AS bucket (tenant_id, granularity, bucket_start, views, members, n)
          ), member AS (
            INSERT INTO user_activity_member (tenant_id, granularity, bucket_start, user_id)
            SELECT tenant_id, granularity, bucket_start, user_id
            FROM bucket, unnest(string_to_array(members, ${separator})) WITH ORDINALITY AS member (user_id, place)
            ORDER BY n, place
            ON CONFLICT DO NOTHING
            RETURNING tenant_id, granularity, bucket_start
          ), added AS (
            SELECT tenant_id, granularity, bucket_start, count(*)::int AS users FROM member GROUP BY 1, 2, 3
          )
          INSERT INTO user_activity_metrics AS kept (tenant_id, granularity, bucket_start, unique_users, page_view_count,
            version, updated_at)
          SELECT tenant_id, granularity, bucket_start, coalesce(users, 0), views, 1, ${now}::timestamptz
          FROM bucket LEFT JOIN added USING (tenant_id, granularity, bucket_start)
          ORDER BY n
          ON CONFLICT (tenant_id, granularity, bucket_start) DO UPDATE SET
            unique_users = kept.unique_users + excluded.unique_users,
            page_view_count = kept.page_view_count + excluded.page_view_count,
            version = kept.version + 1, updated_at = greatest(kept.updated_at, excluded.updated_at)`,
        db.execute`
          INSERT INTO user_activity_type AS kept (tenant_id, granularity, bucket_start, activity_type, count)
          SELECT tenant_id, granularity, bucket_start, activity_type, count
          FROM unnest(string_to_array(${tenants}, E'\\n'), string_to_array(${levels}, E'\\n')::granularity[],
              string_to_array(${starts}, E'\\n')::timestamptz[], string_to_array(${names}, E'\\n'),
              string_to_array(${counts}, E'\\n'))
              WITH ORDINALITY AS bucket (tenant_id, granularity, bucket_start, names, counts, n),
            unnest(string_to_array(names, ${separator}), string_to_array(counts, ${separator})::bigint[])
              WITH ORDINALITY AS type (activity_type, count, place)
          ORDER BY n, place
          ON CONFLICT (tenant_id, granularity, bucket_start, activity_type)
            DO UPDATE SET count = kept.count + excluded.count`,
      ]);
    },

    recountMetrics: (options: RecountOptions): Promise<MetricsDifference> => recountMetrics(db, options),
  };
}

const milliseconds = (column: string) => sql`(extract(epoch FROM ${sql.raw(column)}) * 1000)::float8`;

/** Parses a list of alternating names and counts. */
function toTypeCounts(parts: readonly string[]): readonly TypeCount[] {
  const counts: TypeCount[] = [];
  for (let n = 0; n < parts.length; n += 2) {
    counts.push({ activityType: parts[n] as string, count: Number(parts[n + 1]) });
  }
  return counts;
}
