import type { Admin } from 'kafkajs';
import { deadLetterSuffix } from '../../events/topic.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Names } from './names.ts';
import type { Settings } from './options.ts';

/**
 * Creates missing topics. Logs a warning about existing topics whose number of partitions differs from the
 * configuration, but never changes them. Several processes may call this function at the same time. Rejects
 * with the error of kafkajs.
 */
export async function createTopics(
  { admin, logger, names }: { readonly admin: Admin; readonly logger: Logger; readonly names: Names },
  { topics, partitions, replicationFactor, retentionMs, compression }: Settings,
): Promise<void> {
  const wanted = [...topics, ...topics.map((topic) => topic + deadLetterSuffix)].map(names.inKafka);
  const existing = await admin.listTopics();
  const missing = wanted.filter((topic) => !existing.includes(topic));
  if (missing.length > 0) {
    const configEntries = [
      { name: 'retention.ms', value: String(retentionMs) },
      { name: 'compression.type', value: compression === 'none' ? 'uncompressed' : compression },
      // With this setting the retention uses the time of the append. Otherwise Kafka would immediately delete
      // a record to which a producer gave the time of an old event.
      { name: 'message.timestamp.type', value: 'LogAppendTime' },
    ];
    const settings = { numPartitions: partitions, replicationFactor, configEntries };
    // The call resolves to false if another process has created all missing topics in the meantime. If
    // another process has created only some of them, the call rejects, and the next attempt creates the
    // others.
    await admin.createTopics({ topics: missing.map((topic) => ({ topic, ...settings })) });
    logger.info({ topics: missing, partitions }, 'created the topics that were missing');
  }
  const metadata = await admin.fetchTopicMetadata({ topics: topics.map(names.inKafka) });
  for (const topic of metadata.topics) {
    const fields = { topic: topic.name, partitions: topic.partitions.length, configured: partitions };
    if (topic.partitions.length !== partitions) {
      logger.warn(fields, 'a topic has another number of partitions than configured and is left as it is');
    }
  }
}
