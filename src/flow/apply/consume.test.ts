import pg from 'pg';
import { v7 as uuidV7 } from 'uuid';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import { createPostgresEventLog } from '../../adapters/postgres/log/event-log.ts';
import { AppError } from '../../domain/error.ts';
import { encode } from '../../events/codec.ts';
import type { Event } from '../../events/event.ts';
import type { EventLog } from '../../ports/event-log.ts';
import { silent } from '../../ports/logger.ts';
import type { Store } from '../../ports/store/store.ts';
import { createTestClock, notificationSent, pageViewed, testNow } from '../../testing/event.ts';
import { awayFor, withTransactions } from '../../testing/faults.ts';
import { drift } from '../../testing/recount.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createConsume, projectionGroup } from './consume.ts';
import { createProject } from './project.ts';

const waiting = { timeout: 15_000, interval: 10 };
const alice = { tenantId: 'default', userId: 'alice' };

let storage: TestStorage;
let log: EventLog;
const logs: EventLog[] = [];
beforeEach(async () => {
  storage = await openTestStorage();
  log = openLog();
  await storage.store.transaction((transaction) => transaction.ensureUsers([alice], testNow));
});
afterEach(async () => {
  await Promise.all(logs.splice(0).map((one) => one.close()));
  await storage.close();
});

/** Opens a log like another process does. */
function openLog(): EventLog {
  const { connection } = storage;
  const opened = createPostgresEventLog(
    { database: storage.connectAgain(), connection, logger: silent },
    { retryMs: 20 },
  );
  logs.push(opened);
  return opened;
}

/** Creates a worker that applies the log to the store. */
function work(
  options: { readonly store?: Store; readonly log?: EventLog; readonly maxLockedMs?: number } = {},
) {
  const { store = storage.store, log: from = log, maxLockedMs } = options;
  const project = createProject(
    { store, pubSub: createLocalPubSub(), clock: createTestClock(), logger: silent },
    { retentionDays: 183 },
  );
  const settings = { maxBackoffMs: 20, ...(maxLockedMs !== undefined && { maxLockedMs }) };
  return createConsume({ log: from, project, logger: silent }, settings).start();
}

/** Appends a record that no codec of Unseen writes. */
async function appendRaw(value: string): Promise<void> {
  const sql = `
    WITH head AS (UPDATE log_head SET head = head + 1 RETURNING head)
    INSERT INTO event_log ("offset", topic, key, value, appended_at) SELECT head, 'incoming.user_activity', 'default/alice', $1, now() FROM head`;
  await storage.query(sql, [value]);
}

const deadLetters = () =>
  storage.query<{
    error_code: string;
    tenant_id: string;
    attempts: number;
    payload: Buffer;
    error_message: string;
  }>('SELECT * FROM dead_letter ORDER BY "offset"');
const position = async () =>
  Number((await storage.query<{ position: string }>('SELECT position FROM log_position'))[0]?.position ?? 0);
const head = async () =>
  Number((await storage.query<{ head: string }>('SELECT head FROM log_head'))[0]?.head);
const views = (key = alice) => storage.store.countPageViews(key, {});

/** Resolves when the worker has handled every record of the log. */
const caughtUp = () => vi.waitFor(async () => expect(await position()).toBe(await head()), waiting);

