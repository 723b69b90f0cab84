import type { LogRecord } from '../../../ports/event-log.ts';

/**
 * A consumer of this process that reads the log. Its records are passed on to other consumers (the
 * followers).
 */
export interface Leader {
  /** The last offset that the consumer has read. */
  read(): bigint;
  /**
   * Whether the consumer is handling records and will read more records after that. False while it waits for
   * new records.
   */
  isAtWork(): boolean;
}

interface Stretch {
  /** The offset before the first record. */
  readonly after: bigint;
  readonly records: readonly LogRecord[];
  readonly bytes: number;
  /** The time of the read, in ms. */
  readonly at: number;
}

/** The maximum size of the stored records, in bytes. */
const maxBytes = 4_000_000;

/**
 * How long records are stored, in ms. This time is short, so that soon after an erasure no erased record is
 * passed on.
 */
const keptMs = 250;

/**
 * Stores the records that this process has just read. The consumers of a process read nearly the same part of
 * the log at the same time. A consumer that receives records ahead is not urgent. So it waits for the records
 * that other consumers read and parse.
 */
export function createRecentReads() {
  const leaders = new Set<Leader>();
  const followers = new Set<() => void>();
  let stretches: readonly Stretch[] = [];

  function trim(): void {
    const now = performance.now();
    let room = maxBytes;
    const kept = stretches.findLastIndex(({ bytes, at }) => {
      room -= bytes;
      return room < 0 || now - at > keptMs;
    });
    stretches = stretches.slice(kept + 1);
  }
  // This drops old records even if no consumer reads.
  const trimming = setInterval(trim, keptMs).unref();

  return {
    /**
     * Registers a consumer whose records are passed on to followers. Returns a function that unregisters the
     * consumer.
     */
    lead(leader: Leader): () => void {
      leaders.add(leader);
      return () => leaders.delete(leader);
    },
    /**
     * Registers a follower: `wake` is called when new records are stored. Returns a function that unregisters
     * the follower.
     */
    follow(wake: () => void): () => void {
      followers.add(wake);
      return () => followers.delete(wake);
    },
    /** Stores the records that a consumer read after an offset. Does nothing if there is no follower. */
    add(after: bigint, records: readonly LogRecord[]): void {
      if (followers.size === 0) return;
      const bytes = records.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
      stretches = [...stretches, { after, records, bytes, at: performance.now() }];
      trim();
      for (const wake of followers) wake();
    },
    /**
     * Returns the stored records after an offset. Stops at the end of the read that reaches `first` records,
     * so the result may be longer than `first`. Undefined if there are none.
     */
    after(offset: bigint, first: number): readonly LogRecord[] | undefined {
      trim();
      const records: LogRecord[] = [];
      let place = offset;
      for (const stretch of stretches) {
        const end = stretch.records.at(-1)?.offset ?? stretch.after;
        if (stretch.after > place || end <= place) continue;
        const from = place;
        records.push(...stretch.records.filter((record) => record.offset > from));
        place = end;
        if (records.length >= first) break;
      }
      return records.length > 0 ? records : undefined;
    },
    /** Whether a consumer that is handling records is about to read the records after an offset. */
    isAwaited: (offset: bigint): boolean =>
      [...leaders].some(({ read, isAtWork }) => isAtWork() && read() <= offset),
    close: () => clearInterval(trimming),
  };
}

export type RecentReads = ReturnType<typeof createRecentReads>;
