import { withDeadline } from '../../ports/deadline.ts';
import type { Finding } from '../../ports/finding.ts';
import { silent } from '../../ports/logger.ts';
import { createConnect } from './client.ts';
import { adviceOn, reasonOf } from './error.ts';
import { createNames } from './names.ts';
import { type KafkaOptions, settingsOf } from './options.ts';

const timeoutMs = 8_000;

/** Looks at a Kafka cluster without changing anything: reachable, topics there, partitions as configured and with leaders. */
export async function examineKafka(options: KafkaOptions): Promise<readonly Finding[]> {
  const admin = createConnect({ logger: silent }, settingsOf(options))().admin();
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
    ];
  } catch (error) {
    const fix =
      adviceOn(error) ??
      'Start it, or mend KAFKA_BROKERS, KAFKA_SSL and KAFKA_SASL_…; do the advertised listeners lead here?';
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
    const fix = 'Start the brokers that are down; until then events of these partitions wait.';
    return { state: 'failed', found: `${found}, ${leaderless} without a leader`, fix };
  }
  if (partitions.length === configured) return { state: 'ok', found };
  const fix = `Leave it: adding partitions moves users to others. Set KAFKA_PARTITIONS=${partitions.length} to agree.`;
  return { state: 'warning', found: `${found}, not ${configured} as configured`, fix };
}
