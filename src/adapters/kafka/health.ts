import type { Admin } from 'kafkajs';

/** How far a group is behind on its topics, and where it stands: the same text means the same place. */
export interface Standing {
  readonly lag: bigint;
  readonly position: string;
}

/** Asks Kafka. A group that has not begun stands before the oldest record kept. Rejects with what kafkajs throws. */
export async function standingOf(
  admin: Admin,
  groupId: string,
  topics: readonly string[],
): Promise<Standing> {
  // Positions first: what is appended in between only makes the lag larger.
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
