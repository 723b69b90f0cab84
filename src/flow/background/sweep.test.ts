import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import { createPostgresEventLog } from '../../adapters/postgres/log/event-log.ts';
import { AppError } from '../../domain/error.ts';
import { progressOf } from '../../domain/limit.ts';
import { notificationCreatedTopic, topics } from '../../events/topic.ts';
import { noBadgeCache } from '../../ports/badge-cache.ts';
import type { EventLog } from '../../ports/event-log.ts';
import { silent } from '../../ports/logger.ts';
import {
  activityRecorded,
  createTestClock,
  notificationSent,
  pageViewed,
  rawRecord,
  recordsOf,
  testNow,
} from '../../testing/event.ts';
import { historyOf, limitRecord, wireLimitEvent } from '../../testing/limit.ts';
import { shuffled } from '../../testing/limit-fixture.ts';
import { drift } from '../../testing/recount.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createAct } from '../act/act.ts';
import { createProject } from '../apply/project.ts';
import { createRebuild, type RebuiltLimits } from './rebuild.ts';
import { createSchedule } from './schedule.ts';
import { createSweep, expireAll, type Retention } from './sweep.ts';

let storage: TestStorage;
let log: EventLog;
beforeEach(async () => {
  storage = await openTestStorage();
  log = createPostgresEventLog({
    database: storage.database,
    connection: storage.connection,
    logger: silent,
  });
});
afterEach(async () => {
  vi.useRealTimers();
  await log.close();
  await storage.close();
});

const retention: Retention = {
  pageViews: 183,
  activity: 183,
  itemViews: 367,
  earlyItemViews: 1,
  changes: 7,
  limitHistory: 1_095,
  notifications: 90,
  marks: 30,
  idempotencyKeys: 30,
  deadLetters: 60,
  log: 7,
};

const partitions = async () =>
  (
    await storage.query<{ name: string }>(
      `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'page_view'::regclass ORDER BY 1`,
    )
  ).map(({ name }) => name);
const logSize = async () => (await storage.query('SELECT FROM event_log')).length;

function sweepWith({ clock = createTestClock(), to = log, logger = silent } = {}) {
  const reconcile = { sample: async () => {} };
  return createSweep({ store: storage.store, log: to, reconcile, clock, logger }, { retention });
}

