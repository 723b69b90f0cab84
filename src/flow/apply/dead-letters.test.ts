import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import { createPostgresEventLog } from '../../adapters/postgres/log/event-log.ts';
import { createPostgresOutbox } from '../../adapters/postgres/tables/outbox.ts';
import { encode } from '../../events/codec.ts';
import { topics } from '../../events/topic.ts';
import type { EventLog, OutgoingRecord } from '../../ports/event-log.ts';
import { silent } from '../../ports/logger.ts';
import type { StoredDeadLetter } from '../../ports/store/dead-letters.ts';
import { createTestClock, notificationSent, pageViewed, testNow } from '../../testing/event.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createAct } from '../act/act.ts';
import { createRelay, type Relay } from '../background/relay.ts';
import { createSchedule } from '../background/schedule.ts';
import { createConsume } from './consume.ts';
import { createProject } from './project.ts';

const waiting = { timeout: 15_000, interval: 10 };
const alice = { tenantId: 'default', userId: 'alice' };
const bob = { ...alice, userId: 'bob' };

let storage: TestStorage;
let log: EventLog;
let relay: Relay | undefined;
let schedule: ReturnType<typeof createSchedule> | undefined;
beforeEach(async () => {
  storage = await openTestStorage();
  const { database, connection } = storage;
  log = createPostgresEventLog({ database, connection, logger: silent }, { retryMs: 20 });
  await storage.store.transaction((transaction) => transaction.ensureUsers([alice], testNow));
});
afterEach(async () => {
  await schedule?.stop();
  await relay?.stop();
  await log.close();
  await storage.close();
});

/** Starts a worker that applies the log to the store, and a relay. */
async function work({ to = log }: { readonly to?: EventLog } = {}) {
  const { store, database, connection } = storage;
  // A notification without a time gets the time at which the database appended its record.
  const clock = createTestClock(new Date());
  const deps = { store, pubSub: createLocalPubSub(), clock, logger: silent };
  const project = createProject(deps, { retentionDays: 183, unknownUserWaitMs: 0 });
  await schedule?.stop();
  schedule = createSchedule(deps);
  schedule.start();
  relay = createRelay({
    outbox: createPostgresOutbox({ database, connection }),
    log: to,
    project,
    clock,
    logger: silent,
  });
  relay.start();
  return createConsume({ log, project, logger: silent }, { maxBackoffMs: 20 }).start();
}

/** Creates a log that receives each record twice, as if the relay died after each send. */
const sendingTwice = (): EventLog => ({
  ...log,
  async send(records) {
    await log.send(records);
    await log.send(records);
  },
});

const retry = (letters: readonly StoredDeadLetter[]) =>
  createAct({
    store: storage.store,
    pubSub: createLocalPubSub(),
    clock: createTestClock(),
    logger: silent,
  }).retryDeadLetters(
    letters.map(({ id }) => id),
    {},
  );

/** Resolves when every record is handled, no record waits for its user, and the outbox is empty. */
const settled = () =>
  vi.waitFor(async () => {
    const sql = `SELECT (SELECT head FROM log_head) - (SELECT position FROM log_position) AS behind,
      (SELECT count(*) FROM outbox) + (SELECT count(*) FROM waiting_record) AS waiting`;
    expect(await storage.query(sql)).toEqual([{ behind: '0', waiting: '0' }]);
  }, waiting);

const letters = () => storage.store.deadLetters({ first: 1_000 });
const copies = () =>
  storage.query<{ topic: string; key: string; raw: Buffer; headers: Record<string, string> }>(
    `SELECT topic, key, raw, headers FROM event_log WHERE topic LIKE '%.dlq' ORDER BY "offset"`,
  );
const views = () => storage.store.countPageViews(alice, {});
const unseen = async (key = alice) => (await storage.store.inboxes([key]))[0]?.unseen ?? 0;

const raw = (fields: Partial<OutgoingRecord>): OutgoingRecord => ({
  topic: topics.userActivity,
  key: 'default/alice',
  value: Buffer.from('{ not json'),
  ...fields,
});

