import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import { createPostgresEventLog } from '../../adapters/postgres/log/event-log.ts';
import { createPostgresOutbox } from '../../adapters/postgres/tables/outbox.ts';
import { AppError } from '../../domain/error.ts';
import { notificationCreatedTopic } from '../../events/topic.ts';
import type { EventLog, OutgoingRecord } from '../../ports/event-log.ts';
import { silent } from '../../ports/logger.ts';
import type { Outbox } from '../../ports/outbox.ts';
import { createTestClock, testNow } from '../../testing/event.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createProject } from '../apply/project.ts';
import { createRelay, type Relay } from './relay.ts';

const waiting = { timeout: 15_000, interval: 10 };

let storage: TestStorage;
let log: EventLog;
const relays: Relay[] = [];
beforeEach(async () => {
  storage = await openTestStorage();
  const { database, connection } = storage;
  log = createPostgresEventLog({ database, connection, logger: silent });
});
afterEach(async () => {
  await Promise.all(relays.splice(0).map((relay) => relay.stop()));
  await log.close();
  await storage.close();
});

/**
 * Opens an outbox like another process does. The outbox does not poll, so a relay finds a record only after a
 * notification of the database.
 */
function openOutbox(): Outbox {
  const { connection } = storage;
  return createPostgresOutbox(
    { database: storage.connectAgain(), connection },
    { retryMs: 20, pollMs: 60_000 },
  );
}

function startRelay(
  options: { log?: EventLog; outbox?: Outbox; warn?: (fields: object) => void; restMs?: number } = {},
): Relay {
  const { log: to = log, outbox = openOutbox(), warn = () => {}, restMs = 50 } = options;
  const clock = createTestClock();
  const project = createProject(
    { store: storage.store, pubSub: createLocalPubSub(), clock, logger: silent },
    { retentionDays: 183 },
  );
  const relay = createRelay(
    { outbox, log: to, project, clock, logger: { ...silent, warn } },
    { maxBackoffMs: 50, restMs },
  );
  relays.push(relay);
  relay.start();
  return relay;
}

/** Returns records with the numbers `from` to `to`, both included. */
const numbered = (from: number, to: number): readonly OutgoingRecord[] =>
  Array.from({ length: to - from + 1 }, (_, n) => ({
    topic: 'news',
    key: 'a/b',
    value: Buffer.from(String(from + n)),
  }));
const range = (from: number, to: number) => numbered(from, to).map(({ value }) => Number(value?.toString()));

const write = (records: readonly OutgoingRecord[]) =>
  storage.store.transaction((transaction) => transaction.addOutgoing(records, testNow));

/** Returns the complete records of the log. */
const sent = () =>
  storage.query<{ topic: string; key: string | null; raw: Buffer | null; headers: object }>(
    'SELECT topic, key, raw, headers FROM event_log ORDER BY "offset"',
  );
const sentNumbers = async () => (await sent()).map(({ raw }) => Number(raw?.toString()));
const waitingNow = async () =>
  Number((await storage.query<{ count: string }>('SELECT count(*) FROM outbox'))[0]?.count);
const drained = () => vi.waitFor(async () => expect(await waitingNow()).toBe(0), waiting);

