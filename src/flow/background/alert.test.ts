import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import { createPostgresEventLog } from '../../adapters/postgres/log/event-log.ts';
import { topics } from '../../events/topic.ts';
import type { EventLog } from '../../ports/event-log.ts';
import { silent } from '../../ports/logger.ts';
import { createTestClock } from '../../testing/event.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createConsume, projectionGroup } from '../apply/consume.ts';
import { createProject } from '../apply/project.ts';
import { createAlert } from './alert.ts';

const hour = Date.parse('2026-11-20T14:00:00Z');
const clock = createTestClock(new Date(hour + 3_600_000 + 60_000));
const alice = { tenantId: 'default', userId: 'alice' };
const bob = { tenantId: 'other', userId: 'bob' };
const nobody = { tenantId: 'default', userId: 'nobody' };

let storage: TestStorage;
let log: EventLog;
beforeEach(async () => {
  storage = await openTestStorage();
  const { database, connection, store } = storage;
  log = createPostgresEventLog({ database, connection, logger: silent });
  await store.transaction((transaction) => transaction.ensureUsers([alice, bob], clock.now()));
  // The ten days before have 201 to 210 page views in this hour.
  await storage.query(
    `INSERT INTO user_activity_metrics SELECT 'default', 'HOUR', $1::timestamptz - n * interval '1 day', 50, 200 + n, 1, $1
     FROM generate_series(1, 10) AS n`,
    [new Date(hour)],
  );
});
afterEach(async () => {
  await log.close();
  await storage.close();
});

const alertOn = ({ store = storage.store, users = [alice, bob, nobody] } = {}) =>
  createAlert(
    { store, log, clock, logger: silent },
    {
      users,
      rule: { minScore: 4, minCount: 100, minDays: 7 },
      settleMs: 60_000,
    },
  );
const thisHour = (views: number) =>
  storage.query(
    `INSERT INTO user_activity_metrics VALUES ('default', 'HOUR', $1, 50, $2, 1, $1)
     ON CONFLICT (tenant_id, granularity, bucket_start) DO UPDATE SET page_view_count = excluded.page_view_count`,
    [new Date(hour), views],
  );

it('notifies the existing users of the tenant once about an unusual hour, even after several checks', async () => {
  await thisHour(900);
  const looked = await Promise.all([alertOn(), alertOn()].map((one) => one.look()));
  expect(looked).toEqual([1, 1]);
  const one = alertOn();
  expect([await one.look(), await one.look()]).toEqual([1, 0]);

  const deps = { store: storage.store, pubSub: createLocalPubSub(), clock, logger: silent };
  await createConsume({ log, project: createProject(deps, { retentionDays: 183 }), logger: silent }).start();
  await vi.waitFor(
    async () => expect(await log.lag(projectionGroup, Object.values(topics))).toBe(0n),
    10_000,
  );
  const notifications = await storage.store.notifications(alice, { first: 10 });
  expect(notifications).toMatchObject([
    {
      category: 'alert',
      title: 'Unusual activity: many page views',
      body: expect.stringMatching(
        /^900 page views from 2026-11-20 14:00 to 15:00 UTC\. This is .* above the average .*, 206\.$/,
      ),
    },
  ]);
  expect(await storage.store.notifications(bob, { first: 10 })).toEqual([]);
  expect(await storage.query('SELECT FROM dead_letter')).toEqual([]);
});

it('reports an hour without page views', async () => {
  expect(await alertOn().look()).toBe(1);
});

it('notifies the users of a tenant even if another tenant cannot be checked, but then reports no success', async () => {
  const { store } = storage;
  const activityBuckets: typeof store.activityBuckets = async (keys) => {
    if (keys.some(({ tenantId }) => tenantId === 'other')) throw new Error('no');
    return store.activityBuckets(keys);
  };
  const partly = alertOn({ store: { ...store, activityBuckets }, users: [bob, alice] });
  await expect(partly.look()).rejects.toThrow('no');
  expect(partly.succeededAt()).toBeUndefined();
  expect(await storage.query('SELECT FROM event_log')).toHaveLength(1);
  const whole = alertOn();
  await whole.look();
  expect(whole.succeededAt()).toEqual(clock.now());
});

it('ignores a usual hour, and an hour that may not be completely counted yet', async () => {
  await thisHour(210);
  expect(await alertOn().look()).toBe(0);
  await thisHour(900);
  clock.set(new Date(hour + 3_600_000 + 59_999));
  expect(await alertOn().look()).toBe(0);
  clock.set(new Date(hour + 3_600_000 + 60_000));
  expect(await alertOn().look()).toBe(1);
});
