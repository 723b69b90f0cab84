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

/** A log that a configuration can name, and how to open it. */
interface LogChoice {
  readonly name: string;
  /** For people: which log this is, and where. */
  readonly description: string;
  /** As the database remembers it. */
  readonly inUse: LogInUse;
  /** Whether the log is a table of the database, so that it opens the database. */
  readonly isTable: boolean;
  open(deps: { readonly logger: Logger; readonly database: () => Promise<OpenDatabase> }): Promise<EventLog>;
  /** undefined if whoever examines the database examines the log. */
  readonly examine: (() => Promise<readonly Finding[]>) | undefined;
}

/** The log that the configuration names: Kafka, or a table of the database. */
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

/** What nothing here can mend ends the process, the way an error does that nobody handles: in order, and with 1. */
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
    const message = `KAFKA_TOPICS: there is no topic ${unknown.join(', ')} to rename; there are ${ours.join(', ')}.`;
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
 * Has the workers consume a topic of Kafka again from a moment on; how many records each group has before it. Rejects with
 * START_REFUSED when that cannot be.
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
      'The log is a table, which keeps nothing to replay. Set KAFKA_BROKERS, or see `unseen rebuild`.';
    throw new AppError('START_REFUSED', message);
  }
  const days = config.retention.marks;
  if (from.getTime() < systemClock.now().getTime() - days * 86_400_000) {
    const message = `Events are recognised for ${days} days (DEDUPE_DAYS): what is older would count twice. Replay from a later day.`;
    throw new AppError('START_REFUSED', message);
  }
  const { replayKafka } = await import('../adapters/kafka/replay.ts');
  return replayKafka(kafkaOptions({ kafka, ...config }, kafka), { topic, from, groups });
}