describe('a bad record in a batch of 500', () => {
  it('becomes 1 dead letter and 1 copy if it is unreadable, and the other 499 are applied', async () => {
    await log.append(Array.from({ length: 250 }, () => pageViewed()));
    const value = Uint8Array.from([0xff, 0, 10]);
    await log.send([raw({ key: 'a key', value, headers: { trace: 'x' } })]);
    await log.append(Array.from({ length: 249 }, () => pageViewed()));
    const worker = await work();
    await settled();
    const place = { topic: topics.userActivity, partition: 0, offset: 251n };
    const why = { errorCode: 'MALFORMED_EVENT', errorMessage: 'not UTF-8', attempts: 1 };
    const expected = { ...place, ...why, tenantId: '', key: 'a key', headers: { trace: 'x' } };
    expect(await letters()).toMatchObject([expected]);
    expect(Buffer.from((await letters())[0]?.payload ?? [])).toEqual(Buffer.from(value));
    const copy = {
      topic: 'incoming.user_activity.dlq',
      key: 'a key',
      raw: Buffer.from(value),
      headers: {
        trace: 'x',
        topic: 'incoming.user_activity',
        partition: '0',
        offset: '251',
        'error-code': 'MALFORMED_EVENT',
        'error-message': 'not UTF-8',
        attempts: '1',
      },
    };
    expect(await copies()).toEqual([copy]);
    expect(await views()).toBe(499);

    // Applies the whole log again, which changes nothing.
    await worker.stop();
    await relay?.stop();
    await storage.query('UPDATE log_position SET position = 0');
    await work();
    await settled();
    expect(await letters()).toHaveLength(1);
    expect(await copies()).toEqual([copy]);
    expect(await views()).toBe(499);
  });

  it('becomes 1 dead letter and 1 copy if the database refuses it, and the other 499 are applied', async () => {
    const events = Array.from({ length: 499 }, () => notificationSent());
    // The worker can read the event, but PostgreSQL cannot store a date in the year 0.
    const poison = notificationSent({ occurredAt: new Date('0000-01-01T00:00:00Z') });
    await log.append(events.toSpliced(250, 0, poison));
    await work();
    await settled();
    expect(await letters()).toMatchObject([
      { topic: topics.notificationCommand, offset: 251n, errorCode: 'REJECTED_EVENT', tenantId: 'default' },
    ]);
    expect(await copies()).toMatchObject([
      {
        topic: 'create-user-notification-command.dlq',
        raw: Buffer.from(encode(poison)),
        headers: { offset: '251' },
      },
    ]);
    expect(await unseen()).toBe(499);
  });

  it('is stored with replacement characters if PostgreSQL cannot store its key and headers as text', async () => {
    await storage.store.transaction((transaction) =>
      transaction.addDeadLetters([
        {
          ...{ tenantId: '', topic: 't', partition: 3, offset: 7n, payload: Buffer.from([0]) },
          ...{ key: 'a\0b', headers: { 'h\0': '\0' }, errorCode: 'MALFORMED_EVENT', errorMessage: 'x' },
          ...{ attempts: 1, failedAt: testNow },
        },
      ]),
    );
    expect(await letters()).toMatchObject([{ key: 'a\ufffdb', headers: { 'h\ufffd': '\ufffd' } }]);
  });
});

