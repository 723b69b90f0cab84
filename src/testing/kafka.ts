import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { connect as openSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Admin, type Consumer, Kafka, logLevel, Partitioners } from 'kafkajs';
import { vi } from 'vitest';
import { type PrivateInstance, startKafka } from '../../scripts/services/private.ts';

/** A Kafka for one test file. */
export interface TestKafka extends PrivateInstance {
  readonly admin: Admin;
  /** Sends a record with any content to the partition of its key. */
  produce(record: {
    readonly topic: string;
    readonly key: string | null;
    readonly value: string | Buffer | null;
  }): Promise<void>;
  /** Sends the unchanged bytes of a batch to partition 0. */
  produceBatch(topic: string, batch: Buffer): Promise<void>;
  /**
   * Changes the file of partition 0. Kafka sends the bytes of this file to consumers without checking them.
   */
  changeStored(topic: string, change: (stored: Buffer) => void): void;
  createTopic(
    topic: string,
    numPartitions: number,
    settings?: Readonly<Record<string, string>>,
  ): Promise<void>;
  /** Deletes these topics. Ignores topics that do not exist. */
  deleteTopics(topics: readonly string[]): Promise<void>;
  /**
   * Returns the position of the group and the end of the topic, for each partition. Position -1 means that
   * the group has not committed a position.
   */
  positions(
    group: string,
    topic: string,
  ): Promise<readonly { readonly position: number; readonly end: number }[]>;
  /**
   * Removes the members of the group without notice, as Kafka does with silent members. Resolves with the
   * number of members.
   */
  expel(group: string): Promise<number>;
  /**
   * Opens a reader with its own group. The reader returns all records of the topics, topic by topic, in the
   * order of the partitions.
   */
  openReader(topics: readonly string[]): Promise<TestReader>;
}

export interface TestReader {
  values(): Promise<readonly (string | null)[]>;
  close(): Promise<void>;
}

export async function startTestKafka(): Promise<TestKafka> {
  const dir = mkdtempSync(join(tmpdir(), 'unseen-kafka-'));
  const instance = await startKafka({ dir });
  const retry = { initialRetryTime: 50, maxRetryTime: 500, retries: 30 };
  const client = () => new Kafka({ brokers: [instance.url], logLevel: logLevel.NOTHING, retry });
  const admin = client().admin();
  const producer = client().producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    allowAutoTopicCreation: false,
  });
  await admin.connect();
  await producer.connect();

  /**
   * Repeats a call until it succeeds, because a broker cannot answer requests about a topic right after the
   * creation of the topic.
   */
  const settled = <T>(ask: () => Promise<T>) => vi.waitFor(ask, { timeout: 10_000, interval: 20 });
  const ends = async (topic: string) =>
    (await settled(() => admin.fetchTopicOffsets(topic))).toSorted((a, b) => a.partition - b.partition);

  return {
    ...instance,
    get pid() {
      return instance.pid;
    },
    admin,
    async produce({ topic, key, value }) {
      await producer.send({ topic, messages: [{ key, value }] });
    },
    produceBatch: (topic, batch) => settled(() => produceBatch(instance.url, topic, batch)),
    changeStored(topic, change) {
      const file = join(dir, 'data', `${topic}-0`, '00000000000000000000.log');
      const stored = readFileSync(file);
      change(stored);
      // Changes the existing file instead of replacing it, because Kafka has the file open.
      const descriptor = openSync(file, 'r+');
      writeSync(descriptor, stored);
      closeSync(descriptor);
    },
    async createTopic(topic, numPartitions, settings = {}) {
      const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
      await settled(() => admin.createTopics({ topics: [{ topic, numPartitions, configEntries }] }));
    },
    async deleteTopics(topics) {
      const existing = await admin.listTopics();
      const there = topics.filter((topic) => existing.includes(topic));
      if (there.length > 0) await admin.deleteTopics({ topics: there });
    },
    async positions(group, topic) {
      const [committed] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
      return (await ends(topic)).map(({ partition, high }) => ({
        position: Number(committed?.partitions.find((one) => one.partition === partition)?.offset ?? -1),
        end: Number(high),
      }));
    },
    async expel(group) {
      const { groups } = await admin.describeGroups([group]);
      const members = groups.flatMap((one) => one.members).map(({ memberId }) => memberId);
      for (const member of members) await leaveGroup(instance.url, group, member);
      return members.length;
    },
    async openReader(topics) {
      const allExist = async () => {
        const existing = await admin.listTopics();
        return topics.every((topic) => existing.includes(topic));
      };
      await vi.waitUntil(allExist, { timeout: 10_000, interval: 20 });
      const consumer: Consumer = client().consumer({
        groupId: `reader-${crypto.randomUUID()}`,
        maxWaitTimeInMs: 50,
      });
      const read = new Map<string, { readonly offset: number; readonly value: string | null }[]>();
      await consumer.connect();
      await consumer.subscribe({ topics: [...topics], fromBeginning: true });
      await consumer.run({
        eachMessage: async ({ topic, partition, message }) => {
          const place = `${topic}/${partition}`;
          const record = { offset: Number(message.offset), value: message.value?.toString() ?? null };
          read.set(place, [...(read.get(place) ?? []), record]);
        },
      });
      return {
        async values() {
          const all: (string | null)[] = [];
          for (const topic of topics) {
            for (const { partition, high } of await ends(topic)) {
              const records = () => read.get(`${topic}/${partition}`) ?? [];
              const isBehind = () => (records().at(-1)?.offset ?? -1) + 1 < Number(high);
              await vi.waitUntil(() => !isBehind(), { timeout: 10_000, interval: 2 });
              all.push(...records().map(({ value }) => value));
            }
          }
          return all;
        },
        close: () => consumer.disconnect(),
      };
    },
    async stop() {
      await Promise.all([admin.disconnect(), producer.disconnect()]);
      await instance.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

const int16 = (value: number) => Buffer.from([value >> 8, value & 255]);
const int32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const string = (text: string) => Buffer.concat([int16(Buffer.byteLength(text)), Buffer.from(text)]);

/** Sends a request of Kafka's protocol on a new connection. Returns the body of the answer. */
async function ask(broker: string, apiKey: number, version: number, body: Buffer): Promise<Buffer> {
  const head = Buffer.concat([int16(apiKey), int16(version), int32(0), string('test')]);
  const [host = '', port] = broker.split(':');
  const socket = openSocket(Number(port), host);
  socket.write(Buffer.concat([int32(head.length + body.length), head, body]));
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return answer.subarray(8);
}

/**
 * Removes the member of another process from a group:
 * https://kafka.apache.org/protocol#The_Messages_LeaveGroup
 */
async function leaveGroup(broker: string, group: string, member: string): Promise<void> {
  const answer = await ask(broker, 13, 1, Buffer.concat([string(group), string(member)]));
  // Error 25 means that the group no longer has this member.
  const code = answer.readInt16BE(4);
  if (code !== 0 && code !== 25) throw new Error(`Kafka refused LeaveGroup with error ${code}`);
}

/** Sends a batch: https://kafka.apache.org/protocol#The_Messages_Produce */
async function produceBatch(broker: string, topic: string, batch: Buffer): Promise<void> {
  const partition = Buffer.concat([int32(1), int32(0), int32(batch.length), batch]);
  const body = [int16(-1), int16(1), int32(5_000), int32(1), string(topic), partition];
  const answer = await ask(broker, 0, 3, Buffer.concat(body));
  const code = answer.readInt16BE(4 + 2 + Buffer.byteLength(topic) + 4 + 4);
  if (code !== 0) throw new Error(`Kafka refused the batch with error ${code}`);
}
