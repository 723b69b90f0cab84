import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EachBatchPayload } from 'kafkajs';
import { createInFlight, type InFlight } from '../../async/in-flight.ts';

interface Partition {
  readonly topic: string;
  readonly partition: number;
  readonly handed: InFlight<string>;
  /** What Kafka knows. */
  told: string | undefined;
}

/**
 * From one sharing out of the partitions to the next: the batches that were handed over ahead, and how far Kafka was told.
 * What is not told by its end comes again.
 */
export function createMembership() {
  const over = new AbortController();
  const partitions = new Map<string, Partition>();
  let tell: EachBatchPayload['commitOffsetsIfNecessary'] | undefined;
  let telling: Promise<void> | undefined;

  /** What Kafka does not know yet, of all partitions. */
  function untold() {
    return [...partitions.values()].flatMap((one) => {
      const offset = one.handed.passed();
      if (offset === undefined || offset === one.told) return [];
      one.told = offset;
      return [{ topic: one.topic, partitions: [{ partition: one.partition, offset }] }];
    });
  }

  /** One commit at a time. A commit that fails is harmless, also behind the end of the membership. */
  async function tellPassed(): Promise<void> {
    await nextTurn();
    for (let topics = untold(); topics.length > 0; topics = untold())
      await tell?.({ topics }).catch(() => {});
    telling = undefined;
  }

  function partitionOf({ topic, partition }: EachBatchPayload['batch']): Partition {
    const key = `${topic}/${partition}`;
    let found = partitions.get(key);
    if (!found) {
      const handed = createInFlight<string>({
        onDone() {
          telling ??= tellPassed();
        },
      });
      found = { topic, partition, handed, told: undefined };
      partitions.set(key, found);
    }
    return found;
  }

  return {
    /** Aborted when the records may go to another member. */
    signal: over.signal,
    end: (reason?: unknown) => over.abort(reason),
    /** Notes a batch of a partition; `place` is the offset behind it. Resolves when at most `ahead` records are not done. */
    async handOver(
      { batch, commitOffsetsIfNecessary }: EachBatchPayload,
      inFlight: { readonly place: string; readonly size: number; readonly work: Promise<void> },
      ahead: number,
    ): Promise<void> {
      tell = commitOffsetsIfNecessary;
      const { handed } = partitionOf(batch);
      handed.add(inFlight);
      await handed.untilAtMost(ahead);
    },
    /** Resolves when every batch has ended and Kafka was told of those that are done. */
    async settled(): Promise<void> {
      for (const { handed } of partitions.values()) await handed.settled();
      await telling;
    },
  };
}
