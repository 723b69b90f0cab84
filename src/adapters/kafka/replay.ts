import { AppError } from '../../domain/error.ts';
import { silent } from '../../ports/logger.ts';
import { createConnect } from './client.ts';
import { reasonOf } from './error.ts';
import { standingOf } from './health.ts';
import { createNames } from './names.ts';
import { type KafkaOptions, settingsOf } from './options.ts';

/**
 * Moves the position of groups back to the records of a topic that were appended at or after a moment.
 * Returns the new lag of each group. Rejects with START_REFUSED if a group has an active consumer or if Kafka
 * does not answer.
 */
export async function replayKafka(
  options: KafkaOptions,
  {
    topic,
    from,
    groups,
  }: { readonly topic: string; readonly from: Date; readonly groups: readonly string[] },
): Promise<ReadonlyMap<string, bigint>> {
  const admin = createConnect({ logger: silent }, settingsOf(options))().admin();
  const names = createNames(options);
  const name = names.inKafka(topic);
  try {
    await admin.connect();
    const described = await admin.describeGroups(groups.map(names.group));
    const busy = described.groups.filter(({ members }) => members.length > 0);
    if (busy.length > 0) {
      const message = `Workers consume for ${busy.map(({ groupId }) => groupId).join(', ')}. Stop them, replay, and start them again.`;
      throw new AppError('START_REFUSED', message);
    }
    const offsets = await admin.fetchTopicOffsetsByTimestamp(name, from.getTime());
    const lags = new Map<string, bigint>();
    for (const group of groups) {
      const groupId = names.group(group);
      await admin.setOffsets({ groupId, topic: name, partitions: offsets });
      lags.set(group, (await standingOf(admin, groupId, [name])).lag);
    }
    return lags;
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('START_REFUSED', `Kafka did not move the groups: ${reasonOf(error)}.`, {
      cause: error,
    });
  } finally {
    void admin.disconnect().catch(() => {});
  }
}
