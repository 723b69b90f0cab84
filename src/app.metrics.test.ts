// @module-tag kafka
// @module-tag redis
// @module-tag postgres
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { Event } from './events/event.ts';
import { topics } from './events/topic.ts';
import { metricsGroup } from './flow/apply/count.ts';
import type { EventLog } from './ports/event-log.ts';
import { activityRecorded, pageViewed } from './testing/event.ts';
import { type Fleet, openFleet } from './testing/fleet.ts';
import { withClient } from './testing/postgres-server.ts';
import { metricsDrift } from './testing/recount.ts';

const waiting = { timeout: 60_000, interval: 100 };

let fleet: Fleet;
let log: EventLog;
beforeAll(async () => {
  fleet = await openFleet({ FLUSH_INTERVAL_SEC: '1', BATCH_SIZE: '60' });
  log = fleet.openLog();
}, 120_000);
afterAll(async () => {
  await log?.close();
  await fleet?.stop();
}, 60_000);

/** Queries the database directly. */
const query = <Row extends object>(sql: string) =>
  withClient(fleet.postgres.url, async (client) => (await client.query<Row>(sql)).rows);

/** Selects the stored metrics and a new count of the raw rows, for each granularity. */
const recounted = `
  WITH raw AS (
    SELECT tenant_id, user_id, occurred_at, true AS is_view FROM page_view
    UNION ALL SELECT tenant_id, user_id, occurred_at, false FROM user_activity
  ), recount AS (
    SELECT granularity, count(*) AS buckets, sum(views) AS views, sum(users) AS users FROM (
      SELECT granularity, tenant_id, date_trunc(granularity::text, occurred_at, 'UTC'),
        count(*) FILTER (WHERE is_view) AS views, count(DISTINCT user_id) AS users
      FROM raw, unnest(enum_range(NULL::granularity)) AS granularity GROUP BY 1, 2, 3
    ) AS bucket GROUP BY 1
  )
  SELECT granularity, count(*) AS buckets, recount.buckets AS "buckets recounted", sum(page_view_count) AS "page views",
    recount.views AS "page views recounted", sum(unique_users) AS "unique users", recount.users AS "count(distinct)"
  FROM user_activity_metrics JOIN recount USING (granularity)
  GROUP BY granularity, recount.buckets, recount.views, recount.users ORDER BY granularity`;

it('three workers count exactly despite kills, late events and repeated events', async () => {
  const [plain, midCount, afterCount] = await Promise.all([
    fleet.start('worker'),
    fleet.start('worker', { point: 'mid-count', count: 2 }),
    fleet.start('worker', { point: 'after-count', count: 2 }),
  ]);
  const users = Array.from({ length: 40 }, (_, n) => `user-${n}`);
  const sent: Event[] = [];
  const doomed = [midCount, afterCount];
  let replaced = false;
  // Repeats until both doomed workers have died. A doomed worker dies during a flush, so a worker that joins
  // the group late needs more rounds.
  for (let round = 0; round < 30 || !replaced; round += 1) {
    const fresh = users.map((userId, n) => {
      // Some events occurred now, some in the last hours, and some weeks ago.
      const agoMs = n % 10 === 0 ? (round % 30) * 86_400_000 : (n % 7) * 1_300_000;
      const fields = { userId, occurredAt: new Date(Date.now() - agoMs) };
      return n % 4 === 0 ? activityRecorded(fields) : pageViewed(fields);
    });
    await log.append([...fresh, ...sent.filter((_, n) => n % 31 === round % 31)]);
    sent.push(...fresh);
    if (!replaced && !doomed.some((program) => program.isRunning())) {
      await Promise.all([fleet.start('worker'), fleet.start('worker')]);
      replaced = true;
    }
    if (round === 20) await plain.end('SIGKILL');
    await delay(100);
  }
  await fleet.start('worker');
  await vi.waitFor(async () => {
    expect(await log.lag(metricsGroup, [topics.userActivity])).toBe(0n);
    expect(await log.lag('unseen-projections', Object.values(topics))).toBe(0n);
  }, waiting);

  expect(await metricsDrift(query)).toEqual([]);
  console.table(await query(recounted));
  const [total] = await query<{ events: number; views: number; minutes: number }>(
    `SELECT (SELECT sum(count) FROM user_activity_type WHERE granularity = 'DAY')::int AS events,
       (SELECT sum(page_view_count) FROM user_activity_metrics WHERE granularity = 'MINUTE')::int AS views`,
  );
  expect(total).toEqual({
    events: sent.length,
    views: sent.filter(({ type }) => type === 'pageViewed').length,
  });
  // Each of these workers was killed.
  expect([plain, midCount, afterCount].map((program) => program.isRunning())).toEqual([false, false, false]);
}, 180_000);
