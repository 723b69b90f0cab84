import type { OutgoingRecord } from './event-log.ts';

/**
 * A record that a transaction wrote to the outbox (`StoreTransaction.addOutgoing`) and that the log has not
 * confirmed yet.
 */
export interface WaitingRecord extends OutgoingRecord {
  /** Records of a topic are sent in the order of their ids. */
  readonly id: bigint;
  /** The record's headers. Empty if it has none. */
  readonly headers: Readonly<Record<string, string>>;
  readonly writtenAt: Date;
}

/** The records that wait to be sent to the log. */
export interface Outbox {
  /**
   * Waits for the right to send the waiting records, which is called a turn. Only one caller in all processes
   * has the turn. If its process dies, another caller gets the turn within seconds. Resolves to undefined if
   * the signal aborts first. Rejects with UNAVAILABLE if the database is unreachable.
   */
  takeTurn(signal: AbortSignal): Promise<OutboxTurn | undefined>;
  /** Returns the number of waiting records. Rejects with UNAVAILABLE. */
  depth(): Promise<number>;
}

/** The right to send the waiting records. Every function rejects with UNAVAILABLE after the turn is lost. */
export interface OutboxTurn {
  /** Whether the caller should end this turn, so that the next turn may use another database server. */
  isOver(): boolean;
  /**
   * Returns the oldest waiting records, in order. Skips records of the topics in `without`. Returns at most
   * 500 records, and at most 512 KiB unless the first record alone is larger. A transaction that commits late
   * may add records with smaller ids than records that were already read. The order of the records of two
   * overlapping transactions is undefined.
   */
  read(without?: readonly string[]): Promise<readonly WaitingRecord[]>;
  /** Removes sent records. */
  remove(ids: readonly bigint[]): Promise<void>;
  /**
   * Resolves when a transaction has committed a record after the last `read` began, or when the signal
   * aborts. Resolves after some seconds in any case.
   */
  written(): Promise<void>;
  /** Ends the turn. Never rejects. */
  end(): Promise<void>;
}
