import type { Event } from '../events/event.ts';
import type { InboundRecord } from '../events/record.ts';

/** One record as a consumer sees it: bytes, and where they stood. */
export type LogRecord = InboundRecord;

/** A record for other systems, as it is to be written. */
export interface OutgoingRecord {
  readonly topic: string;
  /** Records with the same key keep their order; null: no order. */
  readonly key: string | null;
  /** null: a tombstone. */
  readonly value: Uint8Array | null;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ConsumeOptions {
  /** Records. Default 0: each batch is waited for. */
  readonly ahead?: number;
}

/** How consuming goes, as far as this process can tell. */
export interface LogHealth {
  /**
   * Records that are appended and that the groups consumed here have not passed yet, whichever process handles them;
   * null when that is unknown or nothing is consumed here.
   */
  readonly lag: bigint | null;
  /** What an operator should look at, in a sentence: also that the log was never reached yet. undefined when all goes on. */
  readonly problem: string | undefined;
}

/** The durable, ordered record of what happened. */
export interface EventLog {
  /**
   * Resolves when every one of the events survives a crash of this process and of the log. Concurrent calls share
   * commits, but one that cannot be stored fails alone. Order: events of one user keep the order of the calls, and of the
   * array.
   * Rejects with BAD_USER_INPUT when an event can never be stored, and appends none of the call then; with UNAVAILABLE
   * when the log is away or its queue is full: some of the events may have been appended, or still will be.
   */
  append(events: readonly Event[]): Promise<void>;

  /**
   * Appends records for other systems. Resolves when every one of them survives a crash of this process and of the log.
   * Order: records of one key keep the order of the calls, and of the array. Rejects like `append`; some of the records
   * may have been appended then.
   */
  send(records: readonly OutgoingRecord[]): Promise<void>;

  /**
   * Hands every record of the topics to `handle`, in batches, from where the group stands: for a new group, from the oldest kept.
   * At least once: the group moves on only when `handle` has resolved; when it rejects, or the process dies, the batch
   * comes again. Order per user. Several consumers of a group share the work; a record may then be seen twice, never not
   * at all. A record that commits late is never skipped.
   * The signal is aborted when the consumption is stopped, or the records may go to another consumer: the handler should
   * end soon, in whichever way.
   * A group asks for the same topics every time: records of others may be behind its position already.
   * With `ahead`, so many records are handed over before those in front of them are done: the handler may keep what it was
   * given, and resolve for many batches at once. It is in less of a hurry: what is appended may wait for a moment.
   * Resolves when consuming has begun.
   */
  consume(
    group: string,
    topics: readonly string[],
    handle: (records: readonly LogRecord[], signal: AbortSignal) => Promise<void>,
    options?: ConsumeOptions,
  ): Promise<Consumption>;

  /** Asks how consuming goes. Never rejects: a log that does not answer is a problem. */
  health(): Promise<LogHealth>;

  /**
   * Records that are appended and that the group, which consumes these topics, has not passed yet, whichever process
   * handles them; of a group that has not begun all that are kept. Rejects with UNAVAILABLE.
   */
  lag(group: string, topics: readonly string[]): Promise<bigint>;

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
