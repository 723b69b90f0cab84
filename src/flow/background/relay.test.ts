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

/** The outbox as another process has it. Without polling, so that whoever waits for a notification needs it. */
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

/** Records that say which they are, `from`..`to` inclusive. */
const numbered = (from: number, to: number): readonly OutgoingRecord[] =>
  Array.from({ length: to - from + 1 }, (_, n) => ({
    topic: 'news',
    key: 'a/b',
    value: Buffer.from(String(from + n)),
  }));
const range = (from: number, to: number) => numbered(from, to).map(({ value }) => Number(value?.toString()));

const write = (records: readonly OutgoingRecord[]) =>
  storage.store.transaction((transaction) => transaction.addOutgoing(records, testNow));

/** Whole records as they stand in the log. */
const sent = () =>
  storage.query<{ topic: string; key: string | null; raw: Buffer | null; headers: object }>(
    'SELECT topic, key, raw, headers FROM event_log ORDER BY "offset"',
  );
const sentNumbers = async () => (await sent()).map(({ raw }) => Number(raw?.toString()));
const waitingNow = async () =>
  Number((await storage.query<{ count: string }>('SELECT count(*) FROM outbox'))[0]?.count);
const drained = () => vi.waitFor(async () => expect(await waitingNow()).toBe(0), waiting);

/** What the death of a process does to its turn. */
const killSessions = () =>
  storage.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'unseen relay'`,
  );

/** A log whose `send` runs something before and after. */
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
  it('sends what was committed, whole and in order, and nothing of what was undone', async () => {
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

  it('sends what comes alone at once, and what comes soon after it together', async () => {
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

  it('is woken by the commit of any process', async () => {
    startRelay();
    await write(numbered(1, 1));
    await drained();
    await delay(100);
    const startedAt = performance.now();
    await write(numbered(2, 2));
    await drained();
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it('finds what it was not told of, a little later', async () => {
    const { database, connection } = storage;
    startRelay({ outbox: createPostgresOutbox({ database, connection }, { pollMs: 50 }) });
    await delay(100);
    await storage.query(
      `INSERT INTO outbox (topic, value, headers, created_at) VALUES ('t', '1', '{}', now())`,
    );
    await drained();
    expect(await sentNumbers()).toEqual([1]);
  });

  it('takes text that Postgres refuses without holding anything up', async () => {
    startRelay();
    await write([{ topic: 't', key: 'a\0b', value: Buffer.from('1'), headers: { 'h\0': '\0\ud800' } }]);
    await drained();
    expect(await sent()).toMatchObject([{ key: 'a\ufffdb', headers: { 'h\ufffd': '\ufffd\ufffd' } }]);
  });
});

describe('nothing is lost and order is kept', () => {
  it('when the relay dies between sending and removing: it is sent again', async () => {
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

  /** Kills the relay after it has read and before the log has anything; whether all of it is sent in the end. */
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

  it('since a record is removed after it was sent', async () => {
    expect(await survivesDeath((outbox) => outbox)).toBe(true);
  });

  it('which the check above notices when it is removed before (control)', async () => {
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

  it('while the log is away: what waits grows, one line is logged, and all of it goes when the log is back', async () => {
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

  it('when the log fails in a way nobody foresaw', async () => {
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

  it('when sessions are cut again and again', async () => {
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
  it('of which one works and the other takes over when it dies', async () => {
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

  it('of which the one that stands by stops at once', async () => {
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

describe('a record the log refuses for good', () => {
  const refusing = (from: EventLog): EventLog => ({
    ...from,
    async send(records) {
      if (records.some(({ value }) => value?.toString() === '13')) {
        throw new AppError('BAD_USER_INPUT', 'The record is too large.');
      }
      await from.send(records);
    },
  });

  it('is a dead letter of its tenant when it announces a notification', async () => {
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

  it('becomes a dead letter, holds nothing up, and can be retried', async () => {
    const relay = startRelay({ log: refusing(log) });
    await write(numbered(1, 30));
    await drained();
    // Its copy is refused as well, which ends there.
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
  it('holds up no other, and what waits for it goes in its order when it can be', async () => {
    let isBroken = true;
    const attempts: string[] = [];
    const broken: EventLog = {
      ...log,
      async send(records) {
        attempts.push(...new Set(records.map(({ topic }) => topic)));
        if (isBroken && records.some(({ topic }) => topic === 'broken'))
          throw new AppError('UNAVAILABLE', 'Nobody may write there, says the test.');
        await log.send(records);
      },
    };
    const warn = vi.fn();
    const relay = startRelay({ log: broken, warn });
    const toBroken = (from: number, to: number) =>
      numbered(from, to).map((record) => ({ ...record, topic: 'broken' }));
    // More than a batch, and on both sides of it.
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

  it('is tried again soon, and reported once, also while there is always something of another to send', async () => {
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
    // Every round finds what a dozen transactions wrote since the one before.
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
  it('is as large as a log takes in one piece', async () => {
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
