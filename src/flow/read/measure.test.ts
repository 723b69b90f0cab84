import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Granularity } from '../../domain/activity.ts';
import { createTestClock } from '../../testing/event.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createMeasure } from './measure.ts';

const tenantId = 'default';
const hourMs = 3_600_000;
// The retention before this time includes both clock changes of the year.
const now = new Date('2026-11-20T09:00:00Z');
const clock = createTestClock(now);

let storage: TestStorage;
beforeAll(async () => {
  storage = await openTestStorage();
  const { store } = storage;
  // The activity on the days around each clock change, every 7 minutes. Users occur several times.
  const starts = ['2026-03-28', '2026-04-04', '2026-04-23', '2026-10-24', '2026-11-17'];
  const activities = starts.flatMap((start, s) =>
    Array.from({ length: 600 }, (_, n) => ({
      tenantId: n % 50 === 0 ? 'other' : tenantId,
      userId: `user-${(n * 7 + s) % 90}`,
      id: crypto.randomUUID(),
      activityType: ['page_view', 'page_view', 'click', 'login'][n % 4] as string,
      occurredAt: new Date(Date.parse(`${start}T00:00:00Z`) + n * 7 * 60_000 + (n % 60) * 1_000),
    })),
  );
  await store.preparePageViews(activities.map(({ occurredAt }) => occurredAt));
  for (let from = 0; from < activities.length; from += 700) {
    const batch = activities.slice(from, from + 700);
    await store.transaction(async (transaction) => {
      await transaction.addActivity(await transaction.keepActivity(batch), now);
      await transaction.addPageViews(
        batch
          .filter(({ activityType }) => activityType === 'page_view')
          .map((view) => ({ ...view, name: 'x', path: null, subjectId: null, receivedAt: now })),
      );
    });
  }
});
afterAll(() => storage.close());

const measure = (retentionDays = 240) =>
  createMeasure({ store: storage.store, clock }, { retentionDays, flushIntervalMs: 30_000 });
const bucketsOf = (from: string, to: string, granularity: Granularity, zone = 'UTC') =>
  measure().buckets(tenantId, { from: new Date(from), to: new Date(to) }, granularity, zone, {
    withTypes: true,
  });

/** Counts the raw rows, without buckets. */
async function recount(start: Date, end: Date) {
  const [row] = await storage.query<{ users: number; views: number; types: Record<string, number> | null }>(
    `WITH raw AS (
       SELECT user_id, 'page_view' AS type FROM page_view WHERE tenant_id = $1 AND occurred_at >= $2 AND occurred_at < $3
       UNION ALL SELECT user_id, activity_type FROM user_activity
       WHERE tenant_id = $1 AND occurred_at >= $2 AND occurred_at < $3)
     SELECT count(DISTINCT user_id)::int AS users, count(*) FILTER (WHERE type = 'page_view')::int AS views,
       (SELECT json_object_agg(type, n) FROM (SELECT type, count(*) AS n FROM raw GROUP BY type) AS t) AS types FROM raw`,
    [tenantId, start, end],
  );
  return { uniqueUsers: row?.users, pageViewCount: row?.views, types: row?.types ?? {} };
}

describe('the metrics', () => {
  it.each([
    ['UTC', '2026-11-17', 'DAY'],
    ['UTC', '2026-11-17', 'HOUR'],
    ['Europe/Berlin', '2026-03-28', 'DAY'],
    ['Europe/Berlin', '2026-10-24', 'HOUR'],
    ['Europe/Berlin', '2026-10-24', 'DAY'],
    ['Africa/Cairo', '2026-04-23', 'DAY'],
    ['Australia/Lord_Howe', '2026-04-04', 'DAY'],
    ['Australia/Lord_Howe', '2026-04-04', 'HOUR'],
    ['Asia/Kathmandu', '2026-11-17', 'DAY'],
    ['Asia/Kathmandu', '2026-11-17', 'HOUR'],
  ] as const)('in %s from %s, per %s, equal a count of the raw rows', async (zone, from, granularity) => {
    const to = new Date(Date.parse(from) + 72 * hourMs).toISOString();
    const buckets = await bucketsOf(`${from}T00:00:00Z`, to, granularity, zone);
    expect(buckets.length).toBeGreaterThan(2);
    let views = 0;
    for (const { start, end, uniqueUsers, pageViewCount, byType } of buckets) {
      const types = Object.fromEntries(byType.map(({ activityType, count }) => [activityType, count]));
      expect({ start, uniqueUsers, pageViewCount, types }).toEqual({ start, ...(await recount(start, end)) });
      views += pageViewCount;
    }
    expect(views).toBeGreaterThan(100);
  });

  it('have 23 or 25 hours on the day of a clock change, and the hours add up to the day', async () => {
    for (const [date, hours] of [
      ['2026-03-29', 23],
      ['2026-10-25', 25],
    ] as const) {
      const noon = `${date}T12:00:00Z`;
      const [day] = await bucketsOf(noon, `${date}T12:00:01Z`, 'DAY', 'Europe/Berlin');
      if (!day) throw new Error('no day');
      const own = await bucketsOf(day.start.toISOString(), day.end.toISOString(), 'HOUR', 'Europe/Berlin');
      expect(own).toHaveLength(hours);
      expect(own.reduce((sum, { pageViewCount }) => sum + pageViewCount, 0)).toBe(day.pageViewCount);
      expect(day.pageViewCount).toBeGreaterThan(50);
    }
  });

  it('include empty buckets, and say which buckets are final', async () => {
    const buckets = await bucketsOf('2026-11-20T08:57:30Z', '2026-11-20T09:00:00Z', 'MINUTE');
    expect(
      buckets.map(({ start, final, uniqueUsers }) => [start.toISOString().slice(11, 16), final, uniqueUsers]),
    ).toEqual([
      ['08:57', true, 0],
      ['08:58', true, 0],
      ['08:59', false, 0],
    ]);
    // The bucket ended days ago but was changed at the current time.
    const [late] = await bucketsOf('2026-11-17T00:00:00Z', '2026-11-17T00:00:01Z', 'DAY');
    expect(late?.final).toBe(false);
  });

  it.each([
    ['reversed', '2026-11-20T00:00:00Z', '2026-11-19T00:00:00Z', 'HOUR', 'later than range.from'],
    ['empty', '2026-11-20T00:00:00Z', '2026-11-20T00:00:00Z', 'HOUR', 'later than range.from'],
    ['before the retention', '2026-03-20T00:00:00Z', '2026-11-20T00:00:00Z', 'DAY', 'retention of 240 days'],
    ['of too many minutes', '2026-11-18T00:00:00Z', '2026-11-20T00:00:00Z', 'MINUTE', '1500 MINUTE buckets'],
    ['of all time', '2026-11-18T00:00:00Z', '9999-12-31T00:00:00Z', 'DAY', '1500 DAY buckets'],
  ] as const)('refuse a range that is %s', async (_, from, to, granularity, message) => {
    await expect(bucketsOf(from, to, granularity)).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      message: expect.stringContaining(message),
    });
  });
});