describe('a worker', () => {
  it('turns an event that the database refuses into a dead letter and applies the rest of the batch', async () => {
    // The worker can read the event, but PostgreSQL cannot store a date in the year 0.
    const poison = notificationSent({ occurredAt: new Date('0000-01-01T00:00:00Z') });
    const events: Event[] = Array.from({ length: 30 }, () => pageViewed());
    events.splice(11, 0, poison);
    events.splice(23, 0, { ...poison, id: uuidV7() });
    await log.append(events);
    await work();
    await caughtUp();
    expect(await views()).toBe(30);
    const kept = await deadLetters();
    expect(kept).toMatchObject([
      {
        error_code: 'REJECTED_EVENT',
        tenant_id: 'default',
        attempts: 1,
        topic: 'create-user-notification-command',
        offset: '12',
      },
      { error_code: 'REJECTED_EVENT', tenant_id: 'default', offset: '24' },
    ]);
    expect(kept[0]?.payload.toString()).toBe(encode(poison));
    expect(kept[0]?.error_message).toContain('out of range');
  });

  it('turns unreadable records into dead letters and applies the later records', async () => {
    await appendRaw('{ not json');
    await log.append([pageViewed()]);
    await appendRaw(JSON.stringify({ ...pageViewed(), userId: '' }));
    await log.append([pageViewed()]);
    await work();
    await caughtUp();
    expect(await views()).toBe(2);
    const kept = (await deadLetters()).map(({ payload }) => payload.toString());
    expect(kept).toEqual(['{ not json', expect.stringContaining('"userId":""')]);
  });

  it('retries while the database is unreachable, and writes no dead letter', async () => {
    const store = awayFor(storage.store, 25);
    await work({ store });
    await log.append([notificationSent(), pageViewed(), notificationSent()]);
    await caughtUp();
    expect(store.failuresLeft()).toBe(0);
    expect(await views()).toBe(1);
    expect(await storage.store.inboxes([alice])).toMatchObject([{ unseen: 2, version: 2 }]);
    expect(await deadLetters()).toEqual([]);
  });

  it('applies a batch in parts if the whole batch takes too long, and writes no dead letter', async () => {
    const store = withTransactions(storage.store, ({ claimEvents }) => ({
      claimEvents: (events, now) =>
        events.length > 3
          ? Promise.reject(new AppError('UNAVAILABLE', 'It takes too long.'))
          : claimEvents(events, now),
    }));
    await log.append(Array.from({ length: 20 }, (_, n) => (n % 2 ? pageViewed() : notificationSent())));
    await work({ store });
    await caughtUp();
    expect(await views()).toBe(10);
    expect(await storage.store.inboxes([alice])).toMatchObject([{ unseen: 10, lastSeq: 10n }]);
    expect(await deadLetters()).toEqual([]);
  });

  describe('with a record that takes longer than a statement may take', () => {
    const send = (title: string) =>
      notificationSent({ data: { category: 'general', severity: 'NORMAL', title } });
    const mixed = () => Array.from({ length: 40 }, (_, n) => send(n === 17 ? 'slow' : 'fast'));

    /** Makes the database refuse notifications with this title, with the error of a statement timeout. */
    const slowDown = async (title: string) => {
      await storage.query(`
        CREATE FUNCTION take_too_long() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE 'canceling statement due to statement timeout' USING ERRCODE = '57014'; END $$`);
      await storage.query(`
        CREATE TRIGGER slow BEFORE INSERT ON notification FOR EACH ROW
        WHEN (NEW.title LIKE '${title}') EXECUTE FUNCTION take_too_long()`);
    };

    it('turns the record into a dead letter after 4 attempts and applies the other records', async () => {
      await slowDown('slow');
      let tries = 0;
      const store = withTransactions(storage.store, ({ addNotifications }) => ({
        addNotifications(rows) {
          if (rows.some(({ title }) => title === 'slow')) tries += 1;
          return addNotifications(rows);
        },
      }));
      await log.append(mixed());
      await work({ store });
      await caughtUp();
      expect(tries).toBe(4);
      expect(await deadLetters()).toMatchObject([
        { error_code: 'TOO_SLOW', offset: '18', tenant_id: 'default' },
      ]);
      expect(await storage.store.inboxes([alice])).toMatchObject([{ unseen: 39, lastSeq: 39n }]);
    });

    it('retries while the whole database is slow, and writes no dead letter', async () => {
      await slowDown('%');
      let probes = 0;
      const store: Store = {
        ...storage.store,
        probe: () => {
          probes += 1;
          return Promise.reject(new AppError('UNAVAILABLE', 'The database is slow, says the test.'));
        },
      };
      await log.append(mixed());
      await work({ store });
      await vi.waitFor(() => expect(probes).toBeGreaterThan(20), waiting);
      expect(await position()).toBe(0);
      await storage.query('DROP TRIGGER slow ON notification');
      await caughtUp();
      expect(await deadLetters()).toEqual([]);
      expect(await storage.store.inboxes([alice])).toMatchObject([{ unseen: 40, lastSeq: 40n }]);
    });
  });

  describe('while another transaction holds a lock', () => {
    const bob = { tenantId: 'default', userId: 'bob' };
    const sent = () => [bob, alice].map(({ userId }) => notificationSent({ userId }));
    const unseen = async (key: typeof alice) => (await storage.store.inboxes([key]))[0]?.unseen;

    /** Takes a lock. Resolves to a function that releases the lock. */
    async function holdLock(sql: string): Promise<() => Promise<void>> {
      const client = new pg.Client(storage.connection);
      await client.connect();
      await client.query('BEGIN');
      await client.query(sql);
      return () => client.end();
    }

    beforeEach(async () => {
      await storage.store.transaction(async (transaction) => {
        await transaction.ensureUsers([bob], testNow);
        await transaction.lockInboxes([bob], testNow);
      });
    });

    it('turns a record into a dead letter if its row stays locked, and applies the other records', async () => {
      const release = await holdLock(`SELECT FROM inbox WHERE user_id = 'bob' FOR UPDATE`);
      await log.append(sent());
      await work({ maxLockedMs: 0 });
      await caughtUp();
      expect(await deadLetters()).toMatchObject([{ error_code: 'TOO_SLOW', offset: '1' }]);
      expect([await unseen(alice), await unseen(bob)]).toEqual([1, 0]);
      await release();
    });

    it('waits for a locked table, and writes no dead letter', async () => {
      const release = await holdLock('LOCK TABLE notification IN SHARE MODE');
      let probes = 0;
      const store: Store = {
        ...storage.store,
        probe: () => {
          probes += 1;
          return storage.store.probe();
        },
      };
      await log.append(sent());
      await work({ store, maxLockedMs: 0 });
      await vi.waitFor(() => expect(probes).toBeGreaterThan(1), waiting);
      await release();
      await caughtUp();
      expect(await deadLetters()).toEqual([]);
      expect([await unseen(alice), await unseen(bob)]).toEqual([1, 1]);
    });
  });

  it('waits while a table is missing, and writes no dead letter', async () => {
    await storage.query('ALTER TABLE notification RENAME TO gone');
    await work();
    await log.append([notificationSent()]);
    const failedAttempts = `SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()`;
    await vi.waitFor(async () => {
      const [row] = await storage.query<{ xact_rollback: string }>(failedAttempts);
      expect(Number(row?.xact_rollback)).toBeGreaterThan(2);
    }, waiting);
    expect(await position()).toBe(0);
    await storage.query('ALTER TABLE gone RENAME TO notification');
    await caughtUp();
    expect(await storage.store.inboxes([alice])).toMatchObject([{ unseen: 1 }]);
    expect(await deadLetters()).toEqual([]);
  });

  it('stores notifications for users who do not exist, and applies the later records', async () => {
    const strangers = Array.from({ length: 20 }, (_, n) => notificationSent({ userId: `nobody-${n}` }));
    await log.append(strangers.flatMap((stranger) => [stranger, notificationSent()]));
    await work();
    await caughtUp();
    expect(await storage.store.inboxes([alice])).toMatchObject([{ unseen: 20 }]);
    expect(await storage.store.countWaiting()).toBe(20);
    expect(await deadLetters()).toEqual([]);
  });

  it('stops at an event of a newer version, which a newer worker then applies', async () => {
    const event = pageViewed();
    await log.append([pageViewed()]);
    const worker = await work();
    await caughtUp();
    await appendRaw(JSON.stringify({ ...event, schemaVersion: 2 }));
    await log.append([pageViewed()]);
    const logged = vi.fn();
    const project = createProject(
      { store: storage.store, pubSub: createLocalPubSub(), clock: createTestClock(), logger: silent },
      { retentionDays: 183 },
    );
    await worker.stop();
    const alarmed = createConsume(
      { log, project, logger: { ...silent, warn: (_, message) => logged(message) } },
      { maxBackoffMs: 20 },
    );
    const paused = await alarmed.start();
    await vi.waitFor(() => expect(logged.mock.calls.length).toBeGreaterThan(1), waiting);
    await paused.stop();
    expect(await views()).toBe(1);
    expect(await position()).toBe(1);
    expect(await deadLetters()).toEqual([]);
    // Simulates the upgrade of the worker.
    await storage.query('UPDATE event_log SET value = $1 WHERE "offset" = 2', [encode(event)]);
    await work();
    await caughtUp();
    expect(await views()).toBe(3);
  });

  it('can be stopped soon while the database is unreachable, and writes no dead letter', async () => {
    const store: Store = { ...storage.store, projection: () => Promise.reject(new AppError('UNAVAILABLE')) };
    const project = createProject(
      { store, pubSub: createLocalPubSub(), clock: createTestClock(), logger: silent },
      { retentionDays: 183 },
    );
    const warn = vi.fn();
    const consume = createConsume({ log, project, logger: { ...silent, warn } }, { maxBackoffMs: 60_000 });
    const consumption = await consume.start();
    await log.append([pageViewed()]);
    await vi.waitFor(() => expect(warn).toHaveBeenCalled(), waiting);
    const startedAt = performance.now();
    await consumption.stop();
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect(await deadLetters()).toEqual([]);
    await work();
    await caughtUp();
    expect(await views()).toBe(1);
  });
});

