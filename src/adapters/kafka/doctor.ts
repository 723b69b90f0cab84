import kafkajs, { type Admin } from 'kafkajs';
import { withDeadline } from '../../async/deadline.ts';
import type { Finding } from '../../ports/finding.ts';
import { silent } from '../../ports/logger.ts';
import { createConnect } from './client.ts';
import { maxKeptBytes } from './decode-records.ts';
import { adviceOn, reasonOf } from './error.ts';
import { createNames } from './names.ts';
import { type KafkaOptions, settingsOf } from './options.ts';

const timeoutMs = 8_000;

/**
 * Examines whether a Kafka cluster is reachable, whether the topics exist, whether their partitions match the
 * configuration and have leaders, and whether the settings of the topics fit. Changes nothing.
 */
export async function examineKafka(options: KafkaOptions): Promise<readonly Finding[]> {
  const settings = settingsOf(options);
  const { maxAppendBytes } = settings;
  const admin = createConnect({ logger: silent }, settings)().admin();
  const startedAt = performance.now();
  try {
    await withDeadline(admin.connect(), timeoutMs);
    const { brokers } = await withDeadline(admin.describeCluster(), timeoutMs);
    const reachedMs = Math.round(performance.now() - startedAt);
    const count = `${brokers.length} ${brokers.length === 1 ? 'broker' : 'brokers'}`;
    const existing = await withDeadline(admin.listTopics(), timeoutMs);
    const wanted = options.topics.map(createNames(options).inKafka);
    const present = wanted.filter((topic) => existing.includes(topic));
    const { topics } = await withDeadline(admin.fetchTopicMetadata({ topics: present }), timeoutMs);
    return [
      { state: 'ok', found: `reached in ${reachedMs} ms, ${count}` },
      ...wanted
        .filter((topic) => !present.includes(topic))
        .map((topic): Finding => {
          const fix = options.sasl
            ? `The next start creates it, if ${options.sasl.username} may create topics; or create it yourself.`
            : 'The next start creates it.';
          return { state: 'warning', found: `no topic ${topic}`, fix };
        }),
      ...topics.map(({ name, partitions }): Finding => topicFinding(name, partitions, options.partitions)),
      ...(await settingFindings(admin, present, maxAppendBytes)),
    ];
  } catch (error) {
    const fix =
      adviceOn(error) ??
      'Start it, or fix KAFKA_BROKERS, KAFKA_SSL and KAFKA_SASL_…. Check that the advertised listeners are reachable from here.';
    return [{ state: 'failed', found: `cannot be reached: ${reasonOf(error)}`, fix }];
  } finally {
    void admin.disconnect().catch(() => {});
  }
}

function topicFinding(
  topic: string,
  partitions: readonly { readonly leader: number; readonly replicas: readonly number[] }[],
  configured: number,
): Finding {
  const leaderless = partitions.filter(({ leader }) => leader < 0).length;
  const replicas = partitions[0]?.replicas.length ?? 0;
  const found = `topic ${topic} has ${partitions.length} partitions, ${replicas} ${replicas === 1 ? 'copy' : 'copies'} of each`;
  if (leaderless > 0) {
    const fix = 'Start the brokers that are down. Until then, events of these partitions wait.';
    return { state: 'failed', found: `${found}, ${leaderless} without a leader`, fix };
  }
  if (partitions.length === configured) return { state: 'ok', found };
  const fix = `Leave it: adding partitions moves users to others. Set KAFKA_PARTITIONS=${partitions.length} to agree.`;
  return { state: 'warning', found: `${found}, not ${configured} as configured`, fix };
}

// Node does not recognize this name as an export of the CommonJS module.
const { TOPIC } = kafkajs.ConfigResourceTypes;

const examined = ['compression.type', 'message.timestamp.type', 'max.message.bytes'] as const;

type TopicSettings = Partial<Record<(typeof examined)[number], string>>;

/**
 * Examines the settings of topics. The login may lack the right to read settings. Everything else works
 * without this right.
 */
async function settingFindings(
  admin: Admin,
  topics: readonly string[],
  maxAppendBytes: number,
): Promise<readonly Finding[]> {
  if (topics.length === 0) return [];
  const resources = topics.map((name) => ({
    type: TOPIC,
    name,
    configNames: [...examined],
  }));
  try {
    const described = await withDeadline(
      admin.describeConfigs({ resources, includeSynonyms: false }),
      timeoutMs,
    );
    return described.resources.map(({ resourceName, configEntries }) => {
      const values = configEntries.map(({ configName, configValue }) => [configName, configValue]);
      return settingFinding(resourceName, Object.fromEntries(values), maxAppendBytes);
    });
  } catch (error) {
    const found = `the settings of the topics cannot be read: ${reasonOf(error)}`;
    return [{ state: 'warning', found, fix: 'Allow the login to describe the configs of its topics.' }];
  }
}

function settingFinding(topic: string, settings: TopicSettings, maxAppendBytes: number): Finding {
  const compression = settings['compression.type'];
  const timestamps = settings['message.timestamp.type'];
  const maxBytes = Number(settings['max.message.bytes']);
  const kept =
    compression === 'producer'
      ? 'as producers compress them'
      : compression === 'uncompressed'
        ? 'uncompressed'
        : `compressed with ${compression}`;
  const found = `topic ${topic} keeps batches ${kept}, of up to ${maxBytes} bytes, with timestamps ${timestamps}`;
  const fixes = [
    timestamps !== 'LogAppendTime' &&
      'Set message.timestamp.type=LogAppendTime. Otherwise Kafka deletes a record early if its producer sends an old timestamp.',
    maxBytes < maxAppendBytes &&
      `Set max.message.bytes=1048588. Unseen accepts events of up to ${maxAppendBytes} bytes, but this topic refuses events over ${maxBytes} bytes.`,
    maxBytes > maxKeptBytes &&
      `Batches over ${maxKeptBytes} bytes that cannot be read are not kept in the dead letters, and records over ${maxAppendBytes} bytes cannot be retried.`,
  ].filter((fix) => fix !== false);
  return fixes.length === 0 ? { state: 'ok', found } : { state: 'warning', found, fix: fixes.join(' ') };
}
