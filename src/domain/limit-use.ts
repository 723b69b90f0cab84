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

/** The percentages of use at which a user gets a notification, ascending, for each type of limit. */
export type LimitThresholds = Readonly<Record<LimitType, readonly number[]>>;

/**
 * Returns the value minus the progress. Negative if more than the value is used. Null while the value is
 * unknown.
 */
export function remainingOf(limit: LimitState, progress = progressOf(limit)): Decimal | null {
  const value = limitValueOf(limit);
  return value === null ? null : subtract(value, progress);
}

/**
 * Returns the used percentage, to four decimals, for display. 100 if the value is 0. Null while the value is
 * unknown.
 */
export function percentUsedOf(limit: LimitState, progress = progressOf(limit)): number | null {
  const value = limitValueOf(limit);
  if (value === null) return null;
  return isZero(value) ? 100 : percentage(progress, value);
}

const isZero = (value: Decimal) => Number(value) === 0;

/**
 * Returns the time of the next reset. The latest event that states the time of a reset decides. There are two
 * exceptions: a later reset has happened, or a later definition says that the limit never resets. In both
 * cases, the next reset follows from the period.
 */
export function nextResetOf(limit: LimitState, timeZone: string): Date | null {
  const { nextReset, lastReset, definition, activeFrom, period } = limit;
  const isEndless = period === 'INDEFINITE' || period === 'INSTANCE';
  const behind = [lastReset, isEndless ? definition : null];
  if (nextReset && behind.every((one) => !one || nextReset.sequence >= one.sequence)) return nextReset.at;
  const since = lastReset?.at ?? activeFrom;
  return since && periodEnd(period, { anchor: activeFrom ?? since, since, timeZone });
}

/** Whether the time of the next reset has passed but no reset event has arrived. */
export function isResetOverdue(limit: LimitState, next: Date | null, now: Date): boolean {
  return next !== null && next <= now && statusAt(limit, now) !== 'CANCELED';
}

/**
 * Returns when the limit will be used up if its use continues at the same pace. The pace is the average since
 * the last reset, or since the start of the limit. Null if the limit will not be used up before the next
 * reset, or if nothing is used.
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

/**
 * Returns the highest threshold that is reached and for which the user got no notification since the last
 * reset. Undefined if there is none.
 */
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
