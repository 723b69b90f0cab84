import type { Event } from '../events/event.ts';
import type { InboundRecord } from '../events/record.ts';

/** A record that a consumer reads, with its topic, partition and offset in the log. */
export type LogRecord = InboundRecord;

/** A record to send to other systems. */
export interface OutgoingRecord {
  readonly topic: string;
  /** Records with the same key keep their order. Null means no order. */
  readonly key: string | null;
  /** Null means a tombstone. */
  readonly value: Uint8Array | null;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ConsumeOptions {
  /**
   * The number of records that the log may hand to the handler before the handler has finished earlier
   * records. Defaults to 0, with which the log waits until each batch is finished.
   */
  readonly ahead?: number;
}

/** The state of the consumers, as far as this process knows it. */
export interface LogHealth {
  /**
   * The number of appended records that the groups of this process have not consumed, in any process. Null if
   * the number is unknown, or if this process consumes nothing.
   */
  readonly lag: bigint | null;
  /**
   * A problem, as a sentence for the operator. For example, this process has never reached the log. Undefined
   * if there is no problem.
   */
  readonly problem: string | undefined;
}

/** The durable, ordered record of what happened. */
export interface EventLog {
  /**
   * Appends events. Resolves when every event would survive a crash of this process and of the log.
   * Concurrent calls share commits, but an event that cannot be stored fails only its own call. Events of one
   * user keep the order of the calls and of the array.
   * Rejects with BAD_USER_INPUT if an event can never be stored, and then appends no event of the call.
   * Rejects with UNAVAILABLE if the log is unreachable or its queue is full. Some of the events may then have
   * been appended, or may be appended later.
   */
  append(events: readonly Event[]): Promise<void>;

  /**
   * Appends records for other systems. Resolves when every record would survive a crash of this process and
   * of the log. Records with one key keep the order of the calls and of the array. Rejects like `append`. If
   * `send` rejects, some of the records may have been appended.
   */
  send(records: readonly OutgoingRecord[]): Promise<void>;

  /**
   * Hands every record of the topics to `handle`, in batches, from the position of the group. A new group
   * begins at the oldest stored record.
   * Delivery is at least once, because the position moves only after `handle` resolves. If `handle` rejects,
   * or the process dies, the log hands over the batch again. Records of a user keep their order. Several
   * consumers of a group share the work. A record may then arrive twice, but no record is lost. A record that
   * commits late is not skipped.
   * The signal aborts when the consumption stops, or when the records may go to another consumer. The handler
   * should then end soon, with or without success.
   * A group must name the same topics every time, because its position may already be past the records of
   * another topic.
   * With `ahead`, the log hands over up to this many records before earlier records are finished. The handler
   * may collect batches and resolve many at once. New records may then arrive with a short delay.
   * Resolves when consuming has begun.
   */
  consume(
    group: string,
    topics: readonly string[],
    handle: (records: readonly LogRecord[], signal: AbortSignal) => Promise<void>,
    options?: ConsumeOptions,
  ): Promise<Consumption>;

  /** Returns the state of consuming. Never rejects. A log that does not answer is a problem. */
  health(): Promise<LogHealth>;

  /**
   * Returns the number of appended records that the group has not consumed, in any process. If the group has
   * never consumed, returns the number of all stored records. Rejects with UNAVAILABLE.
   */
  lag(group: string, topics: readonly string[]): Promise<bigint>;

  /**
   * Removes records that are older than `olderThan` and that every group has consumed. Returns the number of
   * removed records.
   */
  prune(olderThan: Date): Promise<number>;

  /** Ends every consumption, waits for running appends, and closes all connections. */
  close(): Promise<void>;
}

/** The consumption of a group by this process. */
export interface Consumption {
  /** Takes no further batch, aborts the handler's signal, and waits until the current batch is done. */
  stop(): Promise<void>;
}
