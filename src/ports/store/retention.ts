/** Removes old rows. */
export interface RetentionStore {
  /**
   * Removes the rows of a kind that are older than `before`, in statements that block no other transaction.
   * Returns the number of removed partitions and rows. Page views and activity are partitioned by month. A
   * partition is removed when the whole month is older than `before`. A dry run only counts. If the removal
   * fails for one table or partition, the function continues with the next tables and partitions and rejects
   * at the end.
   */
  expire(kind: Expiring, before: Date, options: { readonly dryRun: boolean }): Promise<number>;
  /** Records when a sweep of a kind ended, and whether the sweep succeeded. */
  noteSweep(kind: SweptKind, at: Date, outcome: { readonly succeeded: boolean }): Promise<void>;
  /** Returns the results of the sweeps of all processes, sorted by kind. */
  sweeps(): Promise<readonly SweepOutcome[]>;
}

/**
 * The kinds of rows that have a retention.
 * - `pageViews`: raw page views.
 * - `activity`: other raw activity, and the metrics.
 * - `itemViews`: views of items.
 * - `earlyItemViews`: views of items that were not published when the user viewed them, and are still not
 * published.
 * - `notifications`: notifications that are read or cannot count again, and the times when inboxes were
 * opened.
 * - `changes`: changes of inboxes, for streams that resume.
 * - `limitHistory`: events of limits. Events that define a limit, or the progress at a stored event, are not
 * removed.
 * - `marks`: rows that record that an event was applied or counted.
 * - `idempotencyKeys`, `deadLetters`.
 */
export const expiring = [
  'pageViews',
  'activity',
  'itemViews',
  'earlyItemViews',
  'notifications',
  'changes',
  'limitHistory',
  'marks',
  'idempotencyKeys',
  'deadLetters',
] as const;
export type Expiring = (typeof expiring)[number];

/**
 * A task of the sweep. The sweep removes rows of each kind, prunes the `log`, and creates the `partitions` of
 * this month and the next month.
 */
export type SweptKind = Expiring | 'log' | 'partitions';

/** The result of the sweeps of a kind. */
export interface SweepOutcome {
  readonly kind: string;
  /** When the first sweep ended. */
  readonly since: Date;
  /** When the last successful sweep ended. null if none succeeded. */
  readonly succeededAt: Date | null;
}