describe('a retried dead letter', () => {
  it('is applied exactly once after its cause is fixed, even if the log gets it twice', async () => {
    await work({ to: sendingTwice() });
    await log.append([notificationSent(bob), notificationSent()]);
    await settled();
    const kept = await letters();
    expect(kept).toMatchObject([{ errorCode: 'USER_NOT_FOUND', key: 'default/bob' }]);
    await storage.store.transaction((transaction) => transaction.ensureUsers([bob], testNow));
    expect(await retry(kept)).toEqual(kept.map(({ id }) => id));
    await settled();
    expect([await unseen(bob), await unseen()]).toEqual([1, 1]);
    expect(await letters()).toEqual([]);
    // A second retry finds no dead letter.
    expect(await retry(kept)).toEqual([]);
    await settled();
    expect(await unseen(bob)).toBe(1);
  });

  it('is applied exactly once if its event has no id, even after earlier retries', async () => {
    await work({ to: sendingTwice() });
    const value = Buffer.from(JSON.stringify({ userId: 'bob', title: 'Hello' }));
    await log.send([{ topic: topics.notificationCommand, key: null, value }]);
    await settled();
    await retry(await letters());
    await settled();
    // The event was sent twice. There are two dead letters, or one if both records were in the same batch.
    const codes = (await letters()).map(({ errorCode }) => errorCode);
    expect([['USER_NOT_FOUND'], ['USER_NOT_FOUND', 'USER_NOT_FOUND']]).toContainEqual(codes);
    await storage.store.transaction((transaction) => transaction.ensureUsers([bob], testNow));
    await retry(await letters());
    await settled();
    expect(await unseen(bob)).toBe(1);
    expect(await letters()).toEqual([]);
  });

  it('becomes a new dead letter with its original place if it fails again', async () => {
    await work();
    await log.send([raw({ headers: { trace: 'x' } })]);
    await settled();
    const first = await letters();
    for (let round = 0; round < 2; round += 1) {
      const [before] = await letters();
      await retry(await letters());
      await settled();
      const [after, ...others] = await letters();
      expect(others).toEqual([]);
      expect(after?.id).not.toBe(before?.id);
      expect(after?.offset).toBeGreaterThan(before?.offset ?? 0n);
      expect(after?.payload).toEqual(before?.payload);
      expect(after).toMatchObject({
        key: 'default/alice',
        headers: {
          trace: 'x',
          'unseen-origin-topic': topics.userActivity,
          'unseen-origin-partition': '0',
          'unseen-origin-offset': String(first[0]?.offset),
        },
      });
    }
    expect(await copies()).toHaveLength(3);
  });

  it('is either in the list or in the outbox, even after a rollback', async () => {
    const worker = await work();
    await log.send([raw({})]);
    await settled();
    await worker.stop();
    await relay?.stop();
    const kept = await letters();
    const undone = storage.store.transaction(async (transaction) => {
      await transaction.requeueDeadLetters(
        kept.map(({ id }) => id),
        {},
        testNow,
      );
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    expect(await letters()).toEqual(kept);
    const answers = await Promise.all(Array.from({ length: 5 }, () => retry(kept)));
    expect(answers.flat()).toEqual(kept.map(({ id }) => id));
    expect(await letters()).toEqual([]);
    expect(await storage.query('SELECT topic FROM outbox')).toEqual([{ topic: topics.userActivity }]);
  });
});

describe('the list of dead letters', () => {
  const add = (count: number, fields: Partial<StoredDeadLetter> = {}) =>
    storage.store.transaction((transaction) =>
      transaction.addDeadLetters(
        Array.from({ length: count }, (_, n) => ({
          tenantId: 'default',
          topic: 'a',
          partition: 0,
          offset: BigInt(n),
          key: null,
          headers: {},
          payload: Buffer.from(`${n}`),
          errorCode: 'MALFORMED_EVENT',
          errorMessage: 'not JSON',
          attempts: 1,
          // Always three dead letters have the same time.
          failedAt: new Date(testNow.getTime() + Math.floor(n / 3)),
          ...fields,
        })),
      ),
    );

  it('has pages without gaps and duplicates, for several tenants together', async () => {
    await add(20);
    await add(11, { tenantId: '' });
    await add(5, { tenantId: 'other' });
    for (const [tenantIds, count] of [
      [undefined, 36],
      [['default', ''], 31],
      [['other'], 5],
      [['none'], 0],
    ] as const) {
      const filter = tenantIds ? { tenantIds } : {};
      const all: StoredDeadLetter[] = [];
      for (;;) {
        const after = all.at(-1);
        const page = await storage.store.deadLetters({ ...filter, first: 7, ...(after && { after }) });
        if (page.length === 0) break;
        all.push(...page);
      }
      expect(new Set(all.map(({ id }) => id)).size).toBe(count);
      expect(all).toHaveLength(count);
      expect(await storage.store.countDeadLetters(filter)).toBe(count);
      const order = all.map(({ failedAt, id }) => `${failedAt.toISOString()} ${id}`);
      expect(order).toEqual(order.toSorted().toReversed());
    }
  });

  it('can be filtered by topic and error code', async () => {
    await add(3);
    await add(2, { topic: 'b' });
    await add(1, { topic: 'c', errorCode: 'REJECTED_EVENT' });
    const lengthOf = async (filter: { topic?: string; errorCode?: string }) => {
      const count = await storage.store.countDeadLetters(filter);
      expect(await storage.store.deadLetters({ ...filter, first: 100 })).toHaveLength(count);
      return count;
    };
    expect(await lengthOf({ topic: 'a' })).toBe(3);
    expect(await lengthOf({ errorCode: 'MALFORMED_EVENT' })).toBe(5);
    expect(await lengthOf({ topic: 'c', errorCode: 'REJECTED_EVENT' })).toBe(1);
    expect(await lengthOf({ topic: 'c', errorCode: 'MALFORMED_EVENT' })).toBe(0);
  });
});