/** Ends the turns of all relays, like the death of their processes. */
const killSessions = () =>
  storage.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'unseen relay'`,
  );

/** A log that calls a function before and after each `send`. */
const around = (
  from: EventLog,
  { before, after }: { before?: () => Promise<void> | void; after?: () => Promise<void> | void },
): EventLog => ({
  ...from,
  async send(records) {
    await before?.();
    await from.send(records);
    await after?.();
  },
});

describe('the relay', () => {
  it('sends committed records unchanged and in order, and no record of a transaction that rolled back', async () => {
    startRelay();
    await write([
      { topic: 'a', key: null, value: null },
      {
        topic: 'b',
        key: 'x/y',
        value: Uint8Array.from([0, 255, 10]),
        headers: { one: '1', 'two "2"': 'ö\n' },
      },
    ]);
    const undone = storage.store.transaction(async (transaction) => {
      await transaction.addOutgoing(numbered(1, 3), testNow);
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    await drained();
    expect(await sent()).toEqual([
      { topic: 'a', key: null, raw: null, headers: {} },
      { topic: 'b', key: 'x/y', raw: Buffer.from([0, 255, 10]), headers: { one: '1', 'two "2"': 'ö\n' } },
    ]);
  });

  it('sends a single record at once, and the records soon after it together', async () => {
    let rounds = 0;
    const counted = around(log, {
      before() {
        rounds += 1;
      },
    });
    startRelay({ log: counted, restMs: 1_000 });
    await write(numbered(0, 0));
    await drained();
    for (let n = 1; n <= 5; n += 1) await write(numbered(n, n));
    await drained();
    expect(await sentNumbers()).toEqual(range(0, 5));
    expect(rounds).toBe(2);
  });

  it('keeps the order over many batches and transactions', async () => {
    startRelay();
    await write(numbered(1, 1_300));
    for (let n = 1_301; n <= 1_340; n += 1) await write(numbered(n, n));
    await drained();
    expect(await sentNumbers()).toEqual(range(1, 1_340));
  });

  it('wakes when any process commits a record', async () => {
    startRelay();
    await write(numbered(1, 1));
    await drained();
    await delay(100);
    const startedAt = performance.now();
    await write(numbered(2, 2));
    await drained();
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it('finds records a little later if no notification arrives', async () => {
    const { database, connection } = storage;
    startRelay({ outbox: createPostgresOutbox({ database, connection }, { pollMs: 50 }) });
    await delay(100);
    await storage.query(
      `INSERT INTO outbox (topic, value, headers, created_at) VALUES ('t', '1', '{}', now())`,
    );
    await drained();
    expect(await sentNumbers()).toEqual([1]);
  });

  it('replaces characters that PostgreSQL refuses, and sends the record', async () => {
    startRelay();
    await write([{ topic: 't', key: 'a\0b', value: Buffer.from('1'), headers: { 'h\0': '\0\ud800' } }]);
    await drained();
    expect(await sent()).toMatchObject([{ key: 'a\ufffdb', headers: { 'h\ufffd': '\ufffd\ufffd' } }]);
  });
});

describe('a relay that fails', () => {
  it('sends the records again if it dies between the send and the removal', async () => {
    let deaths = 2;
    const dying = around(log, {
      after: async () => {
        if (deaths-- > 0) await killSessions();
      },
    });
    startRelay({ log: dying });
    await write(numbered(1, 5));
    await drained();
    await write(numbered(6, 7));
    await drained();
    expect(await sentNumbers()).toEqual([...range(1, 5), ...range(1, 5), ...range(1, 5), 6, 7]);
  });

  /**
   * Kills the relay after it has read the records and before the log has them. Resolves to whether the log
   * gets every record in the end.
   */
  async function survivesDeath(wrap: (outbox: Outbox) => Outbox): Promise<boolean> {
    let deaths = 1;
    const dying = around(log, {
      before: async () => {
        if (deaths-- <= 0) return;
        await killSessions();
        throw new AppError('UNAVAILABLE');
      },
    });
    startRelay({ log: dying, outbox: wrap(openOutbox()) });
    await write(numbered(1, 5));
    await drained();
    await vi.waitFor(() => expect(deaths).toBeLessThanOrEqual(0), waiting);
    await write(numbered(6, 6));
    await vi.waitFor(async () => expect(await sentNumbers()).toContain(6), waiting);
    return `${await sentNumbers()}` === `${range(1, 6)}`;
  }

  it('loses no record, because it removes a record after the send', async () => {
    expect(await survivesDeath((outbox) => outbox)).toBe(true);
  });

  it('loses records if it removes them before the send (control)', async () => {
    const hasty = (outbox: Outbox): Outbox => ({
      ...outbox,
      async takeTurn(signal) {
        const turn = await outbox.takeTurn(signal);
        return (
          turn && {
            ...turn,
            async read() {
              const records = await turn.read();
              await turn.remove(records.map(({ id }) => id));
              return records;
            },
          }
        );
      },
    });
    expect(await survivesDeath(hasty)).toBe(false);
  });

  it('keeps the records and logs one line while the log is unreachable, and sends all records afterwards', async () => {
    let isAway = true;
    let attempts = 0;
    const away = around(log, {
      before: () => {
        attempts += 1;
        if (isAway) throw new AppError('UNAVAILABLE', 'The log is away, says the test.');
      },
    });
    const warn = vi.fn();
    const relay = startRelay({ log: away, warn });
    await write(numbered(1, 600));
    await vi.waitFor(() => expect(attempts).toBeGreaterThan(3), waiting);
    expect(await relay.depth()).toBe(600);
    await write(numbered(601, 700));
    expect(await relay.depth()).toBe(700);
    expect(warn.mock.calls.length).toBeLessThanOrEqual(1 + attempts / 10);
    isAway = false;
    await drained();
    expect(await sentNumbers()).toEqual(range(1, 700));
    expect(await relay.depth()).toBe(0);
  });

  it('retries after an unexpected error of the log', async () => {
    let failures = 3;
    startRelay({
      log: around(log, {
        before: () => {
          if (failures-- > 0) throw new TypeError('a bug, says the test');
        },
      }),
    });
    await write(numbered(1, 3));
    await drained();
    expect(await sentNumbers()).toEqual([1, 2, 3]);
    expect(await storage.query('SELECT FROM dead_letter')).toEqual([]);
  });

  it('loses no record and keeps the order if its sessions are killed repeatedly', async () => {
    for (let n = 0; n < 3; n += 1) startRelay();
    for (let round = 0; round < 10; round += 1) {
      await write(numbered(round * 50 + 1, round * 50 + 50));
      await killSessions();
    }
    await drained();
    const firsts = [...new Set(await sentNumbers())];
    expect(firsts).toEqual(range(1, 500));
  });
});

describe('two relays', () => {
  it('never work at the same time, so the second works only after the first stops', async () => {
    const sends = [0, 0];
    let under = 0;
    let most = 0;
    const counted = (index: 0 | 1) =>
      around(log, {
        before: async () => {
          sends[index] = (sends[index] ?? 0) + 1;
          under += 1;
          most = Math.max(most, under);
          await delay(2);
          under -= 1;
        },
      });
    const first = startRelay({ log: counted(0) });
    await write(numbered(1, 1));
    await drained();
    startRelay({ log: counted(1) });
    for (let n = 2; n <= 30; n += 1) await write(numbered(n, n));
    await drained();
    expect(sends[0]).toBeGreaterThan(0);
    expect(sends[1]).toBe(0);
    await first.stop();
    await write(numbered(31, 32));
    await drained();
    expect(sends[1]).toBeGreaterThan(0);
    expect(most).toBe(1);
    expect(await sentNumbers()).toEqual(range(1, 32));
  });

  it('stop at once, even the relay that is waiting for its turn', async () => {
    startRelay();
    await write(numbered(1, 1));
    await drained();
    const other = startRelay();
    await delay(50);
    const startedAt = performance.now();
    await other.stop();
    expect(performance.now() - startedAt).toBeLessThan(1_500);
  });
});

describe('a record that the log refuses', () => {
  const refusing = (from: EventLog): EventLog => ({
    ...from,
    async send(records) {
      if (records.some(({ value }) => value?.toString() === '13')) {
        throw new AppError('BAD_USER_INPUT', 'The record is too large.');
      }
      await from.send(records);
    },
  });

  it('becomes a dead letter of the tenant of the notification if the record announces a notification', async () => {
    startRelay({ log: refusing(log) });
    await write([
      { topic: notificationCreatedTopic, key: 'acme/alice', value: Buffer.from('13') },
      ...numbered(13, 13),
    ]);
    await drained();
    const letters = await storage.store.deadLetters({ first: 10 });
    expect(letters.map(({ topic, tenantId }) => [topic, tenantId]).toSorted()).toEqual([
      ['news', ''],
      [notificationCreatedTopic, 'acme'],
    ]);
  });

  it('becomes a dead letter, delays no other record, and can be retried', async () => {
    const relay = startRelay({ log: refusing(log) });
    await write(numbered(1, 30));
    await drained();
    // The log also refuses the copy of the dead letter. The copy is dropped, without another dead letter.
    expect(await sentNumbers()).toEqual(range(1, 30).filter((n) => n !== 13));
    const letters = await storage.store.deadLetters({ first: 10 });
    expect(letters).toMatchObject([
      { topic: 'news', partition: -1, errorCode: 'REJECTED_EVENT', errorMessage: 'The record is too large.' },
    ]);
    expect(String(Buffer.from(letters[0]?.payload ?? []))).toBe('13');
    await relay.stop();
    startRelay();
    const ids = letters.map(({ id }) => id);
    await storage.store.transaction((transaction) => transaction.requeueDeadLetters(ids, {}, testNow));
    await drained();
    expect((await sentNumbers()).at(-1)).toBe(13);
  });
});

describe('a topic that cannot be written', () => {
  it('delays no other topic, and its records are sent in order when the log accepts them again', async () => {
    let isBroken = true;
    const attempts: string[] = [];
    const broken: EventLog = {
      ...log,
      async send(records) {
        attempts.push(...new Set(records.map(({ topic }) => topic)));
        if (isBroken && records.some(({ topic }) => topic === 'broken'))
          throw new AppError('UNAVAILABLE', 'The topic cannot be written, says the test.');
        await log.send(records);
      },
    };
    const warn = vi.fn();
    const relay = startRelay({ log: broken, warn });
    const toBroken = (from: number, to: number) =>
      numbered(from, to).map((record) => ({ ...record, topic: 'broken' }));
    // There are more records than fit into a batch, with records of another topic before and after them.
    await write([...numbered(1, 3), ...toBroken(1_001, 1_600), ...numbered(4, 6)]);
    await vi.waitFor(async () => expect(await sentNumbers()).toEqual(range(1, 6)), waiting);
    expect(await relay.depth()).toBe(600);
    await write([...toBroken(1_601, 1_601), ...numbered(7, 7)]);
    await vi.waitFor(async () => expect(await sentNumbers()).toEqual(range(1, 7)), waiting);
    const tries = () => attempts.filter((topic) => topic === 'broken').length;
    const before = tries();
    await vi.waitFor(() => expect(tries()).toBeGreaterThan(before + 2), waiting);
    expect(warn.mock.calls.length).toBeLessThanOrEqual(1 + tries() / 10);
    isBroken = false;
    await drained();
    expect(await sentNumbers()).toEqual([...range(1, 7), ...range(1_001, 1_601)]);
  });

  it('is retried soon and logged once, also during a steady flow to another topic', async () => {
    let attempts = 0;
    const hiccuping: EventLog = {
      ...log,
      async send(records) {
        if (records.some(({ topic }) => topic === 'once')) {
          attempts += 1;
          if (attempts === 1) throw new AppError('UNAVAILABLE', 'Just once, says the test.');
        }
        await log.send(records);
      },
    };
    const warn = vi.fn();
    // With this `restMs`, every round finds the records of about twelve transactions.
    startRelay({ log: hiccuping, warn, restMs: 500 });
    await write([{ ...numbered(0, 0)[0], topic: 'once' } as OutgoingRecord]);
    const isSent = async () => (await sentNumbers()).includes(0);
    const startedAt = performance.now();
    for (let n = 1; !(await isSent()) && performance.now() - startedAt < 8_000; n += 1) {
      await write(numbered(n, n));
      await delay(10);
    }
    expect(await isSent()).toBe(true);
    expect(attempts).toBe(2);
    expect(warn.mock.calls.map(([fields]) => fields)).toMatchObject([{ topics: ['once'], failures: 1 }]);
  });
});

describe('a batch', () => {
  it('is not larger than the log accepts in one call', async () => {
    const large = { topic: 't', key: null, value: Buffer.alloc(300_000) };
    const huge = { ...large, value: Buffer.alloc(900_000) };
    await write([large, large, huge, { ...large, value: Buffer.from('1') }, ...numbered(1, 600)]);
    const turn = await openOutbox().takeTurn(AbortSignal.timeout(5_000));
    const sizes: number[] = [];
    for (;;) {
      const records = (await turn?.read()) ?? [];
      if (records.length === 0) break;
      sizes.push(records.length);
      await turn?.remove(records.map(({ id }) => id));
    }
    await turn?.end();
    expect(sizes).toEqual([1, 1, 1, 500, 101]);
  });
});
