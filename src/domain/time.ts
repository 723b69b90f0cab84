import { LRUCache } from 'lru-cache';
import { Temporal } from 'temporal-polyfill';

const zones = new LRUCache<string, boolean>({ max: 1000 });

/**
 * The maximum length of a cached text. The longest zone name has 32 characters. Callers choose the texts, so
 * longer texts are not cached.
 */
const maxZoneLength = 64;

/**
 * Whether the name is an IANA time zone that this server knows: `Europe/Berlin`, `UTC`, or a link such as
 * `US/Pacific`. Offsets are refused, because an offset is not a place and does not define days. The name of a
 * zone is never sent to the database, so only this check decides.
 */
export function isTimeZone(timeZone: string): boolean {
  if (timeZone.length > maxZoneLength) return false;
  let known = zones.get(timeZone);
  if (known === undefined) {
    known = /^[A-Za-z]+[A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/.test(timeZone) && isKnownToIntl(timeZone);
    zones.set(timeZone, known);
  }
  return known;
}

function isKnownToIntl(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
    return true;
  } catch {
    return false;
  }
}

// Caches the starts of days. Computing a start takes tens of microseconds, and most calls are about the same
// few hundred days.
const dayStarts = new LRUCache<string, number>({ max: 50_000 });

/** A calendar day of a time zone. A day has 23 or 25 hours when clocks change. */
export interface Day {
  /** YYYY-MM-DD. */
  readonly date: string;
  readonly start: Date;
}

/**
 * Returns the instant at which a calendar day begins in a zone. The day begins at midnight, or at the first
 * instant after a clock change that skips midnight.
 */
function startOfDay(date: Temporal.PlainDate, timeZone: string): number {
  const key = `${date} ${timeZone}`;
  let start = dayStarts.get(key);
  if (start === undefined) {
    start = date.toZonedDateTime(timeZone).epochMilliseconds;
    dayStarts.set(key, start);
  }
  return start;
}

function dateOf(instant: Date, timeZone: string): Temporal.PlainDate {
  return Temporal.Instant.fromEpochMilliseconds(instant.getTime()).toZonedDateTimeISO(timeZone).toPlainDate();
}

/** Returns the start of a calendar day: `daysBack` days before the day that contains `instant`. */
export function startOfDayBefore(instant: Date, daysBack: number, timeZone: string): Date {
  return new Date(startOfDay(dateOf(instant, timeZone).subtract({ days: daysBack }), timeZone));
}

/** Returns the calendar days of a zone that overlap `[from, to)`, oldest first. */
export function daysBetween(from: Date, to: Date, timeZone: string): readonly Day[] {
  const days: Day[] = [];
  for (let date = dateOf(from, timeZone); ; date = date.add({ days: 1 })) {
    const start = startOfDay(date, timeZone);
    if (start >= to.getTime()) return days;
    days.push({ date: date.toString(), start: new Date(start) });
  }
}
