import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EachBatchPayload } from 'kafkajs';
import { createInFlight, type InFlight } from '../../async/in-flight.ts';

interface Partition {
  readonly topic: string;
  readonly partition: number;
  readonly handed: InFlight<string>;
  /** The offset of the most recent commit to Kafka. Undefined before the first commit. */
  committed: string | undefined;
}

/**
 * Creates the state of a membership: the batches that were handed over and the offsets that were committed. A
 * membership lasts until Kafka assigns partitions again. If a batch is not committed when the membership
 * ends, Kafka delivers it again.
 */
export function createMembership() {
  const over = new AbortController();
  const partitions = new Map<string, Partition>();
  let commitOffsets: EachBatchPayload['commitOffsetsIfNecessary'] | undefined;
  let committing: Promise<void> | undefined;

  /** Returns the offsets to commit: one for each partition whose position has moved since the last commit. */
  function uncommitted() {
    return [...partitions.values()].flatMap((one) => {
      const offset = one.handed.passed();
      if (offset === undefined || offset === one.committed) return [];
      one.committed = offset;
      return [{ topic: one.topic, partitions: [{ partition: one.partition, offset }] }];
    });
  }

  /**
   * Commits the offsets of passed batches. Only one commit runs at a time. A failed commit does no harm, even
   * after the membership has ended.
   */
  async function commitPassed(): Promise<void> {
    await nextTurn();
    for (let topics = uncommitted(); topics.length > 0; topics = uncommitted())
      await commitOffsets?.({ topics }).catch(() => {});
    committing = undefined;
  }

  function partitionOf({ topic, partition }: EachBatchPayload['batch']): Partition {
    const key = `${topic}/${partition}`;
    let found = partitions.get(key);
    if (!found) {
      const handed = createInFlight<string>({
        onDone() {
          committing ??= commitPassed();
        },
      });
      found = { topic, partition, handed, committed: undefined };
      partitions.set(key, found);
    }
    return found;
  }

  return {
    /** Aborts when Kafka may assign the records to another member. */
    signal: over.signal,
    end: (reason?: unknown) => over.abort(reason),
    /**
     * Adds a batch of a partition. `place` is the offset after the batch. Resolves when at most `ahead`
     * records of the partition are not done.
     */
    async handOver(
      { batch, commitOffsetsIfNecessary }: EachBatchPayload,
      inFlight: { readonly place: string; readonly size: number; readonly work: Promise<void> },
      ahead: number,
    ): Promise<void> {
      commitOffsets = commitOffsetsIfNecessary;
      const { handed } = partitionOf(batch);
      handed.add(inFlight);
      await handed.untilAtMost(ahead);
    },
    /**
     * Resolves when the handlers of all batches have ended and the offsets of the handled batches are
     * committed.
     */
    async settled(): Promise<void> {
      for (const { handed } of partitions.values()) await handed.settled();
      await committing;
    },
  };
}