describe('an acknowledged event', () => {
  /**
   * Kills a worker in the middle of a batch and lets another worker take over. Resolves to whether every
   * event was applied.
   */
  async function survivesDeath(wrap: (log: EventLog) => EventLog): Promise<boolean> {
    const dead = defer();
    let isDead = false;
    const dying = withTransactions(storage.store, (transaction) => ({
      async claimEvents(events, now) {
        await transaction.claimEvents(events, now);
        isDead = true;
        await dead.promise;
        throw new AppError('UNAVAILABLE');
      },
    }));
    await log.append(Array.from({ length: 10 }, () => pageViewed()));
    void work({ log: wrap(openLog()), store: dying });
    await vi.waitFor(() => expect(isDead).toBe(true), waiting);
    // Waits until the dead worker can no longer write its position.
    await vi.waitFor(async () => {
      const sql = `SELECT FROM pg_stat_activity WHERE application_name LIKE 'unseen consumer%' AND state = 'idle' AND datname = current_database()`;
      expect(await storage.query(sql)).not.toEqual([]);
    }, waiting);
    await storage.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND (application_name LIKE 'unseen consumer%' OR state LIKE 'idle in transaction%')`,
    );
    await work({ log: openLog() });
    await caughtUp();
    const applied = await views();
    dead.resolve();
    return applied === 10;
  }

  it('is applied even if the worker dies, because the worker commits its position after the work', async () => {
    expect(await survivesDeath((from) => from)).toBe(true);
  });

  it('is lost if the worker commits its position before the work (control)', async () => {
    const hasty = (from: EventLog): EventLog => ({
      ...from,
      consume: (group, topics, handle) =>
        from.consume(group, topics, async (records, signal) => {
          void handle(records, signal).catch(() => {});
        }),
    });
    expect(await survivesDeath(hasty)).toBe(false);
  });

  it('is applied once while workers are killed repeatedly', async () => {
    const stores = [storage.store, storage.store, storage.store].map((store) => awayFor(store, 5));
    for (const store of stores) await work({ store, log: openLog() });
    let sent = 0;
    for (let round = 0; round < 8; round += 1) {
      const events = Array.from({ length: 40 }, (_, n) => (n % 4 ? pageViewed() : notificationSent()));
      sent += events.length;
      // A producer sends an event again if the producer does not know whether the log stored the event.
      await Promise.all(events.map((event) => vi.waitFor(() => log.append([event]), waiting)));
      await storage.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = $1`,
        [round % 2 ? 'unseen' : `unseen consumer ${projectionGroup}`],
      );
    }
    await caughtUp();
    expect(await views()).toBe((sent * 3) / 4);
    expect(await storage.store.inboxes([alice])).toMatchObject([{ unseen: sent / 4, version: sent / 4 }]);
    expect(await drift(storage.query)).toEqual([]);
    expect(await deadLetters()).toEqual([]);
  });
});

function defer() {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
