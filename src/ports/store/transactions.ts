import type { UserKey } from '../../domain/user.ts';

/** Runs transactions. A caller names the parts of the transaction that it uses. */
export interface Transactions<Transaction> {
  /**
   * Runs `work` in one transaction on one connection, which commits when `work` resolves and rolls back when it rejects.
   * When connections are short, users take turns: `owner` is the user whose turn is used.
   */
  transaction<T>(work: (transaction: Transaction) => Promise<T>, owner?: UserKey): Promise<T>;
  /**
   * Like `transaction`, for a projection of the log. Unless the result is published (`publishes`), a crash of the database
   * may undo the transaction together with the position of the consumer group. The records are then consumed again.
   */
  projection<T>(
    work: (transaction: Transaction) => Promise<T>,
    options: { readonly publishes: boolean },
  ): Promise<T>;
}

/** Ends a transaction. */
export interface FinishTransaction {
  /**
   * Takes the last writes, whose statements are sent. The commit follows them without waiting for their results. If one
   * fails, the transaction rolls back.
   */
  finish(...writes: readonly Promise<void>[]): void;
}

/** Runs work that must not run twice at a time. */
export interface ExclusiveWork {
  /**
   * Runs `work` unless work of this name runs already in any process. Returns false if it does. A crash of the process ends
   * its claim.
   */
  exclusively(name: string, work: () => Promise<void>): Promise<boolean>;
}
