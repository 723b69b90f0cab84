import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import { createPostgresEventLog } from '../../adapters/postgres/log/event-log.ts';
import { type Granularity, granularities } from '../../domain/activity.ts';
import type { Event } from '../../events/event.ts';
import { topics } from '../../events/topic.ts';
import type { Consumption, EventLog } from '../../ports/event-log.ts';
import { silent } from '../../ports/logger.ts';
import type { Store } from '../../ports/store/store.ts';
import {
  activityRecorded,
  createTestClock,
  itemViewed,
  notificationSent,
  pageViewed,
  testNow,
} from '../../testing/event.ts';
import { awayFor, withTransactions } from '../../testing/faults.ts';
import { metricsDrift } from '../../testing/recount.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createAct } from '../act/act.ts';
import { createActivityTypes } from './activity-types.ts';
import { createConsume, projectionGroup } from './consume.ts';
import { type CountOptions, createCount, metricsGroup } from './count.ts';
import { createProject } from './project.ts';

const waiting = { timeout: 10_000, interval: 10 };
const tenantId = 'default';
const counted = [topics.userActivity];
const clock = createTestClock();

let storage: TestStorage;
let log: EventLog;
const consumptions: Consumption[] = [];
beforeEach(async () => {
  storage = await openTestStorage();
  log = openLog();
});
afterEach(async () => {
  await Promise.all(consumptions.splice(0).map((one) => one.stop()));
  await log.close();
  await storage.close();
});

const openLog = () => {
  const { connection } = storage;
  return createPostgresEventLog(
    { database: storage.connectAgain(), connection, logger: silent },
    { retryMs: 20 },
  );
};

function build(
  options: Partial<CountOptions> = {},
  store: Store = storage.store,
  from = log,
  pubSub = createLocalPubSub(),
) {
  const defaults = { retentionDays: 183, flushIntervalMs: 60_000, batchSize: 1, maxBackoffMs: 20 };
  const shared = { store, pubSub, clock, logger: silent };
  const deps = { ...shared, log: from, project: createProject(shared, { retentionDays: 183 }) };
  return createCount(deps, { ...defaults, ...options });
}

/** Starts a counting worker. By default it flushes after every record. */
async function count(...given: Parameters<typeof build>) {
  const consumption = await build(...given).start();
  consumptions.push(consumption);
  return consumption;
}

/** Creates a log that counts the records that it has handed over. */
function observedLog(of: EventLog) {
  let records = 0;
  const consume: EventLog['consume'] = (group, topics, handle, options) =>
    of.consume(
      group,
      topics,
      (batch, signal) => {
        const handled = handle(batch, signal);
        records += batch.length;
        return handled;
      },
      options,
    );
  return { ...of, consume, handedOver: () => records };
}

/** Creates a store that counts how often a batch is written. */
function countingFlushes() {
  let flushes = 0;
  const store = withTransactions(storage.store, ({ claimCounted }) => ({
    claimCounted(activities, now) {
      flushes += 1;
      return claimCounted(activities, now);
    },
  }));
  return { store, flushes: () => flushes };
}

/** Starts the projections, which store the raw page views. */
async function project(): Promise<void> {
  const { store } = storage;
  const deps = { store, pubSub: createLocalPubSub(), clock, logger: silent };
  const consume = createConsume({
    log,
    project: createProject(deps, { retentionDays: 183 }),
    logger: silent,
  });
  consumptions.push(await consume.start());
}

const counts = () => vi.waitFor(async () => expect(await log.lag(metricsGroup, counted)).toBe(0n), waiting);
const bucket = async (start: string, granularity: Granularity = 'MINUTE') =>
  (await storage.store.activityBuckets([{ tenantId, granularity, start: new Date(start) }]))[0];
const view = (userId: string, occurredAt: string, fields: Partial<Event> = {}) =>
  pageViewed({ userId, occurredAt: new Date(occurredAt), ...(fields as object) });

