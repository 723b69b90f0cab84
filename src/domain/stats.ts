import { type Day, daysBetween, startOfDayBefore } from './time.ts';

/** CALENDAR: whole calendar days, today's the last and still running. ROLLING: exactly days × 24 h. */
export const windowModes = ['CALENDAR', 'ROLLING'] as const;
export type WindowMode = (typeof windowModes)[number];

/** A stretch of time `[start, end)` and the calendar days it touches. */
export interface StatsWindow {
  readonly start: Date;
  readonly end: Date;
  readonly timeZone: string;
  /** Oldest first, without holes; the first may begin before `start`. */
  readonly days: readonly Day[];
}

export interface PageStat {
  readonly name: string;
  readonly views: number;
  readonly lastViewedAt: Date;
}

export interface DayStat {
  /** YYYY-MM-DD */
  readonly date: string;
  readonly pageViewCount: number;
  readonly timeOnSiteSeconds: number;
}

/** What a user did in a window. */
export interface UserStats {
  readonly pageViewCount: number;
  readonly uniquePageCount: number;
  readonly timeOnSiteSeconds: number;
  readonly sessionCount: number;
  readonly activeDayCount: number;
  /** Most views first; ties by latest view, then by name. */
  readonly topPages: readonly PageStat[];
  /** One per day of the window, oldest first, days without views included. */
  readonly byDay: readonly DayStat[];
}

/** Two views at most this far apart belong to one session; the time between them was spent on the site. */
export const sessionGapMs = 30 * 60_000;

/** The window of `days` days up to `asOf`, which is not part of it. */
export function windowOf(options: {
  readonly days: number;
  readonly mode: WindowMode;
  readonly timeZone: string;
  readonly asOf: Date;
}): StatsWindow {
  const { days, mode, timeZone, asOf } = options;
  if (mode === 'ROLLING') {
    const start = new Date(asOf.getTime() - days * 86_400_000);
    return { start, end: asOf, timeZone, days: daysBetween(start, asOf, timeZone) };
  }
  const start = startOfDayBefore(asOf, days - 1, timeZone);
  // The day of asOf is the last one even when it has only just begun.
  return { start, end: asOf, timeZone, days: daysBetween(start, new Date(asOf.getTime() + 1), timeZone) };
}
