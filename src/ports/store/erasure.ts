import type { UserKey } from '../../domain/user.ts';

/** Erases users. */
export interface ErasureTransaction {
  /**
   * Removes every row about a user, whether the user exists or not, except the user's views of items, which
   * `forgetItemViews` removes. If the log is a table, its records under the user's key lose key and content and keep their
   * offsets. The remaining rows do not name the user: marks of applied events, and idempotency keys of other callers with
   * the digest of their input. The erasure and transactions that write users or inboxes wait for each other, so an event
   * that is applied later finds no user. Records of the log up to `logUpTo` were erased before.
   */
  eraseUser(user: UserKey, logUpTo: bigint): Promise<Erasure>;
  /**
   * Removes about `size` rows of a user from one of the tables that hold more, and corrects the counts of these rows. When no
   * table holds more, erases a part of the log after `logUpTo`. The few rows that remain are left to `eraseUser`.
   */
  eraseSome(
    user: UserKey,
    options: { readonly size: number; readonly logUpTo: bigint; readonly now: Date },
  ): Promise<PartialErasure>;
  /**
   * Removes every view of items by a user and returns the collections whose badges changed. The versions of the user are
   * removed too, so the versions of the collections grow by as much and one more: a badge never goes back, even for a new
   * user with the same id.
   */
  forgetItemViews(user: UserKey, now: Date): Promise<readonly string[]>;
}

/** The result of erasing a part of the data about a user. */
export interface PartialErasure {
  readonly rows: number;
  /** The offset up to which the log was erased. */
  readonly logUpTo: bigint;
  /** Whether the remaining rows fit into one transaction. */
  readonly isRestFew: boolean;
}

/** The result of erasing a user. */
export interface Erasure {
  /** Whether there was anything about the user. */
  readonly hadAny: boolean;
  /** The version of the empty badge that follows, newer than any the user had. undefined when there was no inbox. */
  readonly version: number | undefined;
}
