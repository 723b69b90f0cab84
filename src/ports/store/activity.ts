import type {
  Activity,
  ActivityTypeKey,
  BucketKey,
  CountedBucket,
  Granularity,
  TypeCount,
  TypedBucket,
} from '../../domain/activity.ts';

/**
 * Reads the activity of tenants, which is counted per minute, hour and day. Each of these intervals is called
 * a bucket.
 */
export interface ActivityStore {
  /** Returns the buckets with these keys that exist, in no order. */
  activityBuckets(keys: readonly BucketKey[]): Promise<readonly TypedBucket[]>;
  /**
   * Returns the buckets of a granularity that begin in `[from, to)`, oldest first. With `changedSince`,
   * returns only buckets that changed since that time.
   */
  activityBucketsBetween(
    tenantId: string,
    level: Granularity,
    range: { readonly from: Date; readonly to: Date; readonly changedSince?: Date },
  ): Promise<readonly Pick<CountedBucket, 'start' | 'uniqueUsers' | 'pageViewCount' | 'updatedAt'>[]>;
  /**
   * Returns the number of distinct active users in each interval between two consecutive bounds. Maps the
   * index of the lower bound to the number. Intervals without users are absent. Every bound must be the start
   * or the end of a bucket of `level`.
   */
  distinctUsers(
    tenantId: string,
    level: Granularity,
    bounds: readonly Date[],
  ): Promise<ReadonlyMap<number, number>>;
  /**
   * Returns the number of activities of each type in each interval between two consecutive bounds. Maps the
   * lower bound, in ms since the epoch, to at most `maxShownTypes` types, the most frequent first, ties by
   * name. If `areCounted` is true, each interval is one bucket of `level`.
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
   * Records that activities are counted. Returns per activity whether it was not recorded before. If two
   * activities in the call have the same id, only the first is new.
   */
  claimCounted(activities: readonly Activity[], now: Date): Promise<readonly boolean[]>;
  /**
   * Adds the types to the known types of their tenants, in order, while a tenant has fewer than `max` types.
   * Returns all known types of these tenants. Transactions that call this function run one after the other,
   * so that each of them sees the types of the previous ones.
   */
  claimActivityTypes(
    types: readonly ActivityTypeKey[],
    max: number,
    now: Date,
  ): Promise<readonly ActivityTypeKey[]>;
  /**
   * Stores raw activity other than page views. The array must not contain an activity twice. Returns the page
   * views and the activities that were not stored before. An activity that is already stored was counted
   * earlier, but the row that recorded this (see `claimCounted`) has expired.
   */
  keepActivity(activities: readonly Activity[]): Promise<readonly Activity[]>;
  /**
   * Adds activities to their buckets per minute, hour and day. Concurrent transactions may add to the same
   * buckets. Several activities of one user in a bucket increase its number of unique users by one.
   */
  addActivity(activities: readonly Activity[], now: Date): Promise<void>;
  /**
   * Compares the buckets of all tenants in `[from, to)` with the raw rows. The range is a number of whole
   * days in UTC. Corrects the buckets unless the call is a dry run. Other transactions cannot count activity
   * until this transaction ends.
   */
  recountMetrics(options: RecountOptions): Promise<MetricsDifference>;
}

export interface RecountOptions {
  readonly from: Date;
  readonly to: Date;
  /**
   * Page views that were appended to the log since this time and are not recorded as counted will still be
   * counted.
   */
  readonly pendingSince: Date;
  readonly dryRun: boolean;
  /** Resolves when the projections have stored every page view that was counted. */
  settled(): Promise<void>;
}

/** The differences between the buckets and the raw rows. */
export interface MetricsDifference {
  /** The number of buckets that have a wrong number of users or page views. */
  readonly buckets: number;
  /**
   * The sum of the page views of these buckets according to the raw rows. A page view belongs to three
   * buckets: its minute, its hour and its day.
   */
  readonly pageViewsCounted: number;
  /** The sum of the page views that is stored in these buckets. */
  readonly pageViewsKept: number;
  /** How many pairs of a bucket and a type have a wrong number of activities. */
  readonly types: number;
  /**
   * The number of users that are missing from buckets, and the number of users that are wrongly in buckets.
   */
  readonly membersMissing: number;
  readonly membersSurplus: number;
}
