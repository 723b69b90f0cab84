import type { Admin } from 'kafkajs';
import { deadLetterSuffix } from '../../events/topic.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Names } from './names.ts';
import type { Settings } from './options.ts';

/**
 * Creates the topics that are missing and says which of the others differ from what is configured; those are never
 * changed. Several processes may do it at once. Rejects with what kafkajs throws.
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
      // A producer that sends the time of an old event would have its record deleted by the retention at once.
      { name: 'message.timestamp.type', value: 'LogAppendTime' },
    ];
    const settings = { numPartitions: partitions, replicationFactor, configEntries };
    // False when another process was faster with all of them; with some of them it rejects, and the next try finds them.
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
