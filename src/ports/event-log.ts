import type { Event } from '../events/codec.ts';

/** One record as a consumer sees it: bytes, and where they stood. */
export interface LogRecord {
  readonly topic: string;
  readonly partition: number;
  /** Grows within (topic, partition). */
  readonly offset: bigint;
  readonly key: string | null;
  /** null: a tombstone. */
  readonly value: Uint8Array | null;
  /** When it was appended. */
  readonly appendedAt: Date;
}

/** The durable, ordered record of what happened. */
export interface EventLog {
  /**
   * Resolves when every one of the events survives a crash of this process and of the log. All of one call are appended
   * or none. Concurrent calls share commits, but one that cannot be stored fails alone. Order: events of one user keep
   * the order of the calls, and of the array.
   * Rejects with UNAVAILABLE when the log is away or its queue is full (unknown: some may have been appended),
   * with BAD_USER_INPUT when an event can never be stored.
   */
  append(events: readonly Event[]): Promise<void>;

  /**
   * Hands every record to `handle`, in batches, from where the group stands: for a new group, from the oldest kept.
   * At least once: the group moves on only when `handle` has resolved; when it rejects, or the process dies, the batch
   * comes again. Order per user. Several consumers of a group share the work; a record may then be seen twice, never not
   * at all. A record that commits late is never skipped.
   * Resolves when consuming has begun.
   */
  consume(
    group: string,
    handle: (records: readonly LogRecord[], signal: AbortSignal) => Promise<void>,
  ): Promise<Consumption>;

  /** Removes records older than the retention that every group has passed; how many. */
  prune(olderThan: Date): Promise<number>;

  /** Ends every consumption, waits for appends under way and lets go of all connections. */
  close(): Promise<void>;
}

/** A group being consumed by this process. */
export interface Consumption {
  /** Takes no further batch, tells the handler by its signal, and waits until the one under way is done. */
  stop(): Promise<void>;
}
