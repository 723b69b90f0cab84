import { LRUCache } from 'lru-cache';
import { Temporal } from 'temporal-polyfill';
import type { LimitPeriod } from '../events/limit.ts';

const dayMs = 86_400_000;

// Caches the ends of periods, because calendar arithmetic takes tens of microseconds, and every read of a
// limit needs the end of its period.
const ends = new LRUCache<string, Date>({ max: 50_000 });

/**
 * Returns the end of a period that began at `since`. DAY and WEEK end at multiples of 24 h and 7 × 24 h after
 * `anchor`. MONTH ends on the same day of the month as `anchor`, or on the last day of a shorter month.
 * Calendar periods end at midnight, and calendar weeks end at the start of Monday. Months and calendar
 * periods follow the time zone, including its clock changes. Null for periods that never end or are unknown.
 */
export function periodEnd(
  period: LimitPeriod,
  from: { readonly anchor: Date; readonly since: Date; readonly timeZone: string },
): Date | null {
  const { anchor, since, timeZone } = from;
  switch (period) {
    case 'DAY':
      return rolled(anchor, since, dayMs);
    case 'WEEK':
      return rolled(anchor, since, 7 * dayMs);
    case 'MONTH':
    case 'CALENDAR_DAY':
    case 'CALENDAR_WEEK':
    case 'CALENDAR_MONTH': {
      // Only the end of MONTH depends on the anchor.
      const of = period === 'MONTH' ? anchor.getTime() : period;
      const key = `${of} ${since.getTime()} ${timeZone}`;
      const known = ends.get(key);
      if (known) return known;
      const end = calendarEnd(period, from);
      ends.set(key, end);
      return end;
    }
    case 'INDEFINITE':
    case 'INSTANCE':
    case 'UNKNOWN':
      return null;
    default:
      return period satisfies never;
  }
}

type CalendarPeriod = 'CALENDAR_DAY' | 'CALENDAR_WEEK' | 'CALENDAR_MONTH';

function calendarEnd(
  period: CalendarPeriod | 'MONTH',
  { anchor, since, timeZone }: Parameters<typeof periodEnd>[1],
): Date {
  if (period === 'MONTH') return anniversary(anchor, since, timeZone);
  return startOf(nextCalendarPeriod(period, zoned(since, timeZone).toPlainDate()), timeZone);
}

function zoned(at: Date, timeZone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(at.getTime()).toZonedDateTimeISO(timeZone);
}

function nextCalendarPeriod(period: CalendarPeriod, today: Temporal.PlainDate): Temporal.PlainDate {
  if (period === 'CALENDAR_DAY') return today.add({ days: 1 });
  if (period === 'CALENDAR_WEEK') return today.add({ days: 8 - today.dayOfWeek });
  return today.with({ day: 1 }).add({ months: 1 });
}

/** Returns midnight. If a clock change skips midnight, returns the first instant after the change. */
function startOf(date: Temporal.PlainDate, timeZone: string): Date {
  return new Date(date.toZonedDateTime(timeZone).epochMilliseconds);
}

function rolled(anchor: Date, since: Date, lengthMs: number): Date {
  const periods = Math.floor((since.getTime() - anchor.getTime()) / lengthMs);
  return new Date(anchor.getTime() + Math.max(1, periods + 1) * lengthMs);
}

/**
 * Adds months to the anchor, not to the previous end. So the 31st becomes the 28th in February and the 31st
 * again in March.
 */
function anniversary(anchor: Date, since: Date, timeZone: string): Date {
  const first = zoned(anchor, timeZone);
  const passed = first.until(zoned(since, timeZone), { largestUnit: 'months' }).months;
  for (let months = Math.max(1, passed); ; months += 1) {
    const end = first.add({ months }).epochMilliseconds;
    if (end > since.getTime()) return new Date(end);
  }
}
