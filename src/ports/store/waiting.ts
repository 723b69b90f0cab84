import type { UserKey } from '../../domain/user.ts';
import type { Wait } from '../../domain/waiting.ts';
import type { LogRecord } from '../event-log.ts';

/** Reads records that wait for their user to exist. */
export interface WaitingStore {
  /** The existing users of the `limit` waiting records that are due the longest, in no order. */
  usersAppeared(now: Date, limit: number): Promise<readonly UserKey[]>;
  /** At most `limit` records that wait for these users, in the order of the log. */
  waitingOf(keys: readonly UserKey[], limit: number): Promise<readonly WaitingForUser[]>;
  /** How many records wait for their users, of all tenants. */
  countWaiting(): Promise<number>;
}

export interface WaitingTransaction {
  /** The users among the keys for whom records wait. */
  usersAwaited(keys: readonly UserKey[]): Promise<readonly UserKey[]>;
  /** How many records wait, by tenant. Tenants without any are absent. */
  waitingCounts(tenantIds: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** Keeps records that wait for their users. A record that is kept already is not changed. */
  addWaiting(rows: readonly (WaitingForUser & { readonly dueAt: Date })[]): Promise<void>;
  /**
   * Locks the users of these records until the end of the transaction and removes the records. Returns per record whether it
   * was there, its user exists and no other transaction had locked the user.
   */
  takeWaiting(rows: readonly WaitingForUser[]): Promise<readonly boolean[]>;
  /**
   * Locks the records without an existing user among the `limit` records that are due the longest. Skips records that another
   * transaction has locked.
   */
  lockWaitingInVain(now: Date, limit: number): Promise<readonly WaitingForUser[]>;
  /** Makes records due again later. */
  postponeWaiting(rows: readonly (WaitingForUser & { readonly dueAt: Date })[]): Promise<void>;
  removeWaiting(rows: readonly WaitingForUser[]): Promise<void>;
}

/** A record of the log that waits for its user to exist. */
export interface WaitingForUser extends UserKey, Wait {
  readonly record: LogRecord;
}
