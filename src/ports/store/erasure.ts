import type { UserKey } from '../../domain/user.ts';

/** Erases users. */
export interface ErasureTransaction {
  /**
   * Removes every row about a user, whether the user exists or not. The views of items by the user are an
   * exception, which `forgetItemViews` removes. If the log is a table, its records under the key of the user
   * lose key and content but keep their offsets. The remaining rows do not name the user. The remaining rows
   * record which events were applied, or are idempotency keys of other callers with the digest of their
   * input. The erasure and transactions that write users or inboxes wait for each other, so an event that is
   * applied later finds no user. Records of the log up to `logUpTo` were erased before.
   */
  eraseUser(user: UserKey, logUpTo: bigint): Promise<Erasure>;
  /**
   * Removes about `size` rows of a user from one of the tables that have more rows of this user. Corrects the
   * counts that include the removed rows. If no table has more rows, erases a part of the log after
   * `logUpTo`. `eraseUser` removes the few remaining rows.
   */
  eraseSome(
    user: UserKey,
    options: { readonly size: number; readonly logUpTo: bigint; readonly now: Date },
  ): Promise<PartialErasure>;
  /**
   * Removes every view of items by a user and returns the collections whose badges changed. The version of an
   * item badge is the sum of a version of the collection and a version of the user. Since the versions of the
   * user are removed too, the version of each collection grows by the removed version plus one. So the
   * version of a badge never decreases, even for a new user with the same id.
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
  /** Whether the store had any data about the user. */
  readonly hadAny: boolean;
  /**
   * The version of the empty badge after the erasure. This version is newer than any version that the user
   * had. Undefined if the user had no inbox.
   */
  readonly version: number | undefined;
}
