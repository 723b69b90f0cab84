import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { topics } from '../events/topic.ts';
import { startTestApp, type TestApp } from '../testing/app.ts';
import { pageViewed } from '../testing/event.ts';

const waiting = { timeout: 10_000, interval: 20 };
let app: TestApp;
let shop: string;
beforeAll(async () => {
  app = await startTestApp();
  shop = await app.token({ role: 'service', subject: 'shop' });
});
afterAll(() => app.stop());

const now = () => new Date().toISOString();
const record = (userId: string, fields: object = {}) =>
  app.send(
    shop,
    'mutation ($input: RecordPageViewInput!) { recordPageView(input: $input) { userErrors { code } } }',
    {
      input: { userId, name: 'Pricing', ...fields },
    },
  );
const metrics = async (range: object, more = '') => {
  const { data, errors } = await app.send(
    shop,
    `query ($range: DateTimeRangeInput!) { activityMetrics(range: $range ${more}) {
       start end uniqueUsers pageViewCount final byType { activityType count } } }`,
    { range },
  );
  expect(errors).toBeUndefined();
  return (data as { activityMetrics: Record<string, unknown>[] } | null)?.activityMetrics ?? [];
};

it('page views count in the stats and the metrics, and other types only in the metrics', async () => {
  const from = now();
  await record('alice');
  await record('alice', { activityType: 'click' });
  await record('bob', { activityType: 'click' });
  await vi.waitFor(async () => {
    const [day] = await metrics({ from }, 'granularity: DAY');
    expect(day).toMatchObject({
      uniqueUsers: 2,
      pageViewCount: 1,
      byType: [
        { activityType: 'click', count: 2 },
        { activityType: 'page_view', count: 1 },
      ],
      final: false,
    });
  }, waiting);
  const { data } = await app.send(
    shop,
    '{ alice: user(userId: "alice") { stats { pageViewCount } } bob: user(userId: "bob") { userId } }',
  );
  expect(data).toEqual({ alice: { stats: { pageViewCount: 1 } }, bob: null });
});

it('activityMetrics returns the types if a fragment selects them under an alias', async () => {
  const { data } = await app.send(
    shop,
    `query ($range: DateTimeRangeInput!) { activityMetrics(range: $range, granularity: DAY) { ...types } }
     fragment types on ActivityBucket { ... { kinds: byType { activityType } } }`,
    { range: { from: now() } },
  );
  expect(data).toEqual({
    activityMetrics: [{ kinds: [{ activityType: 'click' }, { activityType: 'page_view' }] }],
  });
});

it('activityMetrics returns the hours of a month in any time zone', async () => {
  const from = new Date(Date.now() - 30 * 86_400_000).toISOString();
  const hours = await metrics({ from, to: now() }, 'granularity: HOUR, timeZone: "Asia/Kathmandu"');
  expect(hours.length).toBeGreaterThanOrEqual(720);
});

it('activityMetricsChanged sends the current bucket, then each changed bucket, including old buckets', async () => {
  const seen: { start: string; pageViewCount: number; uniqueUsers: number; byType: object[] }[] = [];
  const subscription = app.client(shop).iterate({
    query: `subscription { activityMetricsChanged(granularity: DAY) {
      start end uniqueUsers pageViewCount final byType { activityType count } } }`,
  });
  void (async () => {
    for await (const { data } of subscription) {
      seen.push(data?.['activityMetricsChanged'] as (typeof seen)[number]);
    }
  })();
  await vi.waitFor(() => expect(seen).toHaveLength(1), waiting);
  const first = seen[0]?.pageViewCount ?? 0;
  await record('carol');
  await vi.waitFor(() => expect(seen.at(-1)?.pageViewCount).toBe(first + 1), waiting);
  const late = new Date(Date.now() - 20 * 86_400_000);
  await app.runtime.backends.log.append([pageViewed({ occurredAt: late })]);
  await vi.waitFor(
    () =>
      expect(seen.at(-1)).toMatchObject({
        start: `${late.toISOString().slice(0, 10)}T00:00:00.000Z`,
        uniqueUsers: 1,
        byType: [{ activityType: 'page_view', count: 1 }],
      }),
    waiting,
  );
  await subscription.return?.();
});

it('/metrics reports how many records are not counted yet', async () => {
  const body = await (await fetch(`${app.url}/metrics`)).text();
  expect(body).toMatch(/^unseen_metrics_lag_records \d+$/m);
  await vi.waitFor(async () => {
    const { log } = app.runtime.backends;
    expect(await log.lag('unseen-metrics', [topics.userActivity])).toBe(0n);
  }, waiting);
});
