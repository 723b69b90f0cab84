import type { Event } from '../events/event.ts';
import type { InboundRecord } from '../events/record.ts';

/** One record for a consumer: its bytes and its place in the log. */
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
   * How many records the log hands over before the earlier ones are done. Defaults to 0: the log waits for
   * each batch.
   */
  readonly ahead?: number;
}

/** The state of consuming, as far as this process knows. */
export interface LogHealth {
  /**
   * The appended records that the groups consumed here have not passed, over all processes. Null if unknown,
   * and if nothing is consumed here.
   */
  readonly lag: bigint | null;
  /**
   * A sentence for the operator about a problem, for example that the log was never reached. Undefined if
   * there is none.
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
   * Rejects with UNAVAILABLE if the log is away or its queue is full. Then some of the events may have been
   * appended, or may be appended later.
   */
  append(events: readonly Event[]): Promise<void>;

  /**
   * Appends records for other systems. Resolves when every record would survive a crash of this process and
   * of the log. Records with one key keep the order of the calls and of the array. Rejects like `append`.
   * Then some of the records may have been appended.
   */
  send(records: readonly OutgoingRecord[]): Promise<void>;

  /**
   * Hands every record of the topics to `handle`, in batches, from the position of the group. A new group
   * begins at the oldest kept record.
   * Delivery is at least once: the position moves only after `handle` resolves. If `handle` rejects, or the
   * process dies, the batch comes again. Records of a user keep their order. Several consumers of a group
   * share the work. A record may then arrive twice, but never not at all. A record that commits late is not
   * skipped.
   * The signal aborts when the consumption stops, or when the records may go to another consumer. The handler
   * should then end soon, with or without success.
   * A group must name the same topics every time, because its position may already be past the records of
   * another topic.
   * With `ahead`, the log hands over this many records before the earlier ones are done. The handler may
   * collect batches and resolve many at once. New records may then arrive a moment later.
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
   * The appended records that the group has not passed, over all processes. For a group that has not begun,
   * all kept records count. Rejects with UNAVAILABLE.
   */
  lag(group: string, topics: readonly string[]): Promise<bigint>;

  /** Removes records that are older than this and that every group has passed. Returns how many. */
  prune(olderThan: Date): Promise<number>;

  /** Ends every consumption, waits for running appends, and closes all connections. */
  close(): Promise<void>;
}

/** The consumption of a group by this process. */
export interface Consumption {
  /** Takes no further batch, aborts the handler's signal, and waits until the current batch is done. */
  stop(): Promise<void>;
}
