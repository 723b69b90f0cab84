import type { OutgoingRecord } from './event-log.ts';

/** A record that was written with a transaction (`StoreTransaction.addOutgoing`) and that the log has not confirmed yet. */
export interface WaitingRecord extends OutgoingRecord {
  /** Records of a topic are sent in the order of their ids. */
  readonly id: bigint;
  /** The record's own headers; empty when it has none. */
  readonly headers: Readonly<Record<string, string>>;
  readonly writtenAt: Date;
}

/** What waits to be sent to the log. */
export interface Outbox {
  /**
   * Resolves when it is this caller's turn: one has it at a time, over all processes, and when that one dies another gets
   * it within seconds. Undefined when the signal comes first. Rejects with UNAVAILABLE when the database is away.
   */
  takeTurn(signal: AbortSignal): Promise<OutboxTurn | undefined>;
  /** How many records wait. Rejects with UNAVAILABLE. */
  depth(): Promise<number>;
}

/** The right to send what waits. Every function rejects with UNAVAILABLE once the turn is lost. */
export interface OutboxTurn {
  /** Whether it has lasted long enough: the next turn may be on another server. */
  isOver(): boolean;
  /**
   * The oldest of all topics but these, in order: at most 500, and at most 512 KiB unless the first alone is larger. A transaction that commits
   * late may bring records before ones that were read already; it had not ended when theirs began, so there is no order
   * between the two.
   */
  read(without?: readonly string[]): Promise<readonly WaitingRecord[]>;
  /** Forgets records that were sent. */
  remove(ids: readonly bigint[]): Promise<void>;
  /** Resolves when something was committed since the last `read` began, at the latest after some seconds, or on the signal. */
  written(): Promise<void>;
  /** Lets another have the turn. Never rejects. */
  end(): Promise<void>;
}
