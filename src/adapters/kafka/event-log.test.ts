import { afterAll, beforeAll, describe } from 'vitest';
import { topics } from '../../events/topic.ts';
import { type EventLogUnderTest, eventLogContract } from '../../ports/event-log.contract.ts';
import type { EventLog } from '../../ports/event-log.ts';
import { silent } from '../../testing/app.ts';
import { pageViewed } from '../../testing/event.ts';
import { startTestKafka, type TestKafka, type TestReader } from '../../testing/kafka.ts';
import { createKafkaEventLog } from './event-log.ts';
import type { KafkaOptions } from './options.ts';

const inbound = Object.values(topics);
const outboundTopic = 'user-notification-created';

let kafka: TestKafka;
beforeAll(async () => {
  kafka = await startTestKafka();
}, 300_000);
afterAll(() => kafka.stop());

const optionsFor = (): KafkaOptions => ({
  brokers: [kafka.url],
  clientId: 'test',
  ssl: false,
  partitions: 1,
  replicationFactor: -1,
  retentionMs: 86_400_000,
  compression: 'none',
  topics: inbound,
  outboundTopic,
  sessionTimeoutMs: 3_000,
  rebalanceTimeoutMs: 2_000,
  heartbeatIntervalMs: 200,
  fetchWaitMs: 100,
  maxRetryMs: 50,
});

async function openLog(): Promise<EventLogUnderTest> {
  const test = crypto.randomUUID();
  const logs: EventLog[] = [];
  let reader: TestReader | undefined;
  await kafka.deleteTopics([...inbound, outboundTopic]);
  return {
    open() {
      const onFatal = (error: Error) => {
        throw error;
      };
      const log = createKafkaEventLog({ logger: silent, onFatal }, optionsFor());
      logs.push(log);
      // Topics are deleted with what they hold, groups stay: each test has its own.
      return { ...log, consume: (group, ...rest) => log.consume(`${group}-${test}`, ...rest) };
    },
    async durableIds() {
      reader ??= await kafka.openReader(inbound);
      return (await reader.values()).map((value) => (JSON.parse(value ?? '') as { id: string }).id);
    },
    unstorable: () => pageViewed({ data: { name: 'x'.repeat(1_000_000) } }),
    appendRaw: (value) => kafka.produce({ topic: topics.userActivity, key: 'default/alice', value }),
    cutConsumers: (group) => kafka.expel(`${group}-${test}`),
    // Kafka gives offsets and order, whatever we do.
    async makeCommitsSlow() {},
    now: async () => new Date(),
    async close() {
      await reader?.close();
      await Promise.all(logs.map((log) => log.close()));
    },
  };
}

describe('the Kafka event log', () => {
  eventLogContract(openLog, { denseOffsets: false, prunes: false, oneConsumerAtATime: false });
});
