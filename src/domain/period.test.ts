import { describe, expect, it } from 'vitest';
import type { LimitPeriod } from '../events/limit.ts';
import { periodEnd } from './period.ts';

describe('a period ends', () => {
  const ends: [LimitPeriod, string, string, string, string | null][] = [
    // period, anchor, since, zone, end
    ['DAY', '2026-03-22T10:48:10.594Z', '2026-03-22T10:48:10.594Z', 'UTC', '2026-03-23T10:48:10.594Z'],
    ['DAY', '2026-03-22T10:00:00Z', '2026-03-25T09:59:59Z', 'UTC', '2026-03-25T10:00:00.000Z'],
    ['DAY', '2026-03-22T10:00:00Z', '2026-03-25T10:00:00Z', 'UTC', '2026-03-26T10:00:00.000Z'],
    // DAY has 24 hours, even in the night in which the clocks of Berlin skip an hour.
    ['DAY', '2026-03-28T11:00:00Z', '2026-03-28T11:00:00Z', 'Europe/Berlin', '2026-03-29T11:00:00.000Z'],
    ['WEEK', '2026-03-22T10:00:00Z', '2026-03-30T00:00:00Z', 'Europe/Berlin', '2026-04-05T10:00:00.000Z'],
    ['WEEK', '2026-03-22T10:00:00Z', '2026-03-01T00:00:00Z', 'UTC', '2026-03-29T10:00:00.000Z'],
    ['MONTH', '2022-03-22T10:48:10.594Z', '2022-03-22T10:48:10.594Z', 'UTC', '2022-04-22T10:48:10.594Z'],
    ['MONTH', '2026-01-31T12:00:00Z', '2026-01-31T12:00:00Z', 'UTC', '2026-02-28T12:00:00.000Z'],
    ['MONTH', '2026-01-31T12:00:00Z', '2026-02-28T12:00:00Z', 'UTC', '2026-03-31T12:00:00.000Z'],
    ['MONTH', '2026-01-31T12:00:00Z', '2026-04-30T11:59:59Z', 'UTC', '2026-04-30T12:00:00.000Z'],
    ['MONTH', '2024-02-29T00:00:00Z', '2025-02-10T00:00:00Z', 'UTC', '2025-02-28T00:00:00.000Z'],
    // The end has the same local hour in Berlin, where daylight saving time has begun.
    ['MONTH', '2026-03-22T11:00:00Z', '2026-03-22T11:00:00Z', 'Europe/Berlin', '2026-04-22T10:00:00.000Z'],
    ['CALENDAR_DAY', '2026-03-28T11:00:00Z', '2026-03-28T11:00:00Z', 'UTC', '2026-03-29T00:00:00.000Z'],
    // The first day has 23 hours, and the second day has 25 hours. The third day begins at 01:00, because
    // midnight is skipped.
    [
      'CALENDAR_DAY',
      '2026-03-29T00:00:00Z',
      '2026-03-29T00:00:00Z',
      'Europe/Berlin',
      '2026-03-29T22:00:00.000Z',
    ],
    [
      'CALENDAR_DAY',
      '2026-10-24T22:00:00Z',
      '2026-10-24T22:00:00Z',
      'Europe/Berlin',
      '2026-10-25T23:00:00.000Z',
    ],
    [
      'CALENDAR_DAY',
      '2026-09-05T12:00:00Z',
      '2026-09-05T12:00:00Z',
      'America/Santiago',
      '2026-09-06T04:00:00.000Z',
    ],
    ['CALENDAR_WEEK', '2026-11-20T09:00:00Z', '2026-11-20T09:00:00Z', 'UTC', '2026-11-23T00:00:00.000Z'],
    ['CALENDAR_WEEK', '2026-11-23T00:00:00Z', '2026-11-23T00:00:00Z', 'UTC', '2026-11-30T00:00:00.000Z'],
    // In Auckland the day is already Sunday, so the week ends with this day.
    [
      'CALENDAR_WEEK',
      '2026-11-21T12:00:00Z',
      '2026-11-21T12:00:00Z',
      'Pacific/Auckland',
      '2026-11-22T11:00:00.000Z',
    ],
    ['CALENDAR_MONTH', '2026-01-31T12:00:00Z', '2026-01-31T12:00:00Z', 'UTC', '2026-02-01T00:00:00.000Z'],
    [
      'CALENDAR_MONTH',
      '2026-12-31T23:30:00Z',
      '2026-12-31T23:30:00Z',
      'Europe/Berlin',
      '2027-01-31T23:00:00.000Z',
    ],
    ['INDEFINITE', '2026-01-31T12:00:00Z', '2026-01-31T12:00:00Z', 'UTC', null],
    ['INSTANCE', '2026-01-31T12:00:00Z', '2026-01-31T12:00:00Z', 'UTC', null],
    ['UNKNOWN', '2026-01-31T12:00:00Z', '2026-01-31T12:00:00Z', 'UTC', null],
  ];
  it.each(ends)('%s from %s, since %s in %s: %s %s', (period, anchor, since, timeZone, end) => {
    const at = periodEnd(period, { anchor: new Date(anchor), since: new Date(since), timeZone });
    expect(at?.toISOString() ?? null).toBe(end);
  });
});
