import type { Admin } from 'kafkajs';

/** The lag of a group on its topics, and its position. Two equal texts mean the same position. */
export interface Standing {
  readonly lag: bigint;
  readonly position: string;
}

/**
 * Asks Kafka for the standing of a group. A group that has not begun is at the oldest kept record. Rejects
 * with the error of kafkajs.
 */
export async function standingOf(
  admin: Admin,
  groupId: string,
  topics: readonly string[],
): Promise<Standing> {
  // The positions are read first. Records that are appended in between only make the lag larger.
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
