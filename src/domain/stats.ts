import { type Day, daysBetween, startOfDayBefore } from './time.ts';

/** CALENDAR: calendar days, up to and including today. ROLLING: exactly `days` × 24 h. */
export const windowModes = ['CALENDAR', 'ROLLING'] as const;
export type WindowMode = (typeof windowModes)[number];

/** A time range `[start, end)` and the calendar days that it touches. */
export interface StatsWindow {
  readonly start: Date;
  readonly end: Date;
  readonly timeZone: string;
  /** Oldest first, without gaps. The first day may begin before `start`. */
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

/** The stats of a user in a window. */
export interface UserStats {
  readonly pageViewCount: number;
  readonly uniquePageCount: number;
  readonly timeOnSiteSeconds: number;
  readonly sessionCount: number;
  readonly activeDayCount: number;
  /**
   * The pages with the most views first. If two pages have equally many views, the later view decides, then
   * the name.
   */
  readonly topPages: readonly PageStat[];
  /** One entry per day of the window, oldest first, including days without views. */
  readonly byDay: readonly DayStat[];
}

/**
 * The maximum time between two consecutive views of a session, in ms. The time between these views counts as
 * time on site.
 */
export const sessionGapMs = 30 * 60_000;

/** Returns the window of `days` days that ends at `asOf`, which is excluded. */
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
  // The day of asOf is the last day, even if it has just begun.
  return { start, end: asOf, timeZone, days: daysBetween(start, new Date(asOf.getTime() + 1), timeZone) };
}
