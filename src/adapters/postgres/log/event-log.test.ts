import { describe, expect, inject, it, vi } from 'vitest';
import { encode } from '../../../events/codec.ts';
import { keyOf, topicOf } from '../../../events/event.ts';
import { topics } from '../../../events/topic.ts';
import type { EventLog, LogRecord } from '../../../ports/event-log.ts';
import { silent } from '../../../ports/logger.ts';
import { type EventLogUnderTest, eventLogContract } from '../../../testing/contracts/event-log.ts';
import { pageViewed } from '../../../testing/event.ts';
import { openLine } from '../../../testing/line.ts';
import { withClient } from '../../../testing/postgres-server.ts';
import { openTestStorage, type TestStorage } from '../../../testing/storage.ts';
import { connect } from '../connection.ts';
import { createPostgresEventLog } from './event-log.ts';

const inbound = Object.values(topics);
const waiting = { timeout: 10_000, interval: 5 };

const consumerPids = `SELECT pid FROM pg_stat_activity WHERE application_name = 'unseen consumer ' || $1 AND datname = current_database()`;

async function openLog(): Promise<EventLogUnderTest & { readonly storage: TestStorage }> {
  const storage = await openTestStorage();
  const logs: EventLog[] = [];
  return {
    storage,
    open() {
      const { connection } = storage;
      const database = storage.connectAgain();
      const log = createPostgresEventLog({ database, connection, logger: silent }, { retryMs: 20 });
      logs.push(log);
      return log;
    },
    async durableIds() {
      const sql = `SELECT value::json ->> 'id' AS id FROM event_log ORDER BY "offset"`;
      return (await storage.query<{ id: string }>(sql)).map(({ id }) => id);
    },
    unstorable: () => pageViewed({ userId: 'a\0b' }),
    async appendRaw(value) {
      const sql = `
        WITH head AS (UPDATE log_head SET head = head + 1 RETURNING head)
        INSERT INTO event_log ("offset", topic, key, value, appended_at) SELECT head, 'incoming.user_activity', 'default/alice', $1, now() FROM head`;
      await storage.query(sql, [value]);
    },
    async cutConsumers(group) {
      return (await storage.query(`SELECT pg_terminate_backend(pid) FROM (${consumerPids}) AS them`, [group]))
        .length;
    },
    async makeCommitsSlow() {
      await storage.query(`
        CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(random() * 0.004); RETURN NULL; END $$`);
      // The trigger is deferred, so it runs during the commit.
      await storage.query(`
        CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON event_log DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION dawdle()`);
    },
    now: async () => (await storage.query<{ now: Date }>('SELECT clock_timestamp() AS now'))[0]?.now as Date,
    async close() {
      await Promise.all(logs.map((log) => log.close()));
      await storage.close();
    },
  };
}

describe('the Postgres event log', () => {
  eventLogContract(openLog, { denseOffsets: true, prunes: true, oneConsumerAtATime: true });
});

