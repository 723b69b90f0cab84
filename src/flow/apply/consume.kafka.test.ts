// @module-tag kafka
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { exactBytesOf } from '../../adapters/kafka/record.ts';
import { replayKafka } from '../../adapters/kafka/replay.ts';
import { createLocalPubSub } from '../../adapters/local/pub-sub.ts';
import { createPostgresOutbox } from '../../adapters/postgres/tables/outbox.ts';
import { readConfig } from '../../config/config.ts';
import type { UserKey } from '../../domain/user.ts';
import { topics } from '../../events/topic.ts';
import { systemClock } from '../../ports/clock.ts';
import type { Consumption, LogRecord } from '../../ports/event-log.ts';
import { silent } from '../../ports/logger.ts';
import type { Store } from '../../ports/store/store.ts';
import { itemViewed, pageViewed } from '../../testing/event.ts';
import { awayFor, observed } from '../../testing/faults.ts';
import { startTestKafka, type TestKafka } from '../../testing/kafka.ts';
import { inbound, kafkaOptions, openKafkaLog, type TestLog } from '../../testing/kafka-log.ts';
import { limitsOf } from '../../testing/limit.ts';
import {
  limitFixture,
  limitFixtureTable,
  limitFixtureUsers,
  limitLine,
  shuffled,
} from '../../testing/limit-fixture.ts';
import { recordBatch, type WireRecord } from '../../testing/record-batch.ts';
import { drift } from '../../testing/recount.ts';
import { openTestStorage, type TestStorage } from '../../testing/storage.ts';
import { createAct } from '../act/act.ts';
import { createRelay } from '../background/relay.ts';
import { createConsume, projectionGroup } from './consume.ts';
import { createCount, metricsGroup } from './count.ts';
import { createProject } from './project.ts';

const waiting = { timeout: 20_000, interval: 20 };
const users = Array.from({ length: 10 }, (_, n) => ({ tenantId: 'acme', userId: `user-${n}` }));

let kafka: TestKafka;
let storage: TestStorage;
let log: TestLog;
beforeAll(async () => {
  kafka = await startTestKafka();
}, 300_000);
afterAll(() => kafka.stop());
beforeEach(async () => {
  storage = await openTestStorage();
  await storage.store.transaction((transaction) => transaction.ensureUsers(users, new Date()));
  await kafka.deleteTopics(inbound);
  log = openKafkaLog(kafka.url, { sessionTimeoutMs: 1_500 });
  await vi.waitFor(
    async () => expect(await kafka.admin.listTopics()).toEqual(expect.arrayContaining(inbound)),
    waiting,
  );
});
afterEach(async () => {
  await log.close();
  await storage.close();
});

const workingProject = (store: Store = storage.store) =>
  createProject(
    { store, pubSub: createLocalPubSub(), clock: systemClock, logger: silent },
    { retentionDays: 183, limitThresholds: readConfig({}).limitThresholds },
  );

function work(store?: Store): Promise<Consumption> {
  return createConsume(
    { log, project: workingProject(store), logger: silent },
    { maxBackoffMs: 400 },
  ).start();
}

/** Writes 1 page view and 1 notification per user, in the formats of other systems. */
async function produce(round: number): Promise<void> {
  for (const { tenantId, userId } of users) {
    const key = `${tenantId}/${userId}`;
    const view = { user_id: userId, page: 'Pricing', timestamp: new Date().toISOString() };
    const command = { notificationId: `${userId}-${round}`, userId, content: { title: 'Hello' } };
    await kafka.produce({ topic: topics.userActivity, key, value: JSON.stringify(view) });
    await kafka.produce({ topic: topics.notificationCommand, key, value: JSON.stringify(command) });
  }
}

const caughtUp = () =>
  vi.waitFor(async () => {
    for (const topic of inbound) {
      for (const { position, end } of await kafka.positions(projectionGroup, topic))
        expect(Math.max(0, position)).toBe(end);
    }
  }, waiting);

/** Returns the number of page views and unseen notifications of each user. */
const counts = () =>
  Promise.all(
    users.map(async (user) => {
      const [inbox] = await storage.store.inboxes([user]);
      return [await storage.store.countPageViews(user, {}), inbox?.unseen];
    }),
  );
