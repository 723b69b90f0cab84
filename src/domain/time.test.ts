import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { windowOf } from './stats.ts';
import { daysBetween, isTimeZone, startOfDayBefore } from './time.ts';

const zones = Intl.supportedValuesOf('timeZone');
const zone = fc.constantFrom(...zones);
/** Instants within the ten years for which a caller can request data. */
const instant = fc.date({
  min: new Date('2016-11-20T00:00:00Z'),
  max: new Date('2026-11-20T00:00:00Z'),
  noInvalidDate: true,
});

const wallClock = (at: Date, timeZone: string): string =>
  new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' }).format(at);
const dayOf = (at: Date, timeZone: string): string => wallClock(at, timeZone).slice(0, 10);

describe('time zones', () => {
  it('include UTC, links, and all names that this server knows', () => {
    for (const name of [...zones, 'UTC', 'US/Pacific', 'Asia/Calcutta', 'Etc/GMT+12', 'GMT'])
      expect(isTimeZone(name)).toBe(true);
  });

  it.each([
    '',
    ' UTC',
    'UTC ',
    '+02:00',
    '-08',
    '+25:00',
    'foo0',
    'Mars/Base',
    "UTC'); DROP TABLE page_view;--",
    'Europe/Berlin\u0000',
    'Europe/',
    '/UTC',
    'Europe//Berlin',
    '../etc/passwd',
    'constructor',
    '__proto__',
    'localtime',
    'posixrules',
    'CET-1CEST',
    'undefined',
  ])('do not include %j', (name) => {
    expect(isTimeZone(name)).toBe(false);
  });
});

describe('the start of a day', () => {
  it('is the first instant at which the wall clock shows that day, in every zone', () => {
    fc.assert(
      fc.property(instant, zone, (at, timeZone) => {
        const start = startOfDayBefore(at, 0, timeZone);
        expect(start.getTime()).toBeLessThanOrEqual(at.getTime());
        expect(dayOf(start, timeZone)).toBe(dayOf(at, timeZone));
        expect(dayOf(new Date(start.getTime() - 1), timeZone) < dayOf(at, timeZone)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['a normal midnight', 'Europe/Berlin', '2026-07-01T12:00:00Z', '2026-06-30T22:00:00Z'],
    ['a day without a midnight', 'America/Santiago', '2026-09-06T12:00:00Z', '2026-09-06T04:00:00Z'],
    ['the first of two midnights', 'America/Havana', '2026-11-01T12:00:00Z', '2026-11-01T04:00:00Z'],
    ['a quarter hour offset', 'Asia/Kathmandu', '2026-07-01T18:20:00Z', '2026-07-01T18:15:00Z'],
  ])('handles %s', (_, timeZone, at, start) => {
    expect(startOfDayBefore(new Date(at), 0, timeZone)).toEqual(new Date(start));
  });
});

describe('the days of an interval', () => {
  it('have no gaps between them, from the day of the start to the day of the last instant', () => {
    fc.assert(
      fc.property(instant, fc.integer({ min: 1, max: 40 * 86_400_000 }), zone, (from, lengthMs, timeZone) => {
        const to = new Date(from.getTime() + lengthMs);
        const days = daysBetween(from, to, timeZone);
        const lastInstant = new Date(to.getTime() - 1);
        expect(days[0]?.date).toBe(dayOf(from, timeZone));
        expect(days.at(-1)?.date).toBe(dayOf(lastInstant, timeZone));
        for (const [index, day] of days.entries()) {
          const next = days[index + 1];
          if (!next) break;
          expect(Date.parse(next.date) - Date.parse(day.date)).toBe(86_400_000);
          expect(next.start.getTime()).toBeGreaterThan(day.start.getTime());
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('a window', () => {
  it('of N calendar days has N days, and the last day contains `asOf`', () => {
    fc.assert(
      fc.property(
        instant,
        fc.integer({ min: 1, max: 40 }),
        zone,
        fc.boolean(),
        (at, days, timeZone, atMidnight) => {
          const asOf = atMidnight ? startOfDayBefore(at, 0, timeZone) : at;
          const window = windowOf({ days, mode: 'CALENDAR', timeZone, asOf });
          expect(window.days).toHaveLength(days);
          expect(window.start).toEqual(window.days[0]?.start);
          expect(window.end).toBe(asOf);
          expect(window.days.at(-1)?.date).toBe(dayOf(asOf, timeZone));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('of N rolling days has N times 24 hours, even with a clock change', () => {
    const asOf = new Date('2026-10-26T12:00:00Z');
    const window = windowOf({ days: 7, mode: 'ROLLING', timeZone: 'Europe/Berlin', asOf });
    expect(asOf.getTime() - window.start.getTime()).toBe(7 * 24 * 3_600_000);
    expect(window.days.map(({ date }) => date)).toEqual(
      [19, 20, 21, 22, 23, 24, 25, 26].map((day) => `2026-10-${day}`),
    );
  });
});
