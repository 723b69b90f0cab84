import { compare, type Decimal, percentage, ratio, subtract, times } from './decimal.ts';
import {
  isLater,
  type LimitState,
  type LimitType,
  limitValueOf,
  progressOf,
  statusAt,
  type UserLimit,
} from './limit.ts';
import { periodEnd } from './period.ts';

/** The percentages of the value at which a user gets a notification, by type, ascending. */
export type LimitThresholds = Readonly<Record<LimitType, readonly number[]>>;

/** Value minus progress. Negative if more than the value is used. Null while the value is unknown. */
export function remainingOf(limit: LimitState, progress = progressOf(limit)): Decimal | null {
  const value = limitValueOf(limit);
  return value === null ? null : subtract(value, progress);
}

/** The used percentage, to four decimals, for people. 100 if the value is 0. */
export function percentUsedOf(limit: LimitState, progress = progressOf(limit)): number | null {
  const value = limitValueOf(limit);
  if (value === null) return null;
  return isZero(value) ? 100 : percentage(progress, value);
}

const isZero = (value: Decimal) => Number(value) === 0;

/**
 * The next reset. The latest event that names a reset decides, unless a reset came after it, or the definition says that the
 * limit never resets. Otherwise the period decides.
 */
export function nextResetOf(limit: LimitState, timeZone: string): Date | null {
  const { nextReset, lastReset, definition, activeFrom, period } = limit;
  const isEndless = period === 'INDEFINITE' || period === 'INSTANCE';
  const behind = [lastReset, isEndless ? definition : null];
  if (nextReset && behind.every((one) => !one || nextReset.sequence >= one.sequence)) return nextReset.at;
  const since = lastReset?.at ?? activeFrom;
  return since && periodEnd(period, { anchor: activeFrom ?? since, since, timeZone });
}

/** Whether the next reset has passed and no event of it was seen. */
export function isResetOverdue(limit: LimitState, next: Date | null, now: Date): boolean {
  return next !== null && next <= now && statusAt(limit, now) !== 'CANCELED';
}

/**
 * When the limit is used up at the pace since the last reset, or since its beginning. Null if this is not before the next
 * reset, and if nothing is used.
 */
export function projectedExhaustionOf(limit: LimitState, next: Date | null, now: Date): Date | null {
  const value = limitValueOf(limit);
  const progress = progressOf(limit);
  const since = limit.lastReset?.at ?? limit.activeFrom;
  const status = statusAt(limit, now);
  if (value === null || isZero(progress) || !since || since >= now) return null;
  if (status === 'CANCELED' || status === 'FUTURE') return null;
  const elapsedMs = now.getTime() - since.getTime();
  const at = since.getTime() + elapsedMs * Number(ratio(value, progress, 9));
  if (at > (next?.getTime() ?? Date.UTC(10_000, 0)) - 1) return null;
  return new Date(at);
}

/** The highest reached threshold for which the user got no notification since the last reset. Undefined if there is none. */
export function crossedThreshold(limit: UserLimit, thresholds: LimitThresholds): number | undefined {
  const { notifiedThreshold, lastReset, status } = limit;
  const value = limitValueOf(limit);
  const progress = progressOf(limit);
  if (value === null || isZero(progress) || status === 'CANCELED') return undefined;
  const isArmed = !notifiedThreshold || (lastReset !== null && isLater(lastReset, notifiedThreshold));
  const notifiedPercent = isArmed ? 0 : notifiedThreshold.percent;
  return thresholds[limit.type].findLast(
    (percent) => percent > notifiedPercent && compare(times(progress, 100), times(value, percent)) >= 0,
  );
}
