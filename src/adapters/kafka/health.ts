import type { Admin } from 'kafkajs';

/**
 * The lag of a group on its topics, and its position as text. Two texts are equal if the positions are equal.
 */
export interface Standing {
  readonly lag: bigint;
  readonly position: string;
}

/**
 * Asks Kafka for the lag and the position of a group. If the group has no committed position, its position is
 * the oldest record of the topic. Rejects with the error of kafkajs.
 */
export async function standingOf(
  admin: Admin,
  groupId: string,
  topics: readonly string[],
): Promise<Standing> {
  // The positions are read before the ends of the topics. Records that are appended between the two reads
  // only make the lag larger.
  const committed = await admin.fetchOffsets({ groupId, topics: [...topics] });
  let lag = 0n;
  const positions: string[] = [];
  for (const { topic, partitions } of committed) {
    const ends = await admin.fetchTopicOffsets(topic);
    for (const { partition, high, low } of ends) {
      const given = BigInt(partitions.find((one) => one.partition === partition)?.offset ?? -1);
      const position = given < BigInt(low) ? BigInt(low) : given;
      if (BigInt(high) > position) lag += BigInt(high) - position;
      positions.push(`${topic}/${partition}/${position}`);
    }
  }
  return { lag, position: positions.sort().join() };
}
