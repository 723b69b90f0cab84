import { type StatsWindow, sessionGapMs, type UserStats } from '../../../domain/stats.ts';
import type { UserKey } from '../../../domain/user.ts';
import type { Queryable } from '../sql.ts';

interface Row {
  readonly pageViewCount: number;
  readonly uniquePageCount: number;
  readonly sessionCount: number;
  readonly timeOnSiteMs: string;
  readonly pages:
    | readonly { readonly name: string; readonly views: number; readonly lastViewedAt: string }[]
    | null;
  readonly days: readonly { readonly day: number; readonly views: number; readonly ms: number }[] | null;
}

/**
 * Reads the stats of a user in one pass over one range of the index. The time between a view and the next
 * view counts as time on site if it is at most the session gap. This time belongs to the day of the earlier
 * view, so the days add up to the total. If no next view follows within the session gap, the session ends.
 * The days are passed as their starts, so SQL computes no time zones.
 */
export async function readStats(
  db: Queryable,
  { tenantId, userId }: UserKey,
  window: StatsWindow,
): Promise<UserStats> {
  const starts = window.days.map((day) => day.start.toISOString());
  const rows = await db.query<Row>`
    WITH view AS MATERIALIZED (
      SELECT name, occurred_at, width_bucket(occurred_at, ${starts}::timestamptz[]) AS day,
        (date_part('epoch', lead(occurred_at) OVER (ORDER BY occurred_at) - occurred_at) * 1000)::bigint AS gap
      FROM page_view
      WHERE tenant_id = ${tenantId} AND user_id = ${userId}
        AND occurred_at >= ${window.start}::timestamptz AND occurred_at < ${window.end}::timestamptz
    ), page AS (
      SELECT name, count(*)::int AS views, max(occurred_at) AS last FROM view GROUP BY name
    ), day AS (
      SELECT day, count(*)::int AS views,
        count(*) FILTER (WHERE gap <= ${sessionGapMs}::int)::int AS continued,
        coalesce(sum(gap) FILTER (WHERE gap <= ${sessionGapMs}::int), 0) AS ms
      FROM view GROUP BY day
    )
    SELECT
      coalesce((SELECT sum(views) FROM day), 0)::int AS "pageViewCount",
      (SELECT count(*) FROM page)::int AS "uniquePageCount",
      coalesce((SELECT sum(views - continued) FROM day), 0)::int AS "sessionCount",
      coalesce((SELECT sum(ms) FROM day), 0)::text AS "timeOnSiteMs",
      (SELECT json_agg(json_build_object('name', name, 'views', views, 'lastViewedAt', last)) FROM (
        SELECT * FROM page ORDER BY views DESC, last DESC, name COLLATE "C" LIMIT 100) AS top) AS pages,
      (SELECT json_agg(json_build_object('day', day, 'views', views, 'ms', ms)) FROM day) AS days`;
  const row = rows[0] as Row;
  const byIndex = new Map((row.days ?? []).map((day) => [day.day, day]));
  return {
    pageViewCount: row.pageViewCount,
    uniquePageCount: row.uniquePageCount,
    timeOnSiteSeconds: Math.floor(Number(row.timeOnSiteMs) / 1000),
    sessionCount: row.sessionCount,
    activeDayCount: byIndex.size,
    topPages: (row.pages ?? []).map((page) => ({ ...page, lastViewedAt: new Date(page.lastViewedAt) })),
    byDay: window.days.map(({ date }, index) => {
      const day = byIndex.get(index + 1);
      return {
        date,
        pageViewCount: day?.views ?? 0,
        timeOnSiteSeconds: Math.floor((day?.ms ?? 0) / 1000),
      };
    }),
  };
}
