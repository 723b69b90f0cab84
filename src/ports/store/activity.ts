import type {
  Activity,
  ActivityTypeKey,
  BucketKey,
  CountedBucket,
  Granularity,
  TypeCount,
  TypedBucket,
} from '../../domain/activity.ts';

/** Reads the activity of tenants, counted in buckets per minute, hour and day. */
export interface ActivityStore {
  /** The existing buckets among the keys, in no order. */
  activityBuckets(keys: readonly BucketKey[]): Promise<readonly TypedBucket[]>;
  /** The buckets of a level that begin in `[from, to)`, oldest first. With `changedSince`, only those changed since then. */
  activityBucketsBetween(
    tenantId: string,
    level: Granularity,
    range: { readonly from: Date; readonly to: Date; readonly changedSince?: Date },
  ): Promise<readonly Pick<CountedBucket, 'start' | 'uniqueUsers' | 'pageViewCount' | 'updatedAt'>[]>;
  /**
   * How many different users were active between each bound and the next, by the index of the first of the two. Intervals
   * without users are absent. The bounds must be bounds of buckets of the level.
   */
  distinctUsers(
    tenantId: string,
    level: Granularity,
    bounds: readonly Date[],
  ): Promise<ReadonlyMap<number, number>>;
  /**
   * How often each type of activity occurred between each bound and the next: at most `maxShownTypes` types, the most
   * frequent first, ties by name. The keys are the lower bounds in ms since the epoch. `areCounted` says that each interval
   * is one bucket of the level.
   */
  activityTypes(
    tenantId: string,
    level: Granularity,
    bounds: readonly Date[],
    options: { readonly areCounted: boolean },
  ): Promise<ReadonlyMap<number, readonly TypeCount[]>>;
}

export interface ActivityTransaction {
  /**
   * Marks activities as counted. Returns per activity whether it is new. If two have the same id, the first
   * is new.
   */
  claimCounted(activities: readonly Activity[], now: Date): Promise<readonly boolean[]>;
  /**
   * Adds these types to the types of their tenants, in order, while a tenant has fewer than `max` types.
   * Returns all types of the tenants. Transactions that call this function run one after the other, so that
   * they agree.
   */
  claimActivityTypes(
    types: readonly ActivityTypeKey[],
    max: number,
    now: Date,
  ): Promise<readonly ActivityTypeKey[]>;
  /**
   * Keeps raw activity, other than page views, each at most once in a call. Returns the activities that are new. An activity
   * that is kept already was counted before its mark expired.
   */
  keepActivity(activities: readonly Activity[]): Promise<readonly Activity[]>;
  /**
   * Adds activities to their buckets per minute, hour and day. Concurrent transactions may add to the same buckets. A user
   * counts once as unique in a bucket.
   */
  addActivity(activities: readonly Activity[], now: Date): Promise<void>;
  /**
   * Compares the buckets of `[from, to)`, whole days in UTC, of all tenants with a count of the raw rows. Corrects the
   * buckets unless it is a dry run. No activity is counted until the end of the transaction.
   */
  recountMetrics(options: RecountOptions): Promise<MetricsDifference>;
}

export interface RecountOptions {
  readonly from: Date;
  readonly to: Date;
  /** Page views that were appended to the log at or after this moment and are not marked will still be counted. */
  readonly pendingSince: Date;
  readonly dryRun: boolean;
  /** Resolves when the projections have kept every page view that was counted. */
  settled(): Promise<void>;
}

/** How buckets differ from a count of the raw rows. */
export interface MetricsDifference {
  /** How many buckets have a wrong number of users or page views. */
  readonly buckets: number;
  /** The page views in the raw rows of these buckets, per minute, hour and day together. */
  readonly pageViewsCounted: number;
  /** The page views that these buckets hold. */
  readonly pageViewsKept: number;
  /** How many counts of a type in a bucket are wrong. */
  readonly types: number;
  /** How many users are missing from buckets, and how many do not belong there. */
  readonly membersMissing: number;
  readonly membersSurplus: number;
}