describe('the count of activity', () => {
  it('counts views, types and unique users per minute, hour and day', async () => {
    await count();
    await log.append([
      view('alice', '2026-11-20T08:00:00.000Z'),
      view('alice', '2026-11-20T08:00:59.999Z'),
      view('bob', '2026-11-20T08:00:30Z'),
      view('alice', '2026-11-20T08:01:00Z'),
      view('bob', '2026-11-19T23:59:59Z'),
      activityRecorded({ userId: 'carol', occurredAt: new Date('2026-11-20T08:00:10Z') }),
      notificationSent({ userId: 'dave' }),
    ]);
    await counts();
    expect(await bucket('2026-11-20T08:00:00Z')).toMatchObject({
      uniqueUsers: 3,
      pageViewCount: 3,
      byType: [
        { activityType: 'page_view', count: 3 },
        { activityType: 'click', count: 1 },
      ],
    });
    expect(await bucket('2026-11-20T08:01:00Z')).toMatchObject({ uniqueUsers: 1, pageViewCount: 1 });
    expect(await bucket('2026-11-20T08:00:00Z', 'HOUR')).toMatchObject({ uniqueUsers: 3, pageViewCount: 4 });
    expect(await bucket('2026-11-20T00:00:00Z', 'DAY')).toMatchObject({ uniqueUsers: 3, pageViewCount: 4 });
    expect(await bucket('2026-11-19T00:00:00Z', 'DAY')).toMatchObject({ uniqueUsers: 1, pageViewCount: 1 });
  });

  it('counts a repeated event once, at the time of its first record', async () => {
    await count({ batchSize: 3 });
    const [first, again] = [view('alice', '2026-11-20T08:00:00Z'), view('alice', '2026-11-20T08:05:00Z')];
    await log.append([first, { ...again, id: first.id }, first]);
    await counts();
    await log.append([first, first, first]);
    await counts();
    expect(await bucket('2026-11-20T00:00:00Z', 'DAY')).toMatchObject({ pageViewCount: 1, version: 1 });
    expect(await bucket('2026-11-20T08:00:00Z')).toMatchObject({ pageViewCount: 1 });
    expect(await bucket('2026-11-20T08:05:00Z')).toBeUndefined();
  });

  it('skips events that are too old or too far in the future, and adds late events to their bucket', async () => {
    await count();
    const at = '2026-06-01T12:00:00Z';
    await log.append([view('alice', at)]);
    await counts();
    await log.append([
      view('bob', at),
      view('alice', '2026-05-01T00:00:00Z'),
      view('alice', '2026-11-21T09:00:01Z'),
    ]);
    await counts();
    expect(await bucket('2026-06-01T00:00:00Z', 'DAY')).toMatchObject({ uniqueUsers: 2, version: 2 });
    expect(await storage.query('SELECT DISTINCT bucket_start FROM user_activity_metrics')).toHaveLength(2);
  });

  it('counts each tenant separately', async () => {
    await count();
    await log.append([
      view('alice', '2026-11-20T08:00:00Z', { tenantId: 'other' }),
      view('bob', '2026-11-20T08:00:00Z'),
    ]);
    await counts();
    expect(await bucket('2026-11-20T08:00:00Z')).toMatchObject({ uniqueUsers: 1 });
  });

  it('no longer contains the name of an erased user, and its numbers do not change', async () => {
    await count();
    await log.append([
      view('alice', '2026-11-20T08:00:00Z'),
      activityRecorded({ userId: 'alice' }),
      view('bob', '2026-11-20T08:00:00Z'),
    ]);
    await counts();
    const act = createAct({ store: storage.store, pubSub: createLocalPubSub(), clock, logger: silent });
    expect(await act.eraseUser({ tenantId, userId: 'alice' })).toBeUndefined();
    const members = await storage.query('SELECT DISTINCT user_id FROM user_activity_member');
    expect(members).toEqual([{ user_id: 'bob' }]);
    expect(await storage.query('SELECT FROM user_activity')).toEqual([]);
    expect(await bucket('2026-11-20T08:00:00Z')).toMatchObject({ uniqueUsers: 2 });
  });

  it('does not include activity of an erased user that was not counted yet', async () => {
    const pubSub = createLocalPubSub();
    const from = observedLog(log);
    const consumption = await count({ batchSize: 100 }, storage.store, from, pubSub);
    const erased = view('alice', '2026-11-20T08:00:00Z');
    await log.append([erased, view('bob', '2026-11-20T08:00:00Z')]);
    await vi.waitFor(() => expect(from.handedOver()).toBe(2), waiting);
    const act = createAct({ store: storage.store, pubSub, clock, logger: silent });
    await act.eraseUser({ tenantId, userId: 'alice' });
    await consumption.stop();
    expect(await bucket('2026-11-20T08:00:00Z')).toMatchObject({ uniqueUsers: 1 });
    expect(await storage.query('SELECT DISTINCT user_id FROM user_activity_member')).toEqual([
      { user_id: 'bob' },
    ]);
  });
});

