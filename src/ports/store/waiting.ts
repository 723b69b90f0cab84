import type { UserKey } from '../../domain/user.ts';
import type { Wait } from '../../domain/waiting.ts';
import type { LogRecord } from '../event-log.ts';

/** Reads records that wait for their user to exist. */
export interface WaitingStore {
  /**
   * Looks at the `limit` waiting records that have been due for the longest time. Returns the users of these
   * records that exist, in no order.
   */
  usersAppeared(now: Date, limit: number): Promise<readonly UserKey[]>;
  /** Returns at most `limit` records that wait for these users, in the order of the log. */
  waitingOf(keys: readonly UserKey[], limit: number): Promise<readonly WaitingForUser[]>;
  /** Returns the number of records of all tenants that wait for their users. */
  countWaiting(): Promise<number>;
}

export interface WaitingTransaction {
  /** Returns the users for whom records wait. */
  usersAwaited(keys: readonly UserKey[]): Promise<readonly UserKey[]>;
  /** Maps each tenant to the number of its waiting records. Tenants without waiting records are absent. */
  waitingCounts(tenantIds: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** Stores records that wait for their users. A record that is already stored is not changed. */
  addWaiting(rows: readonly (WaitingForUser & { readonly dueAt: Date })[]): Promise<void>;
  /**
   * Locks the users of these records until the end of the transaction and removes the records. A record is
   * taken only if it is stored, its user exists, and no other transaction has locked the user. Returns per
   * record whether it was taken.
   */
  takeWaiting(rows: readonly WaitingForUser[]): Promise<readonly boolean[]>;
  /**
   * Looks at the `limit` records that have been due for the longest time. Locks and returns the records whose
   * user does not exist. Skips records that another transaction has locked.
   */
  lockWaitingInVain(now: Date, limit: number): Promise<readonly WaitingForUser[]>;
  /** Postpones records to their new `dueAt`. */
  postponeWaiting(rows: readonly (WaitingForUser & { readonly dueAt: Date })[]): Promise<void>;
  removeWaiting(rows: readonly WaitingForUser[]): Promise<void>;
}

/** A record of the log that waits for its user to exist. */
export interface WaitingForUser extends UserKey, Wait {
  readonly record: LogRecord;
}
