import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import { createPostgresEventLog } from '../../adapters/postgres/log/event-log.ts';
import type { Caller } from '../../domain/caller.ts';
import type { LimitThresholds } from '../../domain/limit-use.ts';
import { parseLimit } from '../../domain/serialized-limit.ts';
import type { Fields } from '../../events/record.ts';
import { topics } from '../../events/topic.ts';
import { noBadgeCache } from '../../ports/badge-cache.ts';
import { type Clock, systemClock } from '../../ports/clock.ts';
import type { EventLog } from '../../ports/event-log.ts';
import { silent } from '../../ports/logger.ts';
import type { MetricsDifference } from '../../ports/store/activity.ts';
import { activityRecorded, createTestClock, notificationSent, pageViewed } from '../../testing/event.ts';
import { observed } from '../../testing/faults.ts';
import { limitRecord, limitsOf, wireLimitEvent } from '../../testing/limit.ts';
import {
  limitFixture,
  limitFixtureTable,
  limitFixtureUsers,
  limitLine,
  shuffled,
} from '../../testing/limit-fixture.ts';
import { drift, metricsDrift } from '../../testing/recount.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createAct } from '../act/act.ts';
import { createConsume, projectionGroup } from '../apply/consume.ts';
import { createCount, metricsGroup } from '../apply/count.ts';
import { createProject } from '../apply/project.ts';
import { createRebuild } from './rebuild.ts';

const waiting = { timeout: 15_000, interval: 20 };
const dayMs = 86_400_000;
const clock = systemClock;
const pubSub = observed(createLocalPubSub());

let storage: TestStorage;
let log: EventLog;
beforeEach(async () => {
  storage = await openTestStorage();
  const { database, connection } = storage;
  log = createPostgresEventLog({ database, connection, logger: silent }, { retryMs: 20 });
});
afterEach(async () => {
  await log.close();
  await storage.close();
});

const common = () => ({ store: storage.store, log, pubSub, clock, logger: silent });
const workers = () => ({ ...common(), project: createProject(common(), { retentionDays: 183 }) });
const project = () => createConsume(workers()).start();
const count = (flushIntervalMs = 20) =>
  createCount(workers(), { retentionDays: 183, flushIntervalMs, batchSize: 1_000 }).start();
const passed = (group: string) =>
  vi.waitFor(async () => expect(await log.lag(group, Object.values(topics))).toBe(0n), waiting);
const ago = (ms: number) => new Date(clock.now().getTime() - ms);

/** Returns events of two tenants in the last days. */
function events(count: number) {
  return Array.from({ length: count }, (_, n) => {
    const occurredAt = ago((n % 50) * 3_600_000 + n * 7_000);
    const of = { userId: `user-${n % 13}`, tenantId: n % 9 === 0 ? 'other' : 'default', occurredAt };
    return n % 5 === 0 ? activityRecorded(of) : pageViewed(of);
  });
}

const nothing: MetricsDifference = {
  buckets: 0,
  pageViewsCounted: 0,
  pageViewsKept: 0,
  types: 0,
  membersMissing: 0,
  membersSurplus: 0,
};

const percents = [80, 100];
const limitThresholds: LimitThresholds = {
  BALANCE: percents,
  BET: percents,
  DEPOSIT: percents,
  LOSS: percents,
  SESSION: percents,
  UNKNOWN: percents,
};

const rebuild = (at: Clock = clock) =>
  createRebuild({ ...common(), clock: at, cache: noBadgeCache }, { logRetentionDays: 7, limitThresholds });

async function rebuildMetrics(dryRun = false): Promise<MetricsDifference> {
  const days: MetricsDifference[] = [];
  const range = { from: ago(3 * dayMs), to: clock.now() };
  const ran = await rebuild().metrics(range, { dryRun }, ({ difference }) => days.push(difference));
  expect(ran).toBe(true);
  expect(days.length).toBeGreaterThanOrEqual(4);
  const sum = (key: keyof MetricsDifference) => days.reduce((total, day) => total + day[key], 0);
  return Object.fromEntries(
    Object.keys(nothing).map((key) => [key, sum(key as keyof MetricsDifference)]),
  ) as never;
}

