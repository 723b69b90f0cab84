import { runEach } from '../../../async/run-each.ts';
import type { PageView } from '../../../domain/page-view.ts';
import type { UserKey } from '../../../domain/user.ts';
import type { PageViewRange } from '../../../ports/store/page-views.ts';
import type { PartitionStore } from '../../../ports/store/partitions.ts';
import type { PrismaClient } from '../generated/client.ts';
import { lines, type Queryable, sparse, sql } from '../sql.ts';
import { keyOf } from './user.ts';

const selected = sql`
  tenant_id AS "tenantId", user_id AS "userId", id, name, path, subject_id AS "subjectId",
  occurred_at AS "occurredAt", received_at AS "receivedAt"`;

const within = ({ tenantId, userId }: UserKey, { from, to }: PageViewRange) => sql`
  tenant_id = ${tenantId} AND user_id = ${userId}
  AND occurred_at >= coalesce(${from ?? null}::timestamptz, '-infinity')
  AND occurred_at < coalesce(${to ?? null}::timestamptz, 'infinity')`;

export function createPageViewWrites(db: Queryable) {
  return {
    async addPageViews(views: readonly PageView[]): Promise<void> {
      if (views.length === 0) return;
      // Times are sent as milliseconds. As text they would cost this process and PostgreSQL more than any
      // other column.
      await db.execute`
        INSERT INTO page_view (tenant_id, user_id, occurred_at, id, name, path, subject_id, received_at)
        SELECT tenant_id, user_id, to_timestamp(occurred_ms / 1000), id, name, path, subject_id, to_timestamp(received_ms / 1000)
        FROM unnest(
          string_to_array(${lines(views, (view) => view.tenantId)}, E'\\n'),
          string_to_array(${lines(views, (view) => view.userId)}, E'\\n'),
          string_to_array(${lines(views, (view) => view.occurredAt.getTime())}, E'\\n')::float8[],
          string_to_array(${lines(views, (view) => view.id)}, E'\\n')::uuid[], ${views.map((view) => view.name)}::text[],
          ${sparse(views, (view) => view.path)}::text[], ${sparse(views, (view) => view.subjectId)}::text[],
          string_to_array(${lines(views, (view) => view.receivedAt.getTime())}, E'\\n')::float8[]
        ) AS view (tenant_id, user_id, occurred_ms, id, name, path, subject_id, received_ms)`;
    },
  };
}

export function createPageViewReads(db: Queryable) {
  return {
    async pageViews(
      key: UserKey,
      {
        first,
        after,
        ...range
      }: PageViewRange & {
        readonly first: number;
        readonly after?: PageViewPlace;
      },
    ): Promise<readonly PageView[]> {
      const place = after
        ? sql`AND (occurred_at, id) < (${after.occurredAt}::timestamptz, ${after.id}::uuid)`
        : sql.empty;
      return db.query<PageView>`
        SELECT ${selected} FROM page_view WHERE ${within(key, range)} ${place}
        ORDER BY occurred_at DESC, id DESC LIMIT ${first}`;
    },
  };
}

export function createPageViewLookups({ pageView: table }: Pick<PrismaClient, 'pageView'>) {
  return {
    countPageViews: (user: UserKey, { from, to }: PageViewRange): Promise<number> =>
      table.count({
        where: { ...keyOf(user), occurredAt: { ...(from && { gte: from }), ...(to && { lt: to }) } },
      }),

    pageView: async (user: UserKey, { occurredAt, id }: PageViewPlace): Promise<PageView | undefined> =>
      (await table.findUnique({
        where: { tenantId_userId_occurredAt_id: { ...keyOf(user), occurredAt, id } },
      })) ?? undefined,
  };
}

interface PageViewPlace {
  readonly occurredAt: Date;
  readonly id: string;
}

/**
 * Returns the first day of the month in UTC, as `YYYY-MM-01`. The partition of the month has this day in its
 * name.
 */
function monthOf(moment: Date): string {
  const month = String(moment.getUTCMonth() + 1).padStart(2, '0');
  return `${moment.getUTCFullYear()}-${month}-01`;
}

/**
 * Creates the monthly partitions. If the partition of one table cannot be created, the partitions of the
 * other tables are still created.
 */
export function createPartitions(db: Queryable): PartitionStore {
  const prepared = new Set<string>();
  const prepare = async (month: string) => {
    await runEach([
      () => db.execute`SELECT create_page_view_partition(${month}::date)`,
      () => db.execute`SELECT create_activity_partition('user_activity', ${month}::date)`,
      () => db.execute`SELECT create_activity_partition('user_activity_member', ${month}::date)`,
    ]);
    prepared.add(month);
  };
  return {
    async preparePageViews(moments) {
      const missing = [...new Set(moments.map(monthOf))].filter((month) => !prepared.has(month));
      await runEach(missing.map((month) => () => prepare(month)));
    },
  };
}
