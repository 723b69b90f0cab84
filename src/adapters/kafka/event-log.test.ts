// @module-tag kafka
import { setTimeout as delay } from 'node:timers/promises';
import { ConfigResourceTypes, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { notificationCreatedTopic, topics } from '../../events/topic.ts';
import type { EventLog, LogRecord } from '../../ports/event-log.ts';
import { type EventLogUnderTest, eventLogContract } from '../../testing/contracts/event-log.ts';
import { pageViewed } from '../../testing/event.ts';
import { startTestKafka, type TestKafka, type TestReader } from '../../testing/kafka.ts';
import { inbound, kafkaOptions, openKafkaLog, type TestLog } from '../../testing/kafka-log.ts';
import { message, recordBatch } from '../../testing/record-batch.ts';
import { examineKafka } from './doctor.ts';
import type { KafkaOptions } from './options.ts';

const waiting = { timeout: 25_000, interval: 10 };
const ours = [...inbound, notificationCreatedTopic];
const allTopics = [...ours, ...ours.map((topic) => `${topic}.dlq`)];
const views = topics.userActivity;

let kafka: TestKafka;
beforeAll(async () => {
  kafka = await startTestKafka();
}, 300_000);
afterAll(() => kafka.stop());
// The topics are deleted with their records. Groups are not deleted, so each test uses its own group.
beforeEach(() => kafka.deleteTopics(allTopics));

async function openLog(): Promise<EventLogUnderTest> {
  const test = crypto.randomUUID();
  const logs: TestLog[] = [];
  let reader: TestReader | undefined;
  return {
    open() {
      const log = openKafkaLog(kafka.url, { partitions: 1 });
      logs.push(log);
      return {
        ...log,
        consume: (group, ...rest) => log.consume(`${group}-${test}`, ...rest),
        lag: (group, topics) => log.lag(`${group}-${test}`, topics),
      };
    },
    async durableIds() {
      reader ??= await kafka.openReader(inbound);
      return (await reader.values()).map((value) => (JSON.parse(value ?? '') as { id: string }).id);
    },
    unstorable: () => pageViewed({ data: { name: 'x'.repeat(1_000_000) } }),
    appendRaw: (value) => kafka.produce({ topic: views, key: 'default/alice', value }),
    cutConsumers: (group) => kafka.expel(`${group}-${test}`),
    // Kafka itself assigns the offsets in order, so this adapter has no commits to slow down.
    async makeCommitsSlow() {},
    now: async () => new Date(),
    async close() {
      await reader?.close();
      await Promise.all(logs.map((log) => log.close()));
      expect(logs.flatMap(({ fatal }) => fatal)).toEqual([]);
    },
  };
}

describe('the Kafka event log', () => {
  eventLogContract(openLog, { denseOffsets: false, prunes: false, oneConsumerAtATime: false });
});

describe('the Kafka event log, beyond the contract of its port', () => {
  type Open = (options?: Partial<KafkaOptions>) => TestLog;

  /** Runs a test with a function that opens logs. Closes the logs after the test. */
  const withLogs = (test: (open: Open) => Promise<void>) => async () => {
    const logs: TestLog[] = [];
    const open: Open = (options) => {
      const log = openKafkaLog(kafka.url, options);
      logs.push(log);
      return log;
    };
    try {
      await test(open);
    } finally {
      await Promise.all(logs.map((log) => log.close()));
    }
  };
  const newGroup = () => `group-${crypto.randomUUID()}`;
  const text = ({ value }: LogRecord) => Buffer.from(value ?? []).toString();
  const nameOf = (record: LogRecord) => (JSON.parse(text(record)) as { data: { name: string } }).data.name;
  const topicsExist = () =>
    vi.waitFor(
      async () => expect(await kafka.admin.listTopics()).toEqual(expect.arrayContaining(allTopics)),
      waiting,
    );

  /** Consumes page views and collects the records. */
  async function collect(log: EventLog, group: string, before: () => Promise<void> = async () => {}) {
    const records: LogRecord[] = [];
    const consumption = await log.consume(group, [views], async (batch) => {
      await before();
      records.push(...batch);
    });
    return { ...consumption, records };
  }

  /** Limits the records of the topic to 20 000 bytes. */
  async function limitRecords(log: EventLog): Promise<void> {
    const configEntries = [{ name: 'max.message.bytes', value: '20000' }];
    await kafka.admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: views, configEntries }],
    });
    const large = { topic: views, key: 'large', value: Buffer.alloc(30_000) };
    // The limit takes effect after a moment.
    const isRefused = () => expect(log.send([large])).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
    await vi.waitFor(isRefused, waiting);
  }

  async function settingsOf(topic: string, names: string[]) {
    const { resources } = await kafka.admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: names }],
    });
    return Object.fromEntries(
      resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]) ?? [],
    );
  }

  it(
    'creates missing topics with the configured settings, even if several processes do so at the same time',
    withLogs(async (open) => {
      for (let n = 0; n < 3; n += 1) open({ partitions: 4, retentionMs: 5_000_000, compression: 'gzip' });
      await topicsExist();
      const metadata = await kafka.admin.fetchTopicMetadata({ topics: allTopics });
      expect(metadata.topics.map(({ partitions }) => partitions.length)).toEqual(allTopics.map(() => 4));
      const names = ['retention.ms', 'compression.type', 'message.timestamp.type'];
      expect(await settingsOf(`${views}.dlq`, names)).toEqual({
        'retention.ms': '5000000',
        'compression.type': 'gzip',
        'message.timestamp.type': 'LogAppendTime',
      });
    }),
  );

  it(
    'does not change the number of partitions of an existing topic, and logs a warning',
    withLogs(async (open) => {
      await kafka.createTopic(views, 2);
      const log = open({ partitions: 3 });
      await log.append([pageViewed()]);
      await vi.waitFor(() => {
        const lines = log.lines.filter(({ message }) => message.includes('another number of partitions'));
        const fields = { topic: views, partitions: 2, configured: 3 };
        expect(lines.map((line) => line.fields)).toContainEqual(fields);
      }, waiting);
      const [metadata] = (await kafka.admin.fetchTopicMetadata({ topics: [views] })).topics;
      expect(metadata?.partitions).toHaveLength(2);
    }),
  );

  it(
    "chooses the same partition for a key as Java's producers",
    withLogs(async (open) => {
      const log = open();
      // These values are from Kafka's own test of its hash: foobar -790332482, a-little-bit-long-string
      // -985981536, 21 -973932308.
      const hashes = { foobar: -790332482, 'a-little-bit-long-string': -985981536, 21: -973932308 };
      await log.send(Object.keys(hashes).map((key) => ({ topic: views, key, value: Buffer.from('') })));
      const reader = await collect(log, newGroup());
      // Kafka delivers records at least once, so a record may be delivered again.
      const partitions = () =>
        Object.fromEntries(reader.records.map(({ key, partition }) => [key, partition]));
      const expected = Object.entries(hashes).map(([key, hash]) => [key, (hash & 0x7fffffff) % 3]);
      await vi.waitFor(() => expect(partitions()).toMatchObject(Object.fromEntries(expected)), waiting);
    }),
  );

  it(
    'delivers the events of each user in order while consumers join and leave the group',
    withLogs(async (open) => {
      const group = newGroup();
      const log = open();
      const seen = new Map<string, number[]>();
      const partitions = new Set<number>();
      const note = async (batch: readonly LogRecord[]) => {
        for (const record of batch) {
          partitions.add(record.partition);
          const user = record.key ?? '';
          const numbers = seen.get(user) ?? [];
          // After a reassignment, delivery may start again at earlier records. New records must still follow
          // in order.
          if (!numbers.includes(Number(nameOf(record)))) numbers.push(Number(nameOf(record)));
          seen.set(user, numbers);
        }
      };
      const first = await open().consume(group, [views], note);
      for (let n = 0; n < 40; n += 1) {
        if (n === 10) await open().consume(group, [views], note);
        if (n === 25) await first.stop();
        const events = Array.from({ length: 12 }, (_, user) =>
          pageViewed({ userId: `user-${user}`, data: { name: String(n) } }),
        );
        await log.append(events);
      }
      const all = Array.from({ length: 40 }, (_, n) => n);
      await vi.waitFor(() => {
        expect([...seen.values()].map((numbers) => numbers.length)).toEqual(Array(12).fill(40));
      }, waiting);
      for (const numbers of seen.values()) expect(numbers).toEqual(all);
      expect(partitions.size).toBe(3);
    }),
  );

  it(
    'shares the partitions among the consumers of a group',
    withLogs(async (open) => {
      const group = newGroup();
      const readers = [await collect(open(), group), await collect(open(), group)];
      await vi.waitFor(async () => {
        await open().append(Array.from({ length: 30 }, (_, n) => pageViewed({ userId: `user-${n}` })));
        for (const { records } of readers) expect(records.length).toBeGreaterThan(0);
      }, waiting);
    }),
  );

  it.each(['none', 'gzip'] as const)(
    'stores all events of a call in order, even if they exceed the limit of one partition (%s)',
    (compression) =>
      withLogs(async (open) => {
        const log = open({ compression });
        const events = Array.from({ length: 300 }, (_, n) =>
          pageViewed({ data: { name: String(n), path: crypto.randomUUID().repeat(300) } }),
        );
        await log.append(events);
        const reader = await collect(log, newGroup());
        await vi.waitFor(() => expect(reader.records).toHaveLength(300), waiting);
        expect(reader.records.map(nameOf)).toEqual(events.map(({ data }) => data.name));
      })(),
  );

  it(
    'rejects only the calls whose records the topic refuses',
    withLogs(async (open) => {
      const log = open();
      await topicsExist();
      await limitRecords(log);
      const calls = Array.from({ length: 12 }, (_, n) =>
        log.append([pageViewed({ data: { name: String(n), path: 'x'.repeat(n === 5 ? 30_000 : 5_000) } })]),
      );
      const results = await Promise.allSettled(calls);
      expect(results.flatMap(({ status }, n) => (status === 'rejected' ? [n] : []))).toEqual([5]);
      await expect(calls[5]).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
      const reader = await collect(log, newGroup());
      // The other records of a refused batch may be delivered twice. Consumers recognize an event by its id.
      const names = () => new Set(reader.records.filter(({ key }) => key === 'default/alice').map(nameOf));
      await vi.waitFor(() => expect(names().size).toBe(11), waiting);
    }),
  );

  /** Two records in different partitions. The partition of `large` refuses its record. */
  const mixed = [
    { topic: views, key: 'foobar', value: Buffer.from('first') },
    { topic: views, key: 'large', value: Buffer.alloc(30_000) },
  ];

  it(
    'drops no later record silently after Kafka stored only a part of a send',
    withLogs(async (open) => {
      const log = open();
      await topicsExist();
      await limitRecords(log);
      await expect(log.send(mixed)).rejects.toMatchObject({ code: 'BAD_USER_INPUT' });
      await log.send([{ topic: views, key: 'foobar', value: Buffer.from('second') }]);
      const reader = await collect(log, newGroup());
      await vi.waitFor(() => expect(reader.records.map(text)).toContain('second'), waiting);
    }),
  );

  it(
    'would lose a later record if the idempotent producer of kafkajs were reused after a partial send (control)',
    withLogs(async (open) => {
      const log = open();
      await topicsExist();
      await limitRecords(log);
      const producer = new Kafka({ brokers: [kafka.url], logLevel: logLevel.NOTHING }).producer({
        idempotent: true,
      });
      await producer.connect();
      const toMessages = (records: typeof mixed) => ({ topic: views, messages: records });
      await expect(producer.send(toMessages(mixed))).rejects.toThrow();
      await producer.send(toMessages([{ topic: views, key: 'foobar', value: Buffer.from('second') }]));
      await producer.disconnect();
      await log.send([{ topic: views, key: 'foobar', value: Buffer.from('third') }]);
      const reader = await collect(log, newGroup());
      await vi.waitFor(() => expect(reader.records.map(text)).toContain('third'), waiting);
      expect(reader.records.filter(({ key }) => key === 'foobar').map(text)).toEqual(['first', 'third']);
    }),
  );

  it(
    'aborts the signal of a handler when Kafka may reassign its partitions, and then both consumers continue at once',
    withLogs(async (open) => {
      const group = newGroup();
      const log = open({ rebalanceTimeoutMs: 20_000 });
      const seen: string[] = [];
      let aborts = 0;
      await log.consume(group, [views], async (records, signal) => {
        // This handler behaves as if the database were unreachable: it ends only when its signal aborts.
        if (aborts === 0) {
          await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
          aborts += 1;
          signal.throwIfAborted();
        }
        seen.push(...records.map(nameOf));
      });
      await log.append(
        Array.from({ length: 30 }, (_, n) => pageViewed({ userId: `user-${n}`, data: { name: `${n}` } })),
      );
      const startedAt = performance.now();
      const other = await collect(open({ rebalanceTimeoutMs: 20_000 }), group);
      await vi.waitFor(() => {
        expect(new Set([...seen, ...other.records.map(nameOf)]).size).toBe(30);
      }, waiting);
      expect(performance.now() - startedAt).toBeLessThan(4_000);
      expect(aborts).toBeGreaterThan(0);
    }),
  );

  it(
    'does not lose the partition while a handler takes longer than the session timeout, and delivers no record twice',
    withLogs(async (open) => {
      const [group, log] = [newGroup(), open({ sessionTimeoutMs: 1_500 })];
      const slow = await collect(log, group, () => delay(4_000));
      await log.append([pageViewed()]);
      const standby = await collect(
        open({ sessionTimeoutMs: 1_500, rebalanceTimeoutMs: 10_000 }),
        newGroup(),
      );
      await vi.waitFor(() => expect(slow.records).toHaveLength(1), waiting);
      await vi.waitFor(async () => {
        const positions = await kafka.positions(group, views);
        expect(positions.some(({ position }) => position === 1)).toBe(true);
      }, waiting);
      expect(slow.records).toHaveLength(1);
      expect(standby.records).toHaveLength(1);
    }),
  );

  it(
    'loses the partition if the consumer sends no heartbeat for longer than the session timeout (control: the check above can fail)',
    withLogs(async (open) => {
      const log = open({ sessionTimeoutMs: 1_000, heartbeatIntervalMs: 200 });
      let handed = 0;
      await log.consume(newGroup(), [views], async () => {
        handed += 1;
        const end = performance.now() + 2_500;
        // This loop blocks the process, so the client sends no heartbeat.
        while (handed === 1 && performance.now() < end);
      });
      await log.append([pageViewed()]);
      await vi.waitFor(() => expect(handed).toBeGreaterThan(1), waiting);
    }),
  );

  it(
    'loses records in a crash if a handler resolves before its work is done (control: the check of the contract can fail)',
    withLogs(async (open) => {
      const [group, log] = [newGroup(), open()];
      let isBusy = false;
      await log.consume(group, [views], async () => {
        isBusy = true;
        // The handler resolves before its work is done. A crash then loses the work.
      });
      await log.append([pageViewed()]);
      await vi.waitFor(() => expect(isBusy).toBe(true), waiting);
      await vi.waitFor(async () => {
        expect((await kafka.positions(group, views)).some(({ position }) => position === 1)).toBe(true);
      }, waiting);
      await kafka.expel(group);
      await log.close();
      const survivor = open();
      const seen = await collect(survivor, group);
      await survivor.append([pageViewed({ userId: 'bob' })]);
      await vi.waitFor(() => expect(seen.records.length).toBeGreaterThan(0), waiting);
      expect(seen.records.map(({ key }) => key)).toEqual(['default/bob']);
    }),
  );

  it(
    'reports a problem if records wait and none is consumed',
    withLogs(async (open) => {
      const log = open({ stallMs: 300 });
      let release: () => void = () => {};
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      await collect(log, newGroup(), () => held);
      await log.append([pageViewed(), pageViewed()]);
      await vi.waitFor(async () => {
        expect(await log.health()).toEqual({ lag: 2n, problem: expect.stringContaining('2 records wait') });
      }, waiting);
      release();
      await vi.waitFor(
        async () => expect(await log.health()).toEqual({ lag: 0n, problem: undefined }),
        waiting,
      );
    }),
  );

  it(
    'stores records to which a producer gave an old timestamp, and deletes no old records itself',
    withLogs(async (open) => {
      const log = open();
      await topicsExist();
      const producer = new Kafka({ brokers: [kafka.url], logLevel: logLevel.NOTHING }).producer();
      await producer.connect();
      await producer.send({ topic: views, messages: [{ value: 'old', timestamp: '1354408212984' }] });
      await producer.disconnect();
      const reader = await collect(log, newGroup());
      await vi.waitFor(() => expect(reader.records).toHaveLength(1), waiting);
      expect(Date.now() - (reader.records[0]?.appendedAt.getTime() ?? 0)).toBeLessThan(60_000);
      expect(await log.prune(new Date())).toBe(0);
    }),
  );

  describe('given records of other producers', () => {
    const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, n) => `${from + n}`);
    const valuesIn = (reader: { readonly records: readonly LogRecord[] }) => reader.records.map(text);

    it.each([...['uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'].entries()])(
      'delivers each record once if Kafka compressed the records with codec %i (%s)',
      (codec, compression) =>
        withLogs(async (open) => {
          // The broker compresses the records again, in the same format as a producer that uses this
          // compression.
          await kafka.createTopic(views, 1, { 'compression.type': compression });
          const log = open({ partitions: 1 });
          const reader = await collect(log, newGroup());
          const value = (n: string) => `{"n":${n},"text":"${n.repeat(50)}"}`;
          await kafka.produceBatch(views, recordBatch({ records: [{ value: value('0') }] }));
          const records = numbers(3_000, 1).map((n) => ({ value: value(n) }));
          await kafka.produceBatch(views, recordBatch({ records }));
          kafka.changeStored(views, (stored) => expect(stored.readInt16BE(21) & 7).toBe(codec));
          await vi.waitFor(() => expect(reader.records).toHaveLength(3_001), waiting);
          expect(valuesIn(reader)).toEqual(numbers(3_001).map(value));
          expect(await log.health()).toEqual({ lag: expect.any(BigInt), problem: undefined });
        })(),
    );

    it(
      'delivers keys, values and headers with any bytes, and can write the same bytes again',
      withLogs(async (open) => {
        await kafka.createTopic(views, 1);
        const log = open({ partitions: 1 });
        const bytes = Buffer.from([0xff, 0, 0x80, 0x41]);
        const headers = [
          ['traceparent', null],
          ['twice', 'a'],
          ['twice', 'b'],
          ['__proto__', 'x'],
          ['', ''],
          [bytes, bytes],
          ['plain', 'y'],
        ] as const;
        await kafka.produceBatch(
          views,
          recordBatch({
            records: [
              { key: null, value: null, headers: [['null', null]] },
              { key: bytes, value: bytes, headers },
              { key: '', value: '' },
            ],
            timestamp: -1n,
          }),
        );
        const reader = await collect(log, newGroup());
        await vi.waitFor(() => expect(reader.records).toHaveLength(3), waiting);
        const [tombstone, odd, empty] = reader.records as [LogRecord, LogRecord, LogRecord];
        expect(tombstone).toMatchObject({ key: null, value: null });
        expect(odd.value).toEqual(bytes);
        expect(odd.headers).toMatchObject({ plain: 'y', '': '' });
        expect(empty).toMatchObject({ key: '', value: Buffer.alloc(0), headers: {} });
        expect(Date.now() - empty.appendedAt.getTime()).toBeLessThan(60_000);

        await log.send([odd]);
        await vi.waitFor(() => expect(reader.records).toHaveLength(4), waiting);
        const { topic, key, value, headers: again } = reader.records[3] as LogRecord;
        expect({ topic, key, value, headers: again }).toEqual({
          topic: odd.topic,
          key: odd.key,
          value: odd.value,
          headers: odd.headers,
        });
      }),
    );

    it(
      'delivers an unreadable batch as one record, and then delivers the next batches',
      withLogs(async (open) => {
        await kafka.createTopic(views, 1);
        const batches = [2, 3, 2, 3, 2].map((count, n) =>
          recordBatch({ records: numbers(count, 10 * n).map((value) => ({ value })) }),
        );
        for (const batch of batches) await kafka.produceBatch(views, batch);
        const starts = batches.map((_, n) => Buffer.concat(batches.slice(0, n)).length);
        kafka.changeStored(views, (stored) => {
          // The test changes the last byte of a value and the compression type of a batch. The checksum
          // covers both.
          stored[(starts[2] ?? 0) - 3] = 0xff;
          stored[(starts[3] ?? 0) + 22] = 7;
        });
        const [group, log] = [newGroup(), open({ partitions: 1 })];
        const reader = await collect(log, group);
        await vi.waitFor(() => expect(reader.records).toHaveLength(8), waiting);
        const found = reader.records.map(({ offset, unreadable }, n) => [
          Number(offset),
          unreadable ?? text(reader.records[n] as LogRecord),
        ]);
        expect(found).toEqual([
          [0, '0'],
          [1, '1'],
          [2, 'the batch at offsets 2 to 4 cannot be read: its checksum is wrong.'],
          [5, '20'],
          [6, '21'],
          [7, 'the batch at offsets 7 to 9 cannot be read: its checksum is wrong.'],
          [10, '40'],
          [11, '41'],
        ]);
        await vi.waitFor(
          async () => expect(await kafka.positions(group, views)).toEqual([{ position: 12, end: 12 }]),
          waiting,
        );
        expect(log.fatal).toEqual([]);
      }),
    );

    it(
      'delivers messages in the formats of Kafka before 0.11',
      withLogs(async (open) => {
        await kafka.createTopic(views, 1);
        await kafka.produceBatch(
          views,
          recordBatch({ records: [{ value: 'x'.repeat(200) }, { value: 'y' }] }),
        );
        kafka.changeStored(views, (stored) => {
          const old = message({ offset: 0, magic: 0, value: 'old' });
          const size = stored.length - old.length - message({ offset: 1, magic: 1, value: '' }).length;
          Buffer.concat([old, message({ offset: 1, magic: 1, value: 'z'.repeat(size), timestamp: 5n })]).copy(
            stored,
          );
        });
        const reader = await collect(open({ partitions: 1 }), newGroup());
        await vi.waitFor(() => expect(reader.records).toHaveLength(2), waiting);
        expect(text(reader.records[0] as LogRecord)).toBe('old');
        expect(reader.records[1]?.appendedAt).toEqual(new Date(5));
      }),
    );

    it(
      'moves the position past the marks of transactions, and delivers no record of an aborted transaction',
      withLogs(async (open) => {
        await kafka.createTopic(views, 1);
        const [group, log] = [newGroup(), open({ partitions: 1, stallMs: 300 })];
        const reader = await collect(log, group);
        const client = new Kafka({ brokers: [kafka.url], logLevel: logLevel.NOTHING });
        const producer = client.producer({
          transactionalId: group,
          idempotent: true,
          maxInFlightRequests: 1,
        });
        await producer.connect();
        for (const [value, isAborted] of [
          ['kept', false],
          ['aborted', true],
        ] as const) {
          const transaction = await producer.transaction();
          await transaction.send({ topic: views, messages: [{ value }] });
          await (isAborted ? transaction.abort() : transaction.commit());
        }
        await producer.disconnect();
        await vi.waitFor(
          async () => expect(await kafka.positions(group, views)).toEqual([{ position: 4, end: 4 }]),
          waiting,
        );
        expect(valuesIn(reader)).toEqual(['kept']);
        expect(await log.health()).toEqual({ lag: 0n, problem: undefined });
      }),
    );
  });

  it(
    'has topics whose settings examineKafka reports, with advice about unsuitable settings',
    withLogs(async (open) => {
      await kafka.createTopic(views, 3, { 'compression.type': 'zstd', 'max.message.bytes': '20000' });
      open();
      await topicsExist();
      const findings = await examineKafka(kafkaOptions(kafka.url));
      const about = (topic: string) =>
        findings.find(({ found }) => found.startsWith(`topic ${topic} keeps batches`));
      expect(about(topics.userLimits)).toEqual({
        state: 'ok',
        found: `topic ${topics.userLimits} keeps batches uncompressed, of up to 1048588 bytes, with timestamps LogAppendTime`,
      });
      expect(about(views)).toEqual({
        state: 'warning',
        found: `topic ${views} keeps batches compressed with zstd, of up to 20000 bytes, with timestamps CreateTime`,
        fix: expect.stringMatching(/message.timestamp.type=LogAppendTime\. .* max.message.bytes=1048588\. /),
      });
    }),
  );
});
