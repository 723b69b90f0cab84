import type { LogRecord } from '../../../ports/event-log.ts';

/** A consumer of this process that receives one batch after another. */
export interface Leader {
  /** The last offset that the consumer has read. */
  read(): bigint;
  /** Whether the consumer reads more after the records it has. False while it waits for new records. */
  isAtWork(): boolean;
}

interface Stretch {
  /** The offset before the first record. */
  readonly after: bigint;
  readonly records: readonly LogRecord[];
  readonly bytes: number;
  /** When the records were read, in ms. */
  readonly at: number;
}

/** How many bytes are kept at most. */
const maxBytes = 4_000_000;

/** How long records are kept, in ms. It is short, so that erased records are soon not passed on either. */
const keptMs = 250;

/**
 * Keeps the records that this process read last. The consumers of a process read the same log at nearly the
 * same place. A consumer that receives records ahead is in no hurry, so it takes the records that other
 * consumers have read and parsed.
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
  // Drops old records even if nothing more is read.
  const trimming = setInterval(trim, keptMs).unref();

  return {
    /** Adds a consumer that followers wait for. Returns a function that removes it. */
    lead(leader: Leader): () => void {
      leaders.add(leader);
      return () => leaders.delete(leader);
    },
    /** Calls `wake` when there are more records. Returns a function that ends this. */
    follow(wake: () => void): () => void {
      followers.add(wake);
      return () => followers.delete(wake);
    },
    /** Keeps records that were read after an offset, if there is a follower. */
    add(after: bigint, records: readonly LogRecord[]): void {
      if (followers.size === 0) return;
      const bytes = records.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
      stretches = [...stretches, { after, records, bytes, at: performance.now() }];
      trim();
      for (const wake of followers) wake();
    },
    /**
     * Returns the kept records after an offset. It stops when it has `first` records, so the last stretch may
     * exceed this number. Undefined if there are none.
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
    /** Whether a working consumer is about to read the records after an offset. */
    isAwaited: (offset: bigint): boolean =>
      [...leaders].some(({ read, isAtWork }) => isAtWork() && read() <= offset),
    close: () => clearInterval(trimming),
  };
}

export type RecentReads = ReturnType<typeof createRecentReads>;