describe('a rebuild of the metrics', () => {
  it('finds no difference in correct metrics, and repairs damaged metrics', async () => {
    await project();
    await count();
    await log.append(events(300));
    await Promise.all([passed(projectionGroup), passed(metricsGroup)]);
    expect(await rebuildMetrics(true)).toEqual(nothing);

    await storage.query(
      `UPDATE user_activity_metrics SET unique_users = unique_users + 1 WHERE granularity = 'DAY'`,
    );
    await storage.query(
      `DELETE FROM user_activity_metrics WHERE granularity = 'HOUR' AND tenant_id = 'other'`,
    );
    await storage.query(`UPDATE user_activity_type SET count = 99 WHERE granularity = 'MINUTE'`);
    await storage.query(`DELETE FROM user_activity_type WHERE granularity = 'HOUR'`);
    await storage.query(`DELETE FROM user_activity_member WHERE user_id = 'user-3'`);
    await storage.query(`INSERT INTO user_activity_member SELECT tenant_id, granularity, bucket_start, 'nobody'
      FROM user_activity_metrics WHERE granularity = 'DAY'`);
    const damage = await metricsDrift(storage.query);
    expect(damage.length).toBeGreaterThan(100);

    const found = await rebuildMetrics(true);
    expect(Math.min(found.buckets, found.types, found.membersMissing, found.membersSurplus)).toBeGreaterThan(
      0,
    );
    expect(await metricsDrift(storage.query)).toEqual(damage);
    expect(await rebuildMetrics()).toEqual(found);
    expect(await metricsDrift(storage.query)).toEqual([]);
    expect(await rebuildMetrics()).toEqual(nothing);
  });

  it('sets a bucket without activity to 0, and then finds no difference', async () => {
    await storage.query(`INSERT INTO user_activity_metrics VALUES ('default', 'DAY', $1, 7, 7, 5, now())`, [
      new Date(Math.floor(Date.now() / dayMs) * dayMs),
    ]);
    expect(await rebuildMetrics()).toMatchObject({ buckets: 1, pageViewsCounted: 0, pageViewsKept: 7 });
    expect(await rebuildMetrics()).toEqual(nothing);
    expect(await storage.query('SELECT unique_users, version::int FROM user_activity_metrics')).toEqual([
      { unique_users: 0, version: 6 },
    ]);
  });

  it('does not count activity that a worker has not written yet', async () => {
    await project();
    const counting = await count(60_000);
    await log.append(events(100));
    await passed(projectionGroup);
    expect(await rebuildMetrics()).toEqual(nothing);
    expect(await storage.query('SELECT FROM user_activity_metrics')).toEqual([]);
    // A worker that stops writes its batch.
    await vi.waitFor(async () => {
      await counting.stop();
      await (await count()).stop();
      expect(await log.lag(metricsGroup, Object.values(topics))).toBe(0n);
    }, waiting);
    expect(await metricsDrift(storage.query)).toEqual([]);
  });

  it('finds and causes no difference during live traffic', async () => {
    await project();
    await count();
    // The projections catch up between two appends.
    let done = false;
    const traffic = (async () => {
      for (; !done; await delay(30)) await log.append(events(40));
    })();
    for (let round = 0; round < 4; round += 1) expect(await rebuildMetrics()).toEqual(nothing);
    done = true;
    await traffic;
    await Promise.all([passed(projectionGroup), passed(metricsGroup)]);
    expect(await metricsDrift(storage.query)).toEqual([]);
  });

  it('counts page views that are older than the metrics and no longer in the log', async () => {
    await project();
    await log.append(events(60));
    await passed(projectionGroup);
    await storage.query(`UPDATE page_view SET received_at = received_at - interval '8 days'`);
    const { membersMissing } = await rebuildMetrics();
    expect(membersMissing).toBeGreaterThan(0);
    expect(await metricsDrift(storage.query)).toEqual([]);
  });

  it('is refused while another rebuild runs, and rejects if the projections do not catch up', async () => {
    await storage.store.exclusively('unseen rebuild metrics', async () => {
      expect(await rebuild().metrics({ from: ago(1), to: clock.now() }, { dryRun: true }, () => {})).toBe(
        false,
      );
    });
    await log.append(events(1));
    const impatient = createRebuild(
      { ...common(), cache: noBadgeCache },
      { logRetentionDays: 7, attempts: 1 },
    );
    const range = { from: ago(1), to: clock.now() };
    await expect(impatient.metrics(range, { dryRun: true }, () => {})).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('projections are behind'),
    });
  });
});

