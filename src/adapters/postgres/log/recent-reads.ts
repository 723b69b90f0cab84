import type { LogRecord } from '../../../ports/event-log.ts';

/** A consumer of this process that is handed one batch after the other. */
export interface Leader {
  /** The last offset it has read. */
  read(): bigint;
  /** Whether it reads on when it has handled what it has. */
  isAtWork(): boolean;
}

interface Stretch {
  /** The offset it follows on. */
  readonly after: bigint;
  readonly records: readonly LogRecord[];
  readonly bytes: number;
  /** When it was read, in ms. */
  readonly at: number;
}

/** More than that is not kept. */
const maxBytes = 4_000_000;

/** Nor for longer, in ms: what is erased from the log is soon not handed on either. */
const keptMs = 250;

/**
 * What was read here last. The consumers of a process go through the same log close to each other: those who are handed
 * records ahead, and so are in no hurry, take what the others have read and parsed.
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
  // When nothing more is read, what was is let go of all the same.
  const trimming = setInterval(trim, keptMs).unref();

  return {
    /** Adds a consumer that is to be waited for; returns what removes it. */
    lead(leader: Leader): () => void {
      leaders.add(leader);
      return () => leaders.delete(leader);
    },
    /** Calls `wake` when there is more; returns what ends that. */
    follow(wake: () => void): () => void {
      followers.add(wake);
      return () => followers.delete(wake);
    },
    /** Keeps what was read behind an offset, while somebody follows. */
    add(after: bigint, records: readonly LogRecord[]): void {
      if (followers.size === 0) return;
      const bytes = records.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
      stretches = [...stretches, { after, records, bytes, at: performance.now() }];
      trim();
      for (const wake of followers) wake();
    },
    /** The records behind an offset, as far as they were read, up to `first` or a stretch more; undefined when none was. */
    behind(offset: bigint, first: number): readonly LogRecord[] | undefined {
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
    /** Whether somebody at work is about to read what follows on an offset. */
    isAwaited: (offset: bigint): boolean =>
      [...leaders].some(({ read, isAtWork }) => isAtWork() && read() <= offset),
    close: () => clearInterval(trimming),
  };
}

export type RecentReads = ReturnType<typeof createRecentReads>;
