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

/** What users of a tenant did in one stretch of time. */
export interface ActivityBucket {
  readonly start: Date;
  readonly end: Date;
  readonly uniqueUsers: number;
  readonly pageViewCount: number;
  /** Nothing is expected to be added any more. */
  readonly final: boolean;
  /** Empty where it was not asked for. */
  readonly byType: readonly TypeCount[];
}

/** Reads the metrics of a tenant. */
export function createMeasure(
  { store, clock }: { readonly store: ActivityStore; readonly clock: Clock },
  { retentionDays, flushIntervalMs }: { readonly retentionDays: number; readonly flushIntervalMs: number },
) {
  // What was taken before a bucket ended is written within one interval, and what a clock behind ours says a moment later.
  const settleMs = 2 * flushIntervalMs;

  return {
    /**
     * The buckets that `[from, to)` touches, oldest first, whole and without holes. Rejects with BAD_USER_INPUT for a range
     * that is reversed, begins before the retention or has more than 1500 buckets.
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
          `range.from must not lie before the retention of ${retentionDays} days.`,
        );
      }
      const bounds = bucketBounds(range, granularity, timeZone, maxBuckets);
      if (!bounds) {
        throw new AppError(
          'BAD_USER_INPUT',
          `range has more than ${maxBuckets} buckets of a ${granularity}: ask for less at once, or for longer buckets.`,
        );
      }
      const level = levelOf(bounds);
      const [first, last] = [bounds.at(0) as Date, bounds.at(-1) as Date];
      // One counted bucket each, or several, whose users must be told apart again.
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
        for (let one = counted[next]; one && one.start < end; one = counted[++next]) {
          uniqueUsers += one.uniqueUsers;
          pageViewCount += one.pageViewCount;
          if (one.updatedAt > updatedAt) updatedAt = one.updatedAt;
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

    /** A bucket as it is pushed. */
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