describe('a rebuild of the badges', () => {
  it('repairs and publishes badges that differ from their rows, and a dry run only reports these badges', async () => {
    const users = Array.from({ length: 450 }, (_, n) => ({ tenantId: 'default', userId: `user-${n}` }));
    await storage.store.transaction((transaction) => transaction.ensureUsers(users, clock.now()));
    await project();
    await log.append(users.map((user) => notificationSent(user)));
    await passed(projectionGroup);
    await storage.query(`UPDATE inbox SET unseen = unseen + 3, unread = 0 WHERE user_id LIKE '%7'`);
    const damage = (await drift(storage.query)).length;
    expect(damage).toBe(45);
    const run = async (dryRun: boolean) => {
      let [checked, differed] = [0, 0];
      await rebuild().badges({ dryRun }, (some) => {
        checked += some.checked;
        differed += some.differed;
      });
      return { checked, differed };
    };
    expect(await run(true)).toEqual({ checked: 450, differed: 45 });
    expect(await drift(storage.query)).toHaveLength(damage);
    const published = pubSub.published.length;
    expect(await run(false)).toEqual({ checked: 450, differed: 45 });
    expect(pubSub.published.length - published).toBe(45);
    expect(await drift(storage.query)).toEqual([]);
    expect(await run(false)).toEqual({ checked: 450, differed: 0 });
  });
});