describe('the Postgres event log, beyond the contract of its port', () => {
  /** Runs a test with a new log. Closes the log after the test. */
  const withLog =
    (test: (underTest: Awaited<ReturnType<typeof openLog>>, log: EventLog) => Promise<void>) => async () => {
      const underTest = await openLog();
      try {
        await test(underTest, underTest.open());
      } finally {
        await underTest.close();
      }
    };
  /** Returns the number of events in each appending transaction, in order. */
  const batchSizes = async ({ query }: TestStorage) => {
    const sql = `SELECT count(*)::int AS size FROM event_log GROUP BY xmin ORDER BY min("offset")`;
    return (await query<{ size: number }>(sql)).map(({ size }) => size);
  };

  it(
    'combines the calls that arrive during a commit into the next commit, up to 500 events',
    withLog(async ({ storage }, log) => {
      await Promise.all(Array.from({ length: 1_200 }, () => log.append([pageViewed()])));
      const sizes = await batchSizes(storage);
      expect(sizes.reduce((sum, size) => sum + size)).toBe(1_200);
      expect(Math.max(...sizes)).toBe(500);
      expect(sizes.length).toBeLessThanOrEqual(4);
    }),
  );

  it(
    'stores all events of a call in one commit, even if they are many',
    withLog(async ({ storage }, log) => {
      await Promise.all([
        log.append([pageViewed()]),
        log.append(Array.from({ length: 501 }, () => pageViewed())),
        log.append([pageViewed()]),
      ]);
      expect(await batchSizes(storage)).toEqual([1, 501, 1]);
    }),
  );

  it(
    'rejects events over the limit of the queue with UNAVAILABLE, stores the accepted events, and accepts new events later',
    withLog(async ({ storage }, log) => {
      const blocker = await storage.connectAgain().pool.connect();
      await blocker.query('BEGIN');
      await blocker.query('SELECT FROM log_head FOR UPDATE');
      const event = pageViewed();
      const calls = Array.from({ length: 45 }, () => log.append(Array.from({ length: 500 }, () => event)));
      const settled = Promise.allSettled(calls);
      await expect(Promise.race(calls)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      await blocker.query('COMMIT');
      blocker.release();
      const kept = (await settled).filter(({ status }) => status === 'fulfilled').length;
      expect(kept).toBeGreaterThanOrEqual(40);
      expect(kept).toBeLessThan(45);
      expect(await batchSizes(storage)).toEqual(Array.from({ length: kept }, () => 500));
      await log.append([pageViewed()]);
    }),
  );

  it(
    'rejects with UNAVAILABLE while the database is unreachable, and works again when the database is reachable',
    withLog(async ({ storage }, log) => {
      const seen: LogRecord[] = [];
      await log.consume('reader', inbound, async (records) => void seen.push(...records));
      await log.append([pageViewed()]);
      const { connectionString } = inject('postgres');
      const name = new URL(storage.connection.connectionString).pathname.slice(1);
      await withClient(connectionString, async (client) => {
        await client.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
        await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [
          name,
        ]);
      });
      for (let attempt = 0; attempt < 3; attempt += 1) {
        await expect(log.append([pageViewed()])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
        await expect(log.prune(new Date())).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      }
      await withClient(connectionString, (client) =>
        client.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`),
      );
      await log.append([pageViewed()]);
      await vi.waitFor(() => expect(seen).toHaveLength(2), waiting);
    }),
  );

  it(
    'blocks neither vacuum nor notifications while a consumer waits for the lock of its group',
    withLog(async ({ open, storage }, log) => {
      const seen: LogRecord[] = [];
      for (const one of [log, open(), open()]) {
        await one.consume('group', inbound, async (records) => void seen.push(...records));
      }
      await log.append([pageViewed()]);
      await vi.waitFor(() => expect(seen).toHaveLength(1), waiting);
      const sql = `
        SELECT state, backend_xmin, backend_xid FROM pg_stat_activity
        WHERE state <> 'active' AND pid IN (${consumerPids})`;
      // A session that waits for a lock inside the database would be active instead of idle.
      await vi.waitFor(async () => {
        const idle = { state: 'idle', backend_xmin: null, backend_xid: null };
        expect(await storage.query(sql, ['group'])).toEqual([idle, idle, idle]);
      }, waiting);
    }),
  );

  it(
    'delivers an event that was stored even if the answer to the append was lost',
    withLog(async ({ storage }, log) => {
      const line = await openLine(storage.connection.connectionString);
      const { connection } = storage;
      const database = connect({ connectionString: line.connectionString }, { maxConnections: 2 });
      const cutOff = createPostgresEventLog({ database, connection, logger: silent });
      try {
        const seen: LogRecord[] = [];
        await cutOff.consume('reader', inbound, async (records) => void seen.push(...records));
        await cutOff.append([pageViewed()]);
        await vi.waitFor(() => expect(seen).toHaveLength(1), waiting);
        line.set('answerless');
        const event = pageViewed();
        await expect(cutOff.append([event])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
        await vi.waitFor(() => expect(seen).toHaveLength(2), waiting);
        line.set('up');
        await log.append([pageViewed()]);
        await vi.waitFor(() => expect(seen).toHaveLength(3), waiting);
      } finally {
        await cutOff.close();
        await database.close();
        await line.close();
      }
    }),
  );

  it(
    'sends no queries while there is nothing to consume',
    withLog(async ({ storage }, log) => {
      const seen: LogRecord[] = [];
      await log.consume('idle', inbound, async (records) => void seen.push(...records));
      await log.append([pageViewed()]);
      await vi.waitFor(() => expect(seen).toHaveLength(1), waiting);
      const sql = `SELECT state, state_change FROM pg_stat_activity WHERE pid IN (${consumerPids})`;
      const lastQuery = async () =>
        (await storage.query<{ state: string; state_change: Date }>(sql, ['idle']))[0];
      // This waits until the consumer has handled both wake-ups of the last append.
      await vi.waitFor(async () => {
        const before = await lastQuery();
        await storage.query('SELECT pg_sleep(0.2)');
        expect(await lastQuery()).toEqual(before);
      }, waiting);
      const before = await lastQuery();
      expect(before?.state).toBe('idle');
      await storage.query('SELECT pg_sleep(1.5)');
      expect(await lastQuery()).toEqual(before);
      await log.append([pageViewed()]);
      await vi.waitFor(() => expect(seen).toHaveLength(2), waiting);
    }),
  );

  /**
   * Runs two writers. The writer that appends first commits last. Returns whether a reader saw both records.
   */
  async function lateCommitIsSeen(
    { storage }: Awaited<ReturnType<typeof openLog>>,
    log: EventLog,
    appendSql: string,
  ): Promise<boolean> {
    const writers = storage.connectAgain().pool;
    const [late, early] = [await writers.connect(), await writers.connect()];
    const seen: LogRecord[] = [];
    await log.consume('reader', inbound, async (records) => void seen.push(...records));
    const values = () => {
      const event = pageViewed();
      return [[topicOf(event)], [keyOf(event)], [encode(event)]];
    };
    await late.query('BEGIN');
    await late.query(appendSql, values());
    const appended = early.query(appendSql, values());
    // With the lock, the second append waits for the first. Without the lock, the reader reads the second
    // record before the first commits.
    const waitsForLock = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    await vi.waitFor(async () => {
      if (seen.length === 0) expect(await storage.query(waitsForLock)).toHaveLength(1);
    }, waiting);
    await late.query('COMMIT');
    await appended;
    late.release();
    early.release();
    await log.append([pageViewed()]);
    await vi.waitFor(() => expect(seen.length).toBeGreaterThanOrEqual(2), waiting);
    const newest = (await storage.query<{ head: string }>('SELECT max("offset") AS head FROM event_log'))[0]
      ?.head;
    await vi.waitFor(() => expect(String(seen.at(-1)?.offset)).toBe(newest), waiting);
    return seen.length === 3;
  }

  /**
   * Consumes with two groups of one process and collects the records of each. The group `follower` receives
   * records ahead. `hold` delays the group `leader`.
   */
  async function consumeTogether(log: EventLog, hold: () => Promise<void> | void) {
    const led: LogRecord[] = [];
    const followed: LogRecord[] = [];
    await log.consume('leader', inbound, async (records) => {
      led.push(...records);
      await hold();
    });
    await log.consume('follower', inbound, async (records) => void followed.push(...records), { ahead: 100 });
    return { led, followed };
  }

  it(
    'reuses the records that one consumer has read for a consumer that receives records ahead',
    withLog(async ({ storage }, log) => {
      const { led, followed } = await consumeTogether(log, () => {});
      // Another log appends the records, as in another process. So both groups have to read them from the
      // database.
      const other = createPostgresEventLog({
        database: storage.connectAgain(),
        connection: storage.connection,
        logger: silent,
      });
      await other.append(Array.from({ length: 1_200 }, () => pageViewed()));
      await vi.waitFor(() => expect(followed).toHaveLength(1_200), waiting);
      await vi.waitFor(() => expect(led).toHaveLength(1_200), waiting);
      expect(followed.filter((record, n) => record === led[n]).length).toBeGreaterThanOrEqual(500);
      await other.close();
    }),
  );

  it(
    'delivers records to a consumer that receives records ahead even if another consumer is stuck',
    withLog(async (_, log) => {
      let release = () => {};
      const stuck = new Promise<void>((resolve) => {
        release = resolve;
      });
      const { led, followed } = await consumeTogether(log, () => stuck);
      const events = Array.from({ length: 1_200 }, () => pageViewed());
      for (let n = 0; n < 1_200; n += 400) await log.append(events.slice(n, n + 400));
      await vi.waitFor(() => expect(followed).toHaveLength(1_200), waiting);
      expect(followed.map(({ key }) => key)).toEqual(events.map(keyOf));
      expect(led.length).toBeLessThan(1_200);
      release();
    }),
  );

  const withLock = `
    WITH head AS (UPDATE log_head SET head = head + 1 RETURNING head)
    INSERT INTO event_log ("offset", topic, key, value, appended_at) SELECT head, ($1::text[])[1], ($2::text[])[1], ($3::text[])[1], now() FROM head`;
  const withoutLock = `
    WITH told AS (SELECT pg_notify('unseen_log', ''))
    INSERT INTO event_log ("offset", topic, key, value, appended_at) SELECT nextval('unordered'), ($1::text[])[1], ($2::text[])[1], ($3::text[])[1], now() FROM told`;

  it(
    'delivers a record that was appended first and committed last',
    withLog(async (underTest, log) => {
      expect(await lateCommitIsSeen(underTest, log, withLock)).toBe(true);
    }),
  );

  it(
    'loses a record that was appended first and committed last if offsets are assigned without the lock (control: the check above can fail)',
    withLog(async (underTest, log) => {
      await underTest.storage.query('CREATE SEQUENCE unordered START 1');
      await underTest.storage.query('UPDATE log_head SET head = 100');
      expect(await lateCommitIsSeen(underTest, log, withoutLock)).toBe(false);
    }),
  );
});
