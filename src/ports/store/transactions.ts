import type { UserKey } from '../../domain/user.ts';

/** Runs transactions. A caller names the parts of the transaction that it uses. */
export interface Transactions<Transaction> {
  /**
   * Runs `work` in one transaction on one connection. Commits when `work` resolves, and rolls back when
   * `work` rejects. If all connections are in use, users wait in turn for a connection. `owner` is the user
   * for whom the transaction waits.
   */
  transaction<T>(work: (transaction: Transaction) => Promise<T>, owner?: UserKey): Promise<T>;
  /**
   * Like `transaction`, for a projection of the log. `publishes` says whether the result is published. If the
   * result is not published, a crash of the database may undo the transaction together with the position of
   * the consumer group. The records are then consumed again.
   */
  projection<T>(
    work: (transaction: Transaction) => Promise<T>,
    options: { readonly publishes: boolean },
  ): Promise<T>;
}

/** Ends a transaction. */
export interface FinishTransaction {
  /**
   * Takes the last writes of the transaction, whose statements are already sent. The commit is sent without
   * waiting for their results. If a write fails, the transaction rolls back.
   */
  finish(...writes: readonly Promise<void>[]): void;
}

/** Runs work that must not run in two processes at the same time. */
export interface ExclusiveWork {
  /**
   * Runs `work` unless work with the same name already runs in any process. Returns false if it already runs.
   * If a process crashes, its claim to the name ends.
   */
  exclusively(name: string, work: () => Promise<void>): Promise<boolean>;
}
