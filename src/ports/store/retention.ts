/** Removes old rows. */
export interface RetentionStore {
  /**
   * Removes rows of a kind that are older than a moment, in statements that block no other transaction.
   * Returns how many partitions and rows were removed. Page views and activity are partitioned by month. A
   * partition is removed when the whole month is older. A dry run counts and removes nothing. If a table or
   * partition fails, the others are still tried, and `expire` rejects at the end.
   */
  expire(kind: Expiring, before: Date, options: { readonly dryRun: boolean }): Promise<number>;
  /** Notes when a sweep of a kind ended, and whether it succeeded. */
  noteSweep(kind: SweptKind, at: Date, outcome: { readonly succeeded: boolean }): Promise<void>;
  /** The kinds that any process has swept, by name. */
  sweeps(): Promise<readonly SweepOutcome[]>;
}

/**
 * The kinds of rows that are kept for a time.
 * - `pageViews`: raw page views.
 * - `activity`: other raw activity, and the metrics.
 * - `itemViews`: views of items.
 * - `earlyItemViews`: views of items that were not published when they were viewed, and still are not.
 * - `notifications`: notifications that were read or cannot count again, and the times when inboxes were opened.
 * - `changes`: changes of inboxes, for streams that resume.
 * - `limitHistory`: events of limits, except those that define a limit or the progress at an event that is kept.
 * - `marks`: marks of events that were applied or counted.
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

/** A task of the sweep: it removes each kind, prunes the `log`, and creates the `partitions` of this month and the next. */
export type SweptKind = Expiring | 'log' | 'partitions';

/** The result of the sweeps of a kind. */
export interface SweepOutcome {
  readonly kind: string;
  /** When the first sweep ended. */
  readonly since: Date;
  /** When the last successful sweep ended. null if none succeeded. */
  readonly succeededAt: Date | null;
}