describe('the sweep', () => {
  it('creates the partitions of this month and the next month before `start` resolves, even in December', async () => {
    const sweep = sweepWith({ clock: createTestClock(new Date('2026-12-31T23:59:59.999Z')) });
    await sweep.start();
    sweep.stop();
    expect(await partitions()).toEqual(['page_view_2026_12', 'page_view_2027_01']);
  });

  it('creates the next partition and prunes the log every hour', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const [{ now } = { now: new Date() }] = await storage.query<{ now: Date }>('SELECT now()');
    const clock = createTestClock(now);
    let seen = 0;
    const reader = await log.consume('reader', Object.values(topics), async (records) => {
      seen += records.length;
    });
    // This topic is only for other systems, and no consumer group of Unseen reads it. The sweep must prune
    // the log nevertheless.
    await log.send([{ topic: notificationCreatedTopic, key: 'default/alice', value: Buffer.from('{}') }]);
    await log.append([pageViewed(), pageViewed()]);
    await vi.waitFor(() => expect(seen).toBe(2));
    await reader.stop();
    const sweep = sweepWith({ clock });
    await sweep.start();
    const before = await partitions();
    expect(await logSize()).toBe(3);

    clock.set(new Date(now.getTime() + 40 * 86_400_000));
    vi.advanceTimersByTime(3_600_000);
    await vi.waitFor(async () => expect(await logSize()).toBe(0));
    await vi.waitFor(async () => expect((await partitions()).length).toBeGreaterThan(before.length));
    sweep.stop();
  });

  it('removes changes of inboxes that are older than seven days', async () => {
    const clock = createTestClock();
    const user = { tenantId: 'default', userId: 'alice' };
    const changes = [8, 7, 0].map((days, n) => ({
      ...user,
      changeSeq: BigInt(n + 1),
      lastSeq: 1n,
      action: 'READ' as const,
      ids: [],
      stretch: null,
      changedAt: new Date(clock.now().getTime() - days * 86_400_000),
    }));
    await storage.store.transaction((transaction) => transaction.addChanges(changes));
    const sweep = sweepWith({ clock });
    await sweep.start();
    await vi.waitFor(async () =>
      expect(await storage.query('SELECT change_seq FROM inbox_change ORDER BY 1')).toEqual([
        { change_seq: '2' },
        { change_seq: '3' },
      ]),
    );
    sweep.stop();
  });

  it('sweeps the other kinds if one kind fails, retries this kind after an hour, and stores the results', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const clock = createTestClock();
    const error = vi.fn();
    await storage.store.preparePageViews([new Date('2026-01-01')]);
    await storage.query('CREATE VIEW needed AS SELECT * FROM page_view_2026_01');
    const sweep = sweepWith({ clock, logger: { ...silent, error } });
    await sweep.start();
    const succeeded = async () =>
      (await storage.store.sweeps()).flatMap(({ kind, succeededAt }) => (succeededAt ? [kind] : []));
    const others = [
      'activity',
      'changes',
      'deadLetters',
      'earlyItemViews',
      'idempotencyKeys',
      'itemViews',
      'limitHistory',
      'log',
    ];
    others.push('marks', 'notifications', 'partitions');
    await vi.waitFor(async () => expect(await succeeded()).toEqual(others));
    await vi.waitFor(() => expect(error).toHaveBeenCalledTimes(1));
    expect(error.mock.calls).toMatchObject([
      [{ kind: 'pageViews' }, 'a sweep failed; the next sweep catches up'],
    ]);

    await storage.query('DROP VIEW needed');
    clock.set(new Date(testNow.getTime() + 3_600_000));
    vi.advanceTimersByTime(3_600_000);
    await vi.waitFor(async () =>
      expect((await storage.store.sweeps()).find(({ kind }) => kind === 'pageViews')).toEqual({
        kind: 'pageViews',
        since: testNow,
        succeededAt: clock.now(),
      }),
    );
    expect(await partitions()).not.toContain('page_view_2026_01');
    sweep.stop();
  });

  it('logs a temporary failure as a warning, and as an error if the kind has failed for two days', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const clock = createTestClock();
    const [warn, error] = [vi.fn(), vi.fn()];
    const prune = () => Promise.reject(new AppError('UNAVAILABLE'));
    const sweep = sweepWith({ clock, to: { ...log, prune }, logger: { ...silent, warn, error } });
    await sweep.start();
    await vi.waitFor(() => expect(warn).toHaveBeenCalledTimes(1));
    clock.set(new Date(testNow.getTime() + 2 * 86_400_000 + 1));
    vi.advanceTimersByTime(3_600_000);
    await vi.waitFor(() => expect(error).toHaveBeenCalledTimes(1));
    expect(error.mock.calls).toMatchObject([[{ kind: 'log' }, expect.any(String)]]);
    sweep.stop();
  });

  it('continues after a failure, and starts without waiting until the log is pruned', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const error = vi.fn();
    const prune = vi.fn<EventLog['prune']>(() => Promise.reject(new Error('no')));
    const sweep = sweepWith({ to: { ...log, prune }, logger: { ...silent, error } });
    prune.mockImplementationOnce(() => new Promise(() => {}));
    await sweep.start();
    vi.advanceTimersByTime(3_600_000);
    await vi.waitFor(() => expect(error).toHaveBeenCalledTimes(1));
    vi.advanceTimersByTime(3_600_000);
    await vi.waitFor(() => expect(prune).toHaveBeenCalledTimes(3));
    sweep.stop();
    vi.advanceTimersByTime(36_000_000);
    expect(prune).toHaveBeenCalledTimes(3);
  });
});

