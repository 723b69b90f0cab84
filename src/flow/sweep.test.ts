import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createPostgresEventLog } from '../adapters/postgres/event-log.ts';
import { notificationCreatedTopic, topics } from '../events/topic.ts';
import type { EventLog } from '../ports/event-log.ts';
import { silent } from '../ports/logger.ts';
import { createTestClock, pageViewed } from '../testing/event.ts';
import { openTestStorage, type TestStorage } from '../testing/storage.ts';
import { createSweep } from './sweep.ts';

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

const partitions = async () =>
  (
    await storage.query<{ name: string }>(
      `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'page_view'::regclass ORDER BY 1`,
    )
  ).map(({ name }) => name);
const logSize = async () => (await storage.query('SELECT FROM event_log')).length;

function sweepWith({ clock = createTestClock(), to = log, logger = silent } = {}) {
  const reconcile = { sample: async () => {} };
  return createSweep({ store: storage.store, log: to, reconcile, clock, logger }, { logRetentionDays: 7 });
}

describe('the sweep', () => {
  it('has the partitions of this month and the next ready when it has started, over the end of the year', async () => {
    const sweep = sweepWith({ clock: createTestClock(new Date('2026-12-31T23:59:59.999Z')) });
    await sweep.start();
    sweep.stop();
    expect(await partitions()).toEqual(['page_view_2026_12', 'page_view_2027_01']);
  });

  it('prepares the month after every hour, and prunes what is older than the retention', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const [{ now } = { now: new Date() }] = await storage.query<{ now: Date }>('SELECT now()');
    const clock = createTestClock(now);
    let seen = 0;
    const reader = await log.consume('reader', Object.values(topics), async (records) => {
      seen += records.length;
    });
    // Nobody consumes what is for other systems: it goes all the same.
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

  it('goes on after a failure, which it reports, and does not wait for the log to be pruned', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const warn = vi.fn();
    const prune = vi.fn<EventLog['prune']>(() => Promise.reject(new Error('no')));
    const sweep = sweepWith({ to: { ...log, prune }, logger: { ...silent, warn } });
    prune.mockImplementationOnce(() => new Promise(() => {}));
    await sweep.start();
    vi.advanceTimersByTime(3_600_000);
    await vi.waitFor(() => expect(warn).toHaveBeenCalledTimes(1));
    vi.advanceTimersByTime(3_600_000);
    await vi.waitFor(() => expect(prune).toHaveBeenCalledTimes(3));
    sweep.stop();
    vi.advanceTimersByTime(36_000_000);
    expect(prune).toHaveBeenCalledTimes(3);
  });
});