describe('a repeated activity', () => {
  it('counts once if the mark that says that it was counted has expired, but its row exists', async () => {
    await count({ batchSize: 2 });
    const click = activityRecorded({ userId: 'alice' });
    await log.append([click, view('alice', '2026-11-20T09:00:00Z')]);
    await counts();
    await storage.store.expire('marks', new Date(testNow.getTime() + 1), { dryRun: false });
    await log.append([click, view('bob', '2026-11-20T09:00:00Z')]);
    await counts();
    expect(await bucket('2026-11-20T09:00:00Z')).toMatchObject({
      uniqueUsers: 2,
      byType: [
        { activityType: 'page_view', count: 2 },
        { activityType: 'click', count: 1 },
      ],
    });
    expect(await storage.query('SELECT FROM user_activity')).toHaveLength(1);
    expect(await storage.store.deadLetters({ first: 1 })).toEqual([]);
  });
});

describe('activity types', () => {
  const at = '2026-11-20T09:00:00Z';
  const click = (activityType: string, userId = 'alice', tenant = tenantId) =>
    activityRecorded({ tenantId: tenant, userId, occurredAt: new Date(at), data: { activityType } });
  const known = async () =>
    (
      await storage.query<{ tenant_id: string; activity_type: string }>(
        'SELECT tenant_id, activity_type FROM activity_type ORDER BY 1, 2',
      )
    ).map((row) => `${row.tenant_id}/${row.activity_type}`);

  it('count as `other` if the tenant already has the maximum number of types', async () => {
    await project();
    const { lag, others, start } = build({ maxActivityTypes: 2 });
    consumptions.push(await start());
    const invented = Array.from({ length: 20 }, (_, n) => click(`invented-${n}`, `user-${n}`));
    await log.append([click('click'), click('login'), ...invented, click('click'), click('other')]);
    await log.append([click('click', 'bob', 'acme'), view('alice', at)]);
    await vi.waitFor(async () => expect(await lag()).toBe(0n), waiting);
    expect(await bucket(at)).toMatchObject({
      uniqueUsers: 21,
      byType: [
        { activityType: 'other', count: 21 },
        { activityType: 'click', count: 2 },
        { activityType: 'login', count: 1 },
        { activityType: 'page_view', count: 1 },
      ],
    });
    expect(await known()).toEqual(['acme/click', 'default/click', 'default/login']);
    // The activity whose own type is `other` is not included.
    expect(others()).toBe(20);
    await vi.waitFor(async () => expect(await log.lag(projectionGroup, counted)).toBe(0n), waiting);
    expect(await metricsDrift(storage.query)).toEqual([]);
  });

  it('count as `other` if their names are longer than 64 bytes', async () => {
    await project();
    const { lag, others, start } = build({ maxActivityTypes: 200 });
    consumptions.push(await start());
    const [longest, longer] = ['€'.repeat(21), '€'.repeat(22)];
    await log.append([click(longest), click(longer), click('x'.repeat(128))]);
    await vi.waitFor(async () => expect(await lag()).toBe(0n), waiting);
    expect(await bucket(at)).toMatchObject({
      byType: [
        { activityType: 'other', count: 2 },
        { activityType: longest, count: 1 },
      ],
    });
    expect(await known()).toEqual([`default/${longest}`]);
    expect(others()).toBe(2);
  });

  it('are the same for all workers', async () => {
    await storage.store.preparePageViews([testNow]);
    await Promise.all(
      Array.from({ length: 8 }, (_, worker) => {
        const types = createActivityTypes({ max: 5 });
        const activities = Array.from({ length: 10 }, (_, n) => ({
          tenantId,
          userId: 'alice',
          id: randomUUID(),
          occurredAt: testNow,
          activityType: `type-${(worker + n) % 12}`,
        }));
        return storage.store.transaction(async (transaction) => {
          const named = await types.name(transaction, activities, testNow);
          await transaction.keepActivity(named.activities);
          await transaction.addActivity(named.activities, testNow);
        });
      }),
    );
    const counts = (await bucket(at))?.byType ?? [];
    const names = counts.map(({ activityType }) => `default/${activityType}`);
    expect(names.filter((name) => name !== 'default/other').toSorted()).toEqual(await known());
    expect(await known()).toHaveLength(5);
    expect(counts.reduce((sum, { count }) => sum + count, 0)).toBe(80);
  });

  it('need no statement if they are cached or their tenant has the maximum number of types', async () => {
    let claims = 0;
    const store = withTransactions(storage.store, ({ claimActivityTypes }) => ({
      claimActivityTypes(...given) {
        claims += 1;
        return claimActivityTypes(...given);
      },
    }));
    await count({ maxActivityTypes: 2 }, store);
    for (const type of ['click', 'login', 'click', 'invented', 'another']) {
      await log.append([click(type)]);
      await counts();
    }
    expect(claims).toBe(2);
  });

  it('are removed when no activity has them any more', async () => {
    await count({ maxActivityTypes: 1 });
    await log.append([click('click')]);
    await counts();
    const later = new Date(testNow.getTime() + 86_400_000);
    await storage.store.expire('activity', testNow, { dryRun: false });
    expect(await known()).toEqual(['default/click']);
    await storage.query('DELETE FROM user_activity_type');
    await storage.store.expire('activity', later, { dryRun: false });
    expect(await known()).toEqual([]);
  });
});

