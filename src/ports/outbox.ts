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
   * Resolves when it is this caller's turn. One caller over all processes has the turn. If its process dies,
   * another gets the turn within seconds. Resolves to undefined if the signal aborts first. Rejects with
   * UNAVAILABLE if the database is away.
   */
  takeTurn(signal: AbortSignal): Promise<OutboxTurn | undefined>;
  /** How many records wait. Rejects with UNAVAILABLE. */
  depth(): Promise<number>;
}

/** The right to send the waiting records. Every function rejects with UNAVAILABLE after the turn is lost. */
export interface OutboxTurn {
  /** Whether the turn should end, so that the next one may use another database server. */
  isOver(): boolean;
  /**
   * The oldest waiting records, in order, without these topics. At most 500, and at most 512 KiB unless the
   * first record alone is larger. A transaction that commits late may add records before ones that were
   * already read. The two transactions overlapped, so there is no order between them.
   */
  read(without?: readonly string[]): Promise<readonly WaitingRecord[]>;
  /** Removes sent records. */
  remove(ids: readonly bigint[]): Promise<void>;
  /**
   * Resolves when a record was committed after the last `read` began, after some seconds at the latest, or on
   * the signal.
   */
  written(): Promise<void>;
  /** Ends the turn. Never rejects. */
  end(): Promise<void>;
}