describe('the removal of old rows', () => {
  const dayMs = 86_400_000;
  const ago = (days: number) => new Date(testNow.getTime() - days * dayMs);
  const clock = createTestClock();
  const alice = { tenantId: 'default', userId: 'alice' };
  const sizes = async () => {
    const tables = [
      'page_view',
      'user_activity',
      'user_activity_member',
      'user_activity_metrics',
      'user_activity_type',
    ];
    tables.push(
      'notification',
      'inbox_opening',
      'processed_event',
      'counted_event',
      'idempotency_key',
      'dead_letter',
    );
    const rows = tables.map((table) => storage.query(`SELECT FROM ${table}`));
    return Object.fromEntries((await Promise.all(rows)).map(({ length }, n) => [tables[n], length]));
  };

  /** Writes one row of each kind, with times of that day. */
  async function live(day: number): Promise<void> {
    const then = createTestClock(ago(day));
    const at = { occurredAt: then.now() };
    const { store } = storage;
    const deps = { store, pubSub: createLocalPubSub(), clock: then, logger: silent };
    const project = createProject(deps, { retentionDays: 183 });
    const act = createAct(deps);
    const view = pageViewed(at);
    await project.apply([
      ...recordsOf([view, notificationSent(at), notificationSent(at)], day * 10),
      rawRecord('poison', day * 10 + 9),
    ]);
    await act.openInbox(alice, undefined);
    const [newest] = await store.notifications(alice, { first: 1 });
    await act.markNotifications(alice, {
      action: 'READ',
      which: { ids: [newest?.id as string] },
    });
    const click = activityRecorded(at);
    await store.transaction(async (transaction) => {
      const activities = [view, click].map((event) => ({
        ...event,
        activityType: event.type === 'pageViewed' ? 'page_view' : 'click',
      }));
      await transaction.claimCounted(activities, then.now());
      await transaction.addActivity(await transaction.keepActivity(activities), then.now());
    });
    const key = { ...alice, caller: 'user:alice', mutation: 'm', key: String(day), digest: 'd' };
    await store.bindKeys([key], then.now());
  }

  it('removes the rows of each kind after its retention, and a dry run only counts the rows', async () => {
    for (const day of [250, 100, 45, 10]) await live(day);
    const before = await sizes();
    const dryRun = await expireAll({ store: storage.store, clock }, retention, { dryRun: true });
    expect(await sizes()).toEqual(before);
    const found = Object.fromEntries(dryRun.map(({ kind, removed }) => [kind, removed]));
    expect(found).toMatchObject({ pageViews: 1, marks: 3 * 5, idempotencyKeys: 3, deadLetters: 2 });

    const swept = await expireAll({ store: storage.store, clock }, retention, { dryRun: false });
    expect(swept.map(({ kind, removed }) => [kind, removed])).toEqual(
      // The row of an opening is removed together with the last notification that this opening marked as
      // seen.
      dryRun.map(({ kind, removed }) => [kind, removed]),
    );
    expect(await sizes()).toEqual({
      page_view: 3,
      user_activity: 3,
      user_activity_member: 9,
      user_activity_metrics: 9,
      user_activity_type: 18,
      // The remaining notifications are unread, or were read within 90 days.
      notification: 6,
      inbox_opening: 4,
      processed_event: 3,
      counted_event: 2,
      idempotency_key: 1,
      dead_letter: 2,
    });
    expect(await drift(storage.query)).toEqual([]);
    const again = await expireAll({ store: storage.store, clock }, retention, { dryRun: false });
    expect(again.map(({ removed }) => removed)).toEqual(again.map(() => 0));
  });

  it('does not remove a snoozed notification, even if it was read long ago', async () => {
    const pubSub = createLocalPubSub();
    const act = createAct({ store: storage.store, pubSub, clock, logger: silent });
    await live(100);
    const [read] = await storage.store.notifications(alice, { first: 1 });
    expect(read?.readAt).toEqual(ago(100));
    const until = new Date(testNow.getTime() + dayMs);
    await act.snooze({ ...alice, id: read?.id as string }, until, () => true);
    await expireAll({ store: storage.store, clock }, retention, { dryRun: false });
    const schedule = createSchedule({
      store: storage.store,
      pubSub,
      clock: createTestClock(until),
      logger: silent,
    });
    expect(await schedule.deliverDue()).toBe(1);
    await expireAll({ store: storage.store, clock: createTestClock(until) }, retention, { dryRun: false });
    const [newest] = await storage.store.notifications(alice, { first: 1 });
    expect(newest).toMatchObject({ id: read?.id, readAt: null, snoozedUntil: null });
  });

  it('does not remove the limit events that a limit and its progress depend on', async () => {
    const { store } = storage;
    const deps = { store, pubSub: createLocalPubSub(), clock, logger: silent };
    const wire = (n: number) => {
      const fields = { createdAt: ago(n > 30 ? 1_000 : 1_200).getTime() };
      const said = { nextResetTime: n === 12 ? testNow.getTime() : null };
      if (n === 1 || n === 3) return wireLimitEvent('USER_LIMIT_CREATED', n, said, fields);
      if (n === 21) return wireLimitEvent('USER_LIMIT_RESET', n, said, fields);
      return wireLimitEvent('USER_LIMIT_PROGRESS_CHANGED', n, { ...said, amount: String(n) }, fields);
    };
    const records = Array.from({ length: 35 }, (_, n) => limitRecord(wire(n + 1), n + 1));
    await createProject(deps, { retentionDays: 183 }).apply(shuffled(records));
    const history = async () =>
      (await historyOf(store, { ...alice, userLimitId: 'limit-1' })).map(
        ({ sequence, type, progressAfter }) => `${sequence} ${type} ${progressAfter}`,
      );
    const before = await history();
    const limit = await store.limits([alice]);

    const dryRun = await store.expire('limitHistory', ago(1_095), { dryRun: true });
    expect(await store.expire('limitHistory', ago(1_095), { dryRun: false })).toBe(dryRun);
    const left = await history();
    // The remaining events are the definitions with the event before the later definition, the next and the
    // last reset with the events before them, and the last old event.
    const stays = [1, 2, 3, 11, 12, 20, 21, 30, 31, 32, 33, 34, 35];
    expect(left).toEqual(before.filter((line) => stays.includes(Number.parseInt(line, 10))));
    expect(dryRun).toBe(35 - stays.length);
    expect(await store.expire('limitHistory', ago(1_095), { dryRun: false })).toBe(0);

    const rebuild = createRebuild({ ...deps, log, cache: noBadgeCache }, { logRetentionDays: 7 });
    const found: RebuiltLimits[] = [];
    await rebuild.limits({ dryRun: true }, (some) => found.push(some));
    expect(found).toEqual([{ checked: 1, differed: 0, unfounded: 0 }]);
    await storage.query('DELETE FROM user_limit');
    await rebuild.limits({ dryRun: false }, () => {});
    expect(await store.limits([alice])).toEqual(limit);
  });

  it('does not remove the definitions that progress depends on, even after many later definitions', async () => {
    const { store } = storage;
    const deps = { store, pubSub: createLocalPubSub(), clock, logger: silent };
    const fields = { createdAt: ago(1_200).getTime() };
    const total = { previousProgress: '10', amount: '30', remainingAmount: '70' };
    const wires = Array.from({ length: 7 }, (_, n) =>
      n === 1
        ? wireLimitEvent('USER_LIMIT_PROGRESS_CHANGED', 2, total, fields)
        : wireLimitEvent('USER_LIMIT_CREATED', n + 1, n === 0 ? {} : { value: String(n) }, fields),
    );
    const records = wires.map((wire, n) => limitRecord(wire, n));
    await createProject(deps, { retentionDays: 183 }).apply(shuffled(records));
    const [limited] = await store.limits([alice]);
    expect(limited?.limits.map((limit) => [progressOf(limit), limit.older.length])).toEqual([['30', 4]]);
    await store.expire('limitHistory', ago(1_095), { dryRun: false });
    await storage.query('DELETE FROM user_limit');
    const rebuild = createRebuild({ ...deps, log, cache: noBadgeCache }, { logRetentionDays: 7 });
    await rebuild.limits({ dryRun: false }, () => {});
    expect((await store.limits([alice])).flatMap(({ limits }) => limits)).toMatchObject(
      (limited?.limits ?? []).map(({ version, ...limit }) => limit),
    );
  });

  it('does not wait for a lock, and the next sweep removes the rows that were locked', async () => {
    await live(100);
    const client = await storage.database.pool.connect();
    try {
      await client.query('BEGIN; SELECT FROM dead_letter FOR UPDATE');
      expect(await storage.store.expire('deadLetters', ago(60), { dryRun: false })).toBe(0);
      // A transaction that reads page views blocks the removal of partitions. The removal soon gives up.
      await client.query('SELECT FROM page_view');
      const dropping = storage.store.expire('pageViews', testNow, { dryRun: false });
      await expect(dropping).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
    expect(await storage.store.expire('deadLetters', ago(60), { dryRun: false })).toBe(1);
    expect(await storage.store.expire('pageViews', testNow, { dryRun: false })).toBe(1);
  });

  it('does not remove the openings that say when a remaining notification was seen', async () => {
    await live(250);
    const [, first] = await storage.store.notifications(alice, { first: 2 });
    expect(first?.seenAt).toEqual(ago(250));
    await expireAll({ store: storage.store, clock }, retention, { dryRun: false });
    const left = await storage.store.notifications(alice, { first: 2 });
    expect(left.map(({ seenAt }) => seenAt)).toEqual([ago(250)]);
  });
});
