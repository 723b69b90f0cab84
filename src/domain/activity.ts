import { compareText } from './compare.ts';
import { daysBetween, startOfDayBefore } from './time.ts';
import type { UserKey } from './user.ts';

/** The maximum number of buckets in one answer. The value is the number of minutes in a day of 25 hours. */
export const maxBuckets = 1_500;

/**
 * The lengths of the buckets in which activity is counted. Each bucket begins at a whole multiple of its
 * length in UTC.
 */
export const granularities = ['MINUTE', 'HOUR', 'DAY'] as const;
export type Granularity = (typeof granularities)[number];

export const granularityMs = {
  MINUTE: 60_000,
  HOUR: 3_600_000,
  DAY: 86_400_000,
} as const satisfies Record<Granularity, number>;

/** The maximum number of types that a bucket shows. */
export const maxShownTypes = 50;

/** The number of activity types that are counted by name in a tenant. Default of `MAX_ACTIVITY_TYPES`. */
export const defaultMaxActivityTypes = 200;

/** The type that an activity counts as if its tenant already has the maximum number of types. */
export const otherType = 'other';

/** An action of a user that is counted. */
export interface Activity extends UserKey {
  /** uuid */
  readonly id: string;
  readonly activityType: string;
  readonly occurredAt: Date;
}

/** Identifies a counted bucket. */
export interface BucketKey {
  readonly tenantId: string;
  readonly granularity: Granularity;
  readonly start: Date;
}

/** A type of activity in a tenant. */
export interface ActivityTypeKey {
  readonly tenantId: string;
  readonly activityType: string;
}

export interface TypeCount {
  readonly activityType: string;
  readonly count: number;
}

/** A counted bucket. A newer state of the bucket has a greater version. */
export interface CountedBucket extends BucketKey {
  readonly uniqueUsers: number;
  readonly pageViewCount: number;
  readonly version: number;
  readonly updatedAt: Date;
}

/** A bucket with its `maxShownTypes` most frequent types, most frequent first, ties by name. */
export interface TypedBucket extends CountedBucket {
  readonly byType: readonly TypeCount[];
}

/** Returns the start of the bucket that contains a moment. */
export function bucketStart(moment: Date, granularity: Granularity): Date {
  const ms = granularityMs[granularity];
  return new Date(Math.floor(moment.getTime() / ms) * ms);
}

/** The users and numbers that activities add to one bucket. */
export interface BucketAddition extends BucketKey {
  readonly userIds: Set<string>;
  /** Maps each type to its number of events. */
  readonly types: Map<string, number>;
}

/**
 * Returns what the activities add to their buckets, ordered by tenant, granularity and start. Each activity
 * is read only once. The additions of an hour are the sum of its minutes, and the additions of a day are the
 * sum of its hours.
 */
export function additionsOf(activities: readonly Activity[]): readonly BucketAddition[] {
  const levels = granularities.map(() => new Map<string, BucketAddition>());
  const [minutes] = levels as [Map<string, BucketAddition>];
  for (const { tenantId, userId, activityType, occurredAt } of activities) {
    const { userIds, types } = additionIn(minutes, tenantId, 'MINUTE', occurredAt);
    userIds.add(userId);
    types.set(activityType, (types.get(activityType) ?? 0) + 1);
  }
  for (const [n, granularity] of granularities.entries()) {
    if (n === 0) continue;
    for (const finer of levels[n - 1]?.values() ?? []) {
      const { userIds, types } = additionIn(
        levels[n] as Map<string, BucketAddition>,
        finer.tenantId,
        granularity,
        finer.start,
      );
      for (const userId of finer.userIds) userIds.add(userId);
      for (const [type, count] of finer.types) types.set(type, (types.get(type) ?? 0) + count);
    }
  }
  return levels
    .flatMap((level) => [...level.values()])
    .sort(
      (a, b) =>
        compareText(a.tenantId, b.tenantId) ||
        compareText(a.granularity, b.granularity) ||
        +a.start - +b.start,
    );
}

function additionIn(
  level: Map<string, BucketAddition>,
  tenantId: string,
  granularity: Granularity,
  moment: Date,
): BucketAddition {
  const key = `${Math.floor(moment.getTime() / granularityMs[granularity])} ${tenantId}`;
  let addition = level.get(key);
  if (!addition) {
    const start = bucketStart(moment, granularity);
    addition = { tenantId, granularity, start, userIds: new Set(), types: new Map() };
    level.set(key, addition);
  }
  return addition;
}

/**
 * Returns the starts of the buckets that overlap `[from, to)`, oldest first, followed by the end of the last
 * bucket. Days follow the time zone and have 23 or 25 hours when clocks change. Hours begin at the start of
 * the day and at each whole hour after it, so that they fill the day. Returns undefined if there are more
 * than `max` buckets.
 */
export function bucketBounds(
  { from, to }: { readonly from: Date; readonly to: Date },
  granularity: Granularity,
  timeZone: string,
  max: number,
): readonly Date[] | undefined {
  const ms = granularityMs[granularity];
  // Refuses a long range before the list is built. The factor allows for days of 25 hours.
  if ((to.getTime() - from.getTime()) / ms > max * 1.05) return undefined;
  const bounds = granularity === 'DAY' ? dayBounds(from, to, timeZone) : [];
  if (granularity === 'MINUTE') {
    for (let at = bucketStart(from, 'MINUTE').getTime(); at < to.getTime() + ms; at += ms)
      bounds.push(new Date(at));
  }
  if (granularity === 'HOUR') {
    const days = dayBounds(from, to, timeZone);
    const starts = days.slice(0, -1).flatMap((start, n) => {
      const hours: number[] = [];
      for (let at = start.getTime(); at < (days[n + 1] as Date).getTime(); at += ms) hours.push(at);
      return hours;
    });
    const ends = [...starts.slice(1), days.at(-1)?.getTime() ?? 0];
    const touched = starts.filter((start, n) => (ends[n] as number) > from.getTime() && start < to.getTime());
    const end = ends[starts.indexOf(touched.at(-1) as number)] as number;
    bounds.push(...[...touched, end].map((at) => new Date(at)));
  }
  return bounds.length - 1 > max ? undefined : bounds;
}

/** Returns the starts of the days that overlap `[from, to)`, and the end of the last day. */
function dayBounds(from: Date, to: Date, timeZone: string): Date[] {
  const starts = daysBetween(from, to, timeZone).map(({ start }) => start);
  return [...starts, startOfDayBefore(starts.at(-1) as Date, -1, timeZone)];
}

/** Returns the coarsest granularity that has a bucket boundary at each of the moments. */
export function levelOf(bounds: readonly Date[]): Granularity {
  const isOnGrid = (granularity: Granularity) =>
    bounds.every((bound) => bound.getTime() % granularityMs[granularity] === 0);
  return isOnGrid('DAY') ? 'DAY' : isOnGrid('HOUR') ? 'HOUR' : 'MINUTE';
}

/**
 * Whether a bucket is final: it has ended, and it has not changed for `settleMs`. A late event makes the
 * bucket not final again.
 */
export function isFinal(
  { end, updatedAt }: { readonly end: Date; readonly updatedAt: Date | undefined },
  now: Date,
  settleMs: number,
): boolean {
  return Math.max(end.getTime(), updatedAt?.getTime() ?? 0) + settleMs <= now.getTime();
}