describe('a rebuild of the limits', () => {
  const at = createTestClock();
  let offset = 0;
  const apply = (wires: readonly Fields[], tenantId = 'default') =>
    createProject({ ...common(), clock: at }, { retentionDays: 183, limitThresholds }).apply(
      wires.map((wire) => ({
        ...limitRecord(wire, ++offset),
        key: `${tenantId}/${wire['aggregateId']}`,
      })),
    );
  const progress = (sequence: number, amount: string, payload: Fields = {}) =>
    wireLimitEvent('USER_LIMIT_PROGRESS_CHANGED', sequence, { amount, ...payload });

  async function run(dryRun = false) {
    const found = { checked: 0, differed: 0, unfounded: 0 };
    const ran = await rebuild(at).limits({ dryRun }, (some) => {
      found.checked += some.checked;
      found.differed += some.differed;
      found.unfounded += some.unfounded;
    });
    expect(ran).toBe(true);
    return found;
  }
  const rows = async () =>
    (await storage.query(`SELECT * FROM user_limit ORDER BY tenant_id, user_id, user_limit_id`)).map(
      ({ version, updated_at, ...row }) => row,
    );
  const notices = async () => (await storage.query('SELECT FROM notification')).length;

  /**
   * Creates limits by records of the topic in any order, and by mutations. Some of these limits have
   * thresholds that were crossed, were redefined or reset, or have begun in the meantime. Resolves to the
   * number of limits.
   */
  async function limits(): Promise<number> {
    await apply(shuffled([...limitFixture, ...limitFixture]), 'other');
    const story = [
      wireLimitEvent('USER_LIMIT_CREATED', 1),
      progress(2, '95.00', { remainingAmount: '-0.00' }),
      wireLimitEvent('USER_LIMIT_CREATED', 3, { value: '500.00', nextResetTime: null }),
      progress(5, '410.00'),
    ];
    for (const wire of story) await apply([wire]);
    await apply([
      wireLimitEvent('USER_LIMIT_RESET', 4, { userLimitId: 'never-defined', unusedAmount: '-3.00' }),
      progress(6, '12', { userLimitId: 'never-defined' }),
      wireLimitEvent('USER_LIMIT_CREATED', 1, { userLimitId: 'long' }),
      ...Array.from({ length: 2_100 }, (_, n) => progress(n + 2, `0.${n}`, { userLimitId: 'long' })),
      ...Array.from({ length: 210 }, (_, n) => wireLimitEvent('USER_LIMIT_CREATED', n, { userId: `u-${n}` })),
    ]);
    const act = createAct({ ...common(), clock: at }, { limitThresholds });
    const caller: Caller = { role: 'service', subject: 'shop', tenantId: 'default', expiresAt: at.now() };
    const limit = { userId: 'alice', brandId: 'b', type: 'SESSION', period: 'CALENDAR_DAY' } as const;
    await act.createUserLimit(caller, { ...limit, userLimitId: 'by-hand', value: '3600' });
    await act.updateUserLimitProgress(caller, { userLimitId: 'by-hand', amount: '3000' });
    await act.createUserLimit(caller, { ...limit, userLimitId: 'by-hand', value: '1800' });
    await act.resetUserLimit(caller, { userLimitId: 'by-hand' });
    await act.updateUserLimitProgress(caller, { userLimitId: 'by-hand', amount: '1700' });
    const activeFrom = new Date(at.now().getTime() + 1_000);
    await act.createUserLimit(caller, { ...limit, userLimitId: 'begun', value: '1', activeFrom });
    at.set(activeFrom);
    return limitFixtureTable.length + 3 + 210 + 2;
  }

  it('finds no difference in correct limits, repairs damaged limits, and notifies no user again', async () => {
    const checked = await limits();
    // Simulates that the user was notified when other thresholds were configured.
    await storage.query(`UPDATE user_limit SET told_percent = 99 WHERE user_limit_id = 'by-hand'`);
    const right = await rows();
    expect(await run()).toEqual({ checked, differed: 0, unfounded: 0 });
    expect(await rows()).toEqual(right);
    const noticeCount = await notices();
    expect(noticeCount).toBeGreaterThanOrEqual(4);

    await storage.query(
      `UPDATE user_limit SET amount = 7, version = version + 1000000 WHERE user_limit_id = 'by-hand'`,
    );
    await storage.query(`UPDATE user_limit SET value = 1 WHERE user_id = 'u-7'`);
    await storage.query(`UPDATE user_limit SET change_sequence = 1e6 WHERE user_limit_id = 'long'`);
    await storage.query(`UPDATE user_limit SET next_reset_at = now() WHERE user_limit_id = 'never-defined'`);
    await storage.query(`UPDATE user_limit SET status = 'CANCELED', due_at = NULL WHERE user_id = 'u-9'`);
    await storage.query(
      `DELETE FROM user_limit WHERE user_limit_id = 'limit-1' AND user_id IN ('alice', 'u-8')`,
    );
    const damaged = await rows();
    const byHand = async () =>
      (await limitsOf(storage.store, [{ tenantId: 'default', userId: 'alice' }])).find(
        ({ userLimitId }) => userLimitId === 'by-hand',
      );
    const before = await byHand();
    expect(await run(true)).toEqual({ checked, differed: 7, unfounded: 0 });
    expect(await rows()).toEqual(damaged);

    const published = pubSub.published.length;
    expect(await run()).toEqual({ checked, differed: 7, unfounded: 0 });
    expect(await rows()).toEqual(right);
    const news = pubSub.published.slice(published).filter(({ topic }) => topic.startsWith('limit:'));
    expect(news).toHaveLength(7);
    const after = await byHand();
    expect(after?.version).toBeGreaterThan(before?.version as number);
    expect(parseLimit(news.find(({ value }) => value.includes('by-hand'))?.value ?? '')).toEqual(after);
    expect(await run()).toEqual({ checked, differed: 0, unfounded: 0 });

    await apply([progress(7, '420.00'), progress(8, '430.00')]);
    expect(await notices()).toBe(noticeCount);
    await apply([progress(9, '500.00')]);
    expect(await notices()).toBe(noticeCount + 1);
  });

  it('does not change limits with missing or unreadable events', async () => {
    const checked = await limits();
    await storage.query(`DELETE FROM user_limit_event WHERE user_id = 'u-7'`);
    await storage.query(`UPDATE user_limit_event SET raw = '{}' WHERE user_id = 'u-8'`);
    await storage.query(`UPDATE user_limit_event SET raw = 'cake' WHERE user_id = 'u-9'`);
    await storage.query(`DELETE FROM user_limit WHERE user_id = 'u-9'`);
    await storage.query(
      `DELETE FROM user_limit_event WHERE user_limit_id = 'by-hand' AND sequence_number = 5`,
    );
    const damaged = await rows();
    expect(await run()).toEqual({ checked, differed: 0, unfounded: 4 });
    expect(await rows()).toEqual(damaged);
  });

  it('finds and causes no difference during live traffic, and a second rebuild is refused', async () => {
    let done = false;
    const traffic = (async () => {
      for (const wire of shuffled([...limitFixture, ...limitFixture])) await apply([wire], 'other');
      done = true;
    })();
    while (!done) expect(await run()).toMatchObject({ differed: 0, unfounded: 0 });
    await traffic;
    const users = limitFixtureUsers.map((userId) => ({ tenantId: 'other', userId }));
    expect((await limitsOf(storage.store, users)).map(limitLine)).toEqual(limitFixtureTable);
    await storage.store.exclusively('unseen rebuild limits', async () => {
      expect(await rebuild(at).limits({ dryRun: true }, () => {})).toBe(false);
    });
  });
});