const everyUser = (...pair: readonly number[]) => users.map(() => pair);
const deadLetters = () => storage.query('SELECT topic, error_message FROM dead_letter');

describe('a worker on Kafka', () => {
  it('applies the records of other systems once, even after a replay of the whole topics', async () => {
    const worker = await work();
    await produce(1);
    await kafka.produce({ topic: topics.userActivity, key: null, value: '{ not json' });
    await kafka.produce({ topic: topics.userActivity, key: null, value: null });
    await produce(2);
    await caughtUp();
    expect(await counts()).toEqual(everyUser(2, 2));
    await worker.stop();

    for (const topic of inbound) {
      await vi.waitFor(
        () => kafka.admin.resetOffsets({ groupId: projectionGroup, topic, earliest: true }),
        waiting,
      );
    }
    await work();
    await caughtUp();
    expect(await counts()).toEqual(everyUser(2, 2));
    expect(await drift(storage.query)).toEqual([]);
    expect(await deadLetters()).toEqual([{ topic: topics.userActivity, error_message: 'not JSON' }]);
  });

  it('does not apply the record of a mutation to a limit again, and the limit is published once', async () => {
    const pubSub = observed(createLocalPubSub());
    const deps = { store: storage.store, pubSub, clock: systemClock, logger: silent };
    const project = createProject(deps, { retentionDays: 183 });
    const relay = createRelay({ ...deps, outbox: createPostgresOutbox(storage), log, project });
    relay.start();
    await createConsume({ log, project, logger: silent }).start();
    const caller = { tenantId: 'acme', subject: 'shop', role: 'service', expiresAt: new Date() } as const;
    const limit = { brandId: 'b', type: 'DEPOSIT', period: 'CALENDAR_DAY', value: '100' } as const;
    const [user] = users as [UserKey];
    await createAct(deps).createUserLimit(caller, { ...limit, userId: user.userId, userLimitId: 'by-hand' });
    const before = await limitsOf(storage.store, [user]);
    await vi.waitFor(async () => {
      const positions = await kafka.positions(projectionGroup, topics.userLimits);
      expect(Math.max(...positions.map(({ position }) => position))).toBe(1);
    }, waiting);
    await relay.stop();
    expect(before).toHaveLength(1);
    expect(await limitsOf(storage.store, [user])).toEqual(before);
    expect(pubSub.published.filter(({ topic }) => topic.startsWith('limit:'))).toHaveLength(1);
  });

  it('applies a replayed topic once, and refuses the replay while a worker runs', async () => {
    const worker = await work();
    await produce(1);
    await caughtUp();
    const from = new Date(Date.now() - 60_000);
    const replay = () =>
      replayKafka(kafkaOptions(kafka.url), { topic: topics.userActivity, from, groups: [projectionGroup] });
    await expect(replay()).rejects.toMatchObject({
      code: 'START_REFUSED',
      message: expect.stringContaining('Stop them'),
    });
    await worker.stop();
    await vi.waitFor(async () => expect(await replay()).toEqual(new Map([[projectionGroup, 10n]])), waiting);
    expect(await log.lag(projectionGroup, [topics.userActivity])).toBe(10n);
    await work();
    await caughtUp();
    expect(await counts()).toEqual(everyUser(1, 1));
  });

  it('keeps its partitions and writes no dead letter if the database is unreachable for longer than the session timeout', async () => {
    const store = awayFor(storage.store, 30);
    await work(store);
    const startedAt = performance.now();
    await produce(1);
    await caughtUp();
    expect(performance.now() - startedAt).toBeGreaterThan(1_500);
    expect(store.failuresLeft()).toBe(0);
    expect(await counts()).toEqual(everyUser(1, 1));
    expect(await deadLetters()).toEqual([]);
  });

  /** Kafka allows null, repeated and binary headers. Tracing agents write null headers. */
  const oddHeaders = [
    ['traceparent', null],
    ['twice', 'a'],
    ['twice', 'b'],
    [Buffer.from([0xff, 0]), Buffer.from([0, 0xff])],
  ] as const;

  it('turns unreadable records into dead letters and applies the other records', async () => {
    const [, , ...others] = users;
    const view = (
      { userId }: { readonly userId: string },
      headers: WireRecord['headers'] = [],
    ): WireRecord => {
      const value = { user_id: userId, page: 'Pricing', timestamp: new Date().toISOString() };
      return { key: `acme/${userId}`, value: JSON.stringify(value), headers };
    };
    const [null0, behind] = users as [UserKey, UserKey];
    const key = Buffer.from([0xff, 0, 0x41]);
    const topic = topics.userActivity;
    await kafka.produceBatch(topic, recordBatch({ records: [view(null0, oddHeaders)] }));
    await kafka.produceBatch(topic, recordBatch({ records: [{ key, value: key, headers: oddHeaders }] }));
    await kafka.produceBatch(topic, recordBatch({ records: others.map((user) => view(user)) }));
    await kafka.produceBatch(topic, recordBatch({ records: [view(behind)] }));
    kafka.changeStored(topic, (stored) => {
      // Damages the second to last stored batch.
      const at = stored.indexOf('"user-2"');
      stored[at] = 0;
    });
    await work();
    const metrics = createCount(
      {
        log,
        project: workingProject(),
        store: storage.store,
        pubSub: createLocalPubSub(),
        clock: systemClock,
        logger: silent,
      },
      { retentionDays: 183, flushIntervalMs: 50, batchSize: 100 },
    );
    await metrics.start();
    await caughtUp();
    await vi.waitFor(async () => expect(await metrics.lag()).toBe(0n), waiting);
    const viewed = (await counts()).map(([views]) => views);
    expect(viewed).toEqual([1, 1, ...others.map(() => 0)]);
    expect(
      await storage.query(
        "SELECT sum(page_view_count)::int AS views FROM user_activity_metrics WHERE granularity = 'DAY'",
      ),
    ).toEqual([{ views: 2 }]);
    const letters = (await storage.store.deadLetters({ first: 10 })).toSorted((a, b) =>
      Number(a.offset - b.offset),
    );
    expect(letters).toMatchObject([
      { offset: 1n, errorCode: 'MALFORMED_EVENT', errorMessage: 'not UTF-8' },
      {
        offset: 2n,
        key: null,
        errorCode: 'MALFORMED_EVENT',
        errorMessage: 'the batch at offsets 2 to 9 cannot be read: its checksum is wrong.',
      },
    ]);
    expect(Buffer.from(letters[1]?.payload ?? []).includes('"user-9"')).toBe(true);
    expect(log.fatal).toEqual([]);
  });

  it('keeps the exact bytes of a dead letter when the dead letter is retried and when it is copied', async () => {
    const bytes = Buffer.from([0xff, 0, 0x41]);
    const record = { key: bytes, value: bytes, headers: oddHeaders };
    await kafka.produceBatch(topics.userActivity, recordBatch({ records: [record] }));
    await work();
    await vi.waitFor(async () => expect(await deadLetters()).toHaveLength(1), waiting);
    const relay = createRelay({
      outbox: createPostgresOutbox(storage),
      log,
      project: workingProject(),
      clock: systemClock,
      logger: silent,
    });
    relay.start();
    const [first] = await storage.store.deadLetters({ first: 1 });
    await storage.store.transaction((transaction) =>
      transaction.requeueDeadLetters([first?.id ?? ''], {}, new Date()),
    );
    await vi.waitFor(async () => {
      const [again] = await storage.store.deadLetters({ first: 1 });
      expect(again?.id).not.toBe(first?.id);
      expect(again).toMatchObject({ errorMessage: 'not UTF-8' });
    }, waiting);
    await vi.waitFor(async () => expect(await relay.depth()).toBe(0), waiting);
    await relay.stop();
    const read = async (topic: string) => {
      const records: LogRecord[] = [];
      const consumption = await log.consume(
        `reader-${topic}`,
        [topic],
        async (batch) => void records.push(...batch),
      );
      await vi.waitFor(() => expect(records).toHaveLength(2), waiting);
      await consumption.stop();
      return records.map(exactBytesOf);
    };
    for (const topic of [topics.userActivity, `${topics.userActivity}.dlq`]) {
      for (const { key, headers } of await read(topic)) {
        expect(key).toEqual(bytes);
        const odd = headers.filter(([name]) => oddHeaders.some(([own]) => name.equals(Buffer.from(own))));
        expect(odd).toEqual(
          oddHeaders.map(([name, value]) => [Buffer.from(name), value && Buffer.from(value)]),
        );
      }
    }
  });

  it('continues after Kafka is killed, and applies every record once', async () => {
    await work();
    await produce(1);
    await kafka.kill();
    await kafka.restart();
    await vi.waitFor(() => kafka.admin.listTopics(), waiting);
    await produce(2);
    await caughtUp();
    expect(await counts()).toEqual(everyUser(2, 2));
    expect(log.fatal).toEqual([]);
  });

  it('reaches the same limits and notifies once per threshold, after a database failure, a killed Kafka and a rewind', async () => {
    const limitUsers = limitFixtureUsers.map((userId) => ({ tenantId: 'acme', userId }));
    const table = async () => (await limitsOf(storage.store, limitUsers)).map(limitLine);
    const notified = () =>
      storage.query('SELECT user_id, title FROM notification WHERE tenant_id = $1 ORDER BY 1, 2', ['acme']);
    const produceAll = async (events: typeof limitFixture) => {
      for (const event of events) {
        const key = `acme/${event['aggregateId']}`;
        await kafka.produce({ topic: topics.userLimits, key, value: JSON.stringify(event) });
      }
    };
    const worker = await work(awayFor(storage.store, 6));
    // Sends the events in the same order each time, so that the same event crosses the threshold.
    await produceAll(limitFixture);
    await caughtUp();
    expect(await table()).toEqual(limitFixtureTable);
    const once = await notified();
    expect(once).toEqual([{ user_id: '019mr8mf4r', title: '80 % of your deposit limit is used' }]);
    await kafka.kill();
    await kafka.restart();
    await vi.waitFor(() => kafka.admin.listTopics(), waiting);
    await produceAll(shuffled([...limitFixture, ...limitFixture]));
    await caughtUp();
    expect(await table()).toEqual(limitFixtureTable);
    await worker.stop();

    // Removes the rows that record which events were applied.
    await storage.query('DELETE FROM processed_event');
    await vi.waitFor(
      () => kafka.admin.resetOffsets({ groupId: projectionGroup, topic: topics.userLimits, earliest: true }),
      waiting,
    );
    await work();
    await caughtUp();
    expect(await table()).toEqual(limitFixtureTable);
    expect(await notified()).toEqual(once);
    expect(await drift(storage.query)).toEqual([]);
    const letters = await storage.query('SELECT DISTINCT topic, error_code, payload FROM dead_letter');
    expect(letters).toEqual([
      expect.objectContaining({ topic: topics.userLimits, error_code: 'MALFORMED_EVENT' }),
    ]);
  });
});

describe('a counting worker on Kafka', () => {
  it('catches up if only a few of the records have something to count', async () => {
    const occurredAt = new Date();
    await log.append(
      Array.from({ length: 6_000 }, (_, n) => {
        const { userId } = users[n % users.length] as (typeof users)[number];
        return n % 97 === 0 ? pageViewed({ userId, occurredAt }) : itemViewed({ userId, occurredAt });
      }),
    );
    const deps = { store: storage.store, pubSub: createLocalPubSub(), clock: systemClock, logger: silent };
    const batchSize = 100;
    const count = createCount(
      { ...deps, log, project: createProject(deps, { retentionDays: 183 }) },
      // The interval is longer than the test, so only `batchSize` causes a flush.
      { retentionDays: 183, flushIntervalMs: 3_600_000, batchSize },
    );
    const consumption = await count.start();
    await vi.waitFor(async () => expect(await count.lag()).toBeLessThan(BigInt(batchSize)), waiting);
    await consumption.stop();
    const counted = await storage.query('SELECT FROM counted_event');
    expect(counted).toHaveLength(62);
    expect(await log.lag(metricsGroup, [topics.userActivity])).toBe(0n);
  });
});
