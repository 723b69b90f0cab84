import type { KafkaOptions } from '../adapters/kafka/options.ts';
import type { LogInUse } from '../adapters/postgres/log/log-in-use.ts';
import type { Config } from '../config/config.ts';
import { AppError } from '../domain/error.ts';
import { notificationCreatedTopic, topics } from '../events/topic.ts';
import { systemClock } from '../ports/clock.ts';
import type { EventLog } from '../ports/event-log.ts';
import type { Finding } from '../ports/finding.ts';
import type { Logger } from '../ports/logger.ts';
import type { OpenDatabase } from './database.ts';

/** A log that a configuration can choose. */
interface LogChoice {
  readonly name: string;
  /**
   * Describes the log and its address. The banner of `unseen start` and the report of `unseen doctor` contain
   * this text.
   */
  readonly description: string;
  /** The value in the database that binds the database to this log. */
  readonly inUse: LogInUse;
  /** Whether the log is a table of the database. Opening the log then opens the database. */
  readonly isTable: boolean;
  open(deps: { readonly logger: Logger; readonly database: () => Promise<OpenDatabase> }): Promise<EventLog>;
  /** undefined if the examination of the database covers the log. */
  readonly examine: (() => Promise<readonly Finding[]>) | undefined;
}

/** Chooses the log of a configuration: Kafka if KAFKA_BROKERS is set, otherwise a table of the database. */
export function chooseLog(config: Config): LogChoice {
  const { kafka } = config;
  if (!kafka) {
    return {
      name: 'PostgreSQL',
      description: 'a table in the same Postgres',
      inUse: { kind: 'postgres', namespace: '' },
      isTable: true,
      async open({ logger, database }) {
        const { createPostgresEventLog } = await import('../adapters/postgres/log/event-log.ts');
        return createPostgresEventLog({ ...(await database()), logger });
      },
      examine: undefined,
    };
  }
  return {
    name: 'Kafka',
    description: `Kafka at ${kafka.brokers.join(', ')}`,
    inUse: { kind: 'kafka', namespace: kafka.namespace },
    isTable: false,
    async open({ logger }) {
      const { createKafkaEventLog } = await import('../adapters/kafka/event-log.ts');
      return createKafkaEventLog({ logger, onFatal }, kafkaOptions(config, kafka));
    },
    async examine() {
      const { examineKafka } = await import('../adapters/kafka/doctor.ts');
      return examineKafka(kafkaOptions(config, kafka));
    },
  };
}

/**
 * Ends the process after an error from which Unseen cannot recover. The error is thrown as an uncaught
 * exception, so that the process stops in order and exits with code 1.
 */
function onFatal(error: Error): void {
  setImmediate(() => {
    throw error;
  });
}

function kafkaOptions(
  { retention, announcesDeliveries }: Config,
  { replicationFactor = -1, sasl, ...kafka }: NonNullable<Config['kafka']>,
): KafkaOptions {
  const consumed: readonly string[] = Object.values(topics);
  const ours = [...consumed, notificationCreatedTopic];
  const unknown = Object.keys(kafka.renamed).filter((name) => !ours.includes(name));
  if (unknown.length > 0) {
    const message = `KAFKA_TOPICS: Unseen has no topic ${unknown.join(', ')}. Its topics are ${ours.join(', ')}.`;
    throw new AppError('START_REFUSED', message);
  }
  return {
    ...kafka,
    ...(sasl && { sasl }),
    replicationFactor,
    retentionMs: retention.log * 86_400_000,
    topics: announcesDeliveries ? ours : consumed,
    heartbeatIntervalMs: Math.min(3_000, kafka.sessionTimeoutMs / 3),
  };
}

/**
 * Makes the workers consume a Kafka topic again, from a given time on. Returns how many records each consumer
 * group will consume again. Rejects with START_REFUSED if the log is a table, or if `from` is more than
 * DEDUPE_DAYS ago.
 */
export async function replay(
  { kafka, ...config }: Config,
  {
    topic,
    from,
    groups,
  }: { readonly topic: string; readonly from: Date; readonly groups: readonly string[] },
): Promise<ReadonlyMap<string, bigint>> {
  if (!kafka) {
    const message =
      'The log is a table, which keeps no applied events to replay. Set KAFKA_BROKERS, or use `unseen rebuild`.';
    throw new AppError('START_REFUSED', message);
  }
  const days = config.retention.marks;
  if (from.getTime() < systemClock.now().getTime() - days * 86_400_000) {
    const message = `Unseen recognises events for ${days} days (DEDUPE_DAYS), so it would count older events twice. Set --from to a later day.`;
    throw new AppError('START_REFUSED', message);
  }
  const { replayKafka } = await import('../adapters/kafka/replay.ts');
  return replayKafka(kafkaOptions({ kafka, ...config }, kafka), { topic, from, groups });
}
