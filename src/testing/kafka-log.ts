import { createKafkaEventLog } from '../adapters/kafka/event-log.ts';
import type { KafkaOptions } from '../adapters/kafka/options.ts';
import { notificationCreatedTopic, topics } from '../events/topic.ts';
import type { EventLog } from '../ports/event-log.ts';
import type { Logger } from '../ports/logger.ts';

export const inbound = Object.values(topics);

/** Returns options with short timeouts, so that tests are fast. */
export function kafkaOptions(url: string, options: Partial<KafkaOptions> = {}): KafkaOptions {
  return {
    brokers: [url],
    clientId: 'test',
    ssl: false,
    partitions: 3,
    replicationFactor: -1,
    retentionMs: 86_400_000,
    compression: 'none',
    topics: [...inbound, notificationCreatedTopic],
    sessionTimeoutMs: 3_000,
    rebalanceTimeoutMs: 2_000,
    heartbeatIntervalMs: 200,
    fetchWaitMs: 100,
    maxRetryMs: 50,
    ...options,
  };
}

/** A log with its log lines and its fatal errors. */
export interface TestLog extends EventLog {
  readonly lines: readonly { readonly level: string; readonly message: string; readonly fields: object }[];
  readonly fatal: readonly Error[];
}

export function openKafkaLog(url: string, options: Partial<KafkaOptions> = {}): TestLog {
  const lines: { level: string; message: string; fields: object }[] = [];
  const fatal: Error[] = [];
  const say = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, fields });
  const logger: Logger = { info: say('info'), warn: say('warn'), error: say('error') };
  const onFatal = (error: Error) => void fatal.push(error);
  return { ...createKafkaEventLog({ logger, onFatal }, kafkaOptions(url, options)), lines, fatal };
}
