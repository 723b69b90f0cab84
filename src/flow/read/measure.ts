import {
  bucketBounds,
  type Granularity,
  granularityMs,
  isFinal,
  levelOf,
  maxBuckets,
  type TypeCount,
  type TypedBucket,
} from '../../domain/activity.ts';
import { AppError } from '../../domain/error.ts';
import { timelinessOf } from '../../domain/page-view.ts';
import type { Clock } from '../../ports/clock.ts';
import type { ActivityStore } from '../../ports/store/activity.ts';

/** The activity of a tenant's users in one interval. */
export interface ActivityBucket {
  readonly start: Date;
  readonly end: Date;
  readonly uniqueUsers: number;
  readonly pageViewCount: number;
  /** Whether the bucket is complete, so no more activity is expected. */
  readonly final: boolean;
  /** Empty if the caller did not request types. */
  readonly byType: readonly TypeCount[];
}

/** Reads the metrics of a tenant. */
export function createMeasure(
  { store, clock }: { readonly store: ActivityStore; readonly clock: Clock },
  { retentionDays, flushIntervalMs }: { readonly retentionDays: number; readonly flushIntervalMs: number },
) {
  // A worker writes the activity of a bucket within one flush interval after the end of the bucket. The
  // second interval allows for a worker whose clock is behind the clock of this process.
  const settleMs = 2 * flushIntervalMs;

  return {
    /**
     * Returns the buckets that overlap `[from, to)`, oldest first. The buckets are whole and have no gaps.
     * `to` defaults to now. Rejects with BAD_USER_INPUT if the range is empty or reversed, begins before the
     * retention, or has more than 1500 buckets.
     */
    async buckets(
      tenantId: string,
      { from, to }: { readonly from: Date; readonly to: Date | undefined },
      granularity: Granularity,
      timeZone: string,
      { withTypes }: { readonly withTypes: boolean },
    ): Promise<readonly ActivityBucket[]> {
      const now = clock.now();
      const range = { from, to: to ?? now };
      if (range.to <= from) throw new AppError('BAD_USER_INPUT', 'range.to must be later than range.from.');
      if (timelinessOf(from, now, retentionDays) === 'too-old') {
        throw new AppError(
          'BAD_USER_INPUT',
          `range.from must be within the retention of ${retentionDays} days.`,
        );
      }
      const bounds = bucketBounds(range, granularity, timeZone, maxBuckets);
      if (!bounds) {
        throw new AppError(
          'BAD_USER_INPUT',
          `range has more than ${maxBuckets} ${granularity} buckets. Request a shorter range or a longer granularity.`,
        );
      }
      const level = levelOf(bounds);
      const [first, last] = [bounds.at(0) as Date, bounds.at(-1) as Date];
      // If each requested bucket is one stored bucket, the stored number of users is used. Otherwise, the
      // distinct users of several stored buckets are counted.
      const areCounted = bounds.every(
        (bound, n) => n === 0 || bound.getTime() - (bounds[n - 1] as Date).getTime() === granularityMs[level],
      );
      const [counted, users, types] = await Promise.all([
        store.activityBucketsBetween(tenantId, level, { from: first, to: last }),
        areCounted ? undefined : store.distinctUsers(tenantId, level, bounds),
        withTypes ? store.activityTypes(tenantId, level, bounds, { areCounted }) : undefined,
      ]);
      let next = 0;
      return bounds.slice(0, -1).map((start, n) => {
        const end = bounds[n + 1] as Date;
        let [uniqueUsers, pageViewCount, updatedAt] = [0, 0, new Date(0)];
        for (let bucket = counted[next]; bucket && bucket.start < end; bucket = counted[++next]) {
          uniqueUsers += bucket.uniqueUsers;
          pageViewCount += bucket.pageViewCount;
          if (bucket.updatedAt > updatedAt) updatedAt = bucket.updatedAt;
        }
        return {
          start,
          end,
          uniqueUsers: users ? (users.get(n) ?? 0) : uniqueUsers,
          pageViewCount,
          final: isFinal({ end, updatedAt }, now, settleMs),
          byType: types?.get(start.getTime()) ?? [],
        };
      });
    },

    /** Converts a bucket that a watcher receives. */
    bucket({
      start,
      granularity,
      uniqueUsers,
      pageViewCount,
      updatedAt,
      byType,
    }: TypedBucket): ActivityBucket {
      const end = new Date(start.getTime() + granularityMs[granularity]);
      return {
        start,
        end,
        uniqueUsers,
        pageViewCount,
        final: isFinal({ end, updatedAt }, clock.now(), settleMs),
        byType,
      };
    },
  };
}

export type Measure = ReturnType<typeof createMeasure>;