describe('an event that cannot be counted', () => {
  it('becomes a dead letter, and is counted when it is sent again', async () => {
    let isRefused = true;
    const store = withTransactions(storage.store, ({ addActivity }) => ({
      async addActivity(activities, now) {
        if (isRefused && activities.some(({ userId }) => userId === 'mallory'))
          throw new Error('no such bucket');
        await addActivity(activities, now);
      },
    }));
    await count({ batchSize: 10 }, store);
    const at = '2026-11-20T08:00:00Z';
    const events = Array.from({ length: 10 }, (_, n) => view(n === 3 ? 'mallory' : `user-${n}`, at));
    await log.append(events);
    await counts();
    expect(await bucket(at)).toMatchObject({ uniqueUsers: 9, pageViewCount: 9 });
    expect(await storage.store.deadLetters({ first: 10 })).toMatchObject([
      { errorCode: 'REJECTED_EVENT', errorMessage: 'no such bucket', tenantId, offset: 4n },
    ]);

    isRefused = false;
    await log.append(events);
    await counts();
    expect(await bucket(at)).toMatchObject({ uniqueUsers: 10, pageViewCount: 10 });
  });
});

describe('a counting worker', () => {
  const position = async () => log.lag(metricsGroup, counted);
  const rows = async () => (await storage.query('SELECT FROM user_activity_metrics')).length;

  it('commits its position only after the interval, when the batch is written', async () => {
    await count({ batchSize: 100, flushIntervalMs: 300 });
    const at = performance.now();
    await log.append([pageViewed()]);
    expect(await position()).toBe(1n);
    await counts();
    expect(performance.now() - at).toBeGreaterThan(250);
    expect(await rows()).toBe(3);
  });

  it('writes the batch at once when the batch is full', async () => {
    await count({ batchSize: 10 });
    await log.append(Array.from({ length: 9 }, () => pageViewed()));
    const other = await log.consume('other', counted, async () => {});
    await vi.waitFor(async () => expect(await log.lag('other', counted)).toBe(0n), waiting);
    expect(await rows()).toBe(0);
    await log.append([pageViewed()]);
    await counts();
    expect(await bucket('2026-11-20T00:00:00Z', 'DAY')).toMatchObject({ pageViewCount: 10 });
    await other.stop();
  });

  it('commits its position after records with nothing to count without writing a batch', async () => {
    const { store, flushes } = countingFlushes();
    await log.append(Array.from({ length: 2_000 }, () => itemViewed()));
    await count({ batchSize: 100 }, store);
    await counts();
    expect(flushes()).toBe(0);
  });

  it('writes the batch after a number of read records, so that the log can be pruned', async () => {
    const { store, flushes } = countingFlushes();
    const events = Array.from({ length: 3_000 }, (_, n) => (n % 100 === 0 ? pageViewed() : itemViewed()));
    await log.append(events);
    // The consumer reads 500 records at a time, so a batch is written after each read.
    await count({ batchSize: 300 }, store);
    await counts();
    expect(flushes()).toBe(6);
    expect(await bucket('2026-11-20T00:00:00Z', 'DAY')).toMatchObject({ pageViewCount: 30 });
    expect(await log.prune(new Date(Date.now() + 60_000))).toBe(events.length);
  });

  it('commits a position after a page view only after the page view is written', async () => {
    await log.append([pageViewed(), ...Array.from({ length: 600 }, () => itemViewed())]);
    const from = observedLog(log);
    const consumption = await count({ batchSize: 10_000 }, storage.store, from);
    await vi.waitFor(() => expect(from.handedOver()).toBe(601), waiting);
    expect(await position()).toBe(601n);
    await consumption.stop();
    expect(await position()).toBe(0n);
    expect(await rows()).toBe(3);
  });

  it('writes its batch when it stops', async () => {
    const consumption = await count({ batchSize: 100 });
    const handled = vi.waitFor(async () => {
      const [row] = await storage.query<{ n: number }>('SELECT count(*)::int AS n FROM log_position');
      expect(row?.n).toBe(1);
    }, waiting);
    await handled;
    await log.append([pageViewed()]);
    // The test cannot see when the consumer has read the record. It calls `stop` until the record is counted.
    await vi.waitFor(async () => {
      await consumption.stop();
      expect(await position()).toBe(0n);
    }, waiting);
    expect(await rows()).toBe(3);
  });

  it('waits while the database is unreachable, and counts an event once if the answer of a commit was lost', async () => {
    const store = awayFor(storage.store, 6);
    await count({}, store);
    await log.append([pageViewed(), pageViewed()]);
    await counts();
    expect(store.failuresLeft()).toBe(0);
    expect(await bucket('2026-11-20T00:00:00Z', 'DAY')).toMatchObject({ pageViewCount: 2 });
  });

  it('counts a repeated event twice without the mark that says that it was counted (control)', async () => {
    const forgetful = withTransactions(storage.store, () => ({
      claimCounted: async (activities) => activities.map(() => true),
    }));
    const store = awayFor(forgetful, 1);
    await count({}, store);
    await log.append([pageViewed()]);
    await counts();
    expect(await bucket('2026-11-20T00:00:00Z', 'DAY')).toMatchObject({ pageViewCount: 2 });
  });

  it('does not delay the projections if counting is slow', async () => {
    let release: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = withTransactions(storage.store, ({ claimCounted }) => ({
      claimCounted: (events, now) => held.then(() => claimCounted(events, now)),
    }));
    await count({}, slow);
    await project();
    await log.append([pageViewed()]);
    const alice = { tenantId, userId: 'alice' };
    await vi.waitFor(async () => expect(await storage.store.countPageViews(alice, {})).toBe(1), waiting);
    expect(await rows()).toBe(0);
    release();
    await counts();
  });

  it('counts every event once with several workers whose sessions are killed', async () => {
    await project();
    const logs = [openLog(), openLog(), openLog()];
    for (const one of logs) await count({ batchSize: 40, flushIntervalMs: 50 }, storage.store, one);
    const users = Array.from({ length: 30 }, (_, n) => `user-${n}`);
    const sent: Event[] = [];
    for (let round = 0; round < 12; round += 1) {
      const fresh = users.map((userId, n) => {
        const occurredAt = new Date(testNow.getTime() - (n % 7) * 40_000 - round * 11 * 60_000);
        return n % 5 === 0 ? activityRecorded({ userId, occurredAt }) : pageViewed({ userId, occurredAt });
      });
      // Sends some events again, and some of these events long after their first time.
      const repeats = sent.filter((_, n) => n % 9 === round % 9);
      sent.push(...fresh);
      // The session of the producer is killed too. The producer then repeats events that the log may already
      // have.
      await vi.waitFor(() => log.append([...fresh, ...repeats]), waiting);
      if (round % 3 === 0) {
        await storage.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE application_name IN ($1, 'unseen') AND datname = current_database() AND pid <> pg_backend_pid()`,
          [`unseen consumer ${metricsGroup}`],
        );
      }
    }
    await vi.waitFor(async () => {
      for (const group of ['unseen-projections', metricsGroup])
        expect(await log.lag(group, Object.values(topics))).toBe(0n);
    }, waiting);
    expect(await metricsDrift(storage.query)).toEqual([]);
    const [total] = await storage.query<{ n: number }>(
      `SELECT sum(count)::int AS n FROM user_activity_type WHERE granularity = 'DAY'`,
    );
    expect(total?.n).toBe(sent.length);
    for (const one of logs) await one.close();
  });

  it('counts the same events once if several transactions add them at the same time', async () => {
    const events = Array.from({ length: 200 }, (_, n) => pageViewed({ userId: `user-${n % 17}` }));
    const activities = events.map(({ userId, id, occurredAt }) => ({
      tenantId,
      userId,
      id,
      occurredAt,
      activityType: 'page_view',
    }));
    await storage.store.preparePageViews([testNow]);
    await Promise.all(
      Array.from({ length: 6 }, () =>
        storage.store.transaction(async (transaction) => {
          const claims = await transaction.claimCounted(activities, testNow);
          await transaction.addActivity(
            activities.filter((_, n) => claims[n]),
            testNow,
          );
        }),
      ),
    );
    for (const granularity of granularities) {
      const start = granularity === 'DAY' ? '2026-11-20T00:00:00Z' : '2026-11-20T09:00:00Z';
      expect(await bucket(start, granularity)).toMatchObject({ pageViewCount: 200, uniqueUsers: 17 });
    }
  });
});
