import { readFileSync } from 'node:fs';
import { limitValueOf, previousValueOf, progressOf, sequenceOf, type UserLimit } from '../domain/limit.ts';
import type { Fields } from '../events/record.ts';

export const limitFixtureFile = 'src/testing/fixtures/limit-events.json';

/**
 * Events as their producer writes them, with every case that the producer can cause:
 * - events of other types, and the same event twice
 * - a definition that arrives after the progress of its limit, and a definition that arrives last although it
 * was sent first
 * - resets and progress of limits that were never defined
 * - a gap in the sequence numbers, and `data` instead of `payload`
 * - amounts that are totals, values that the service does not know, and an amount that is not a number.
 */
export const limitFixture: readonly Fields[] = JSON.parse(readFileSync(limitFixtureFile, 'utf8'));

/** The number of events in the fixture that the service accepts, ignores and refuses. */
export const limitFixtureCounts = { accepted: 17, ignored: 4, invalid: 1 };

/**
 * The limits after the service has applied the events of the fixture, in any order and any number of times.
 */
export const limitFixtureTable = [
  '019mr8mf4r dep-month-019mr8mf4r DEPOSIT MONTH ACTIVE 450.50 of 500.00, before 10000.00, at 118',
  '019mr8mf4r session-019mr8mf4r SESSION CALENDAR_DAY ACTIVE 0 of 7200, before null, at 9',
  '019mr8qz7k bal-019mr8qz7k UNKNOWN UNKNOWN UNKNOWN 3.30 of null, before null, at 44',
  '019mr8qz7k bet-week-019mr8qz7k BET WEEK UNKNOWN 0 of 250000, before null, at 31',
  '019mr8qz7k loss-week-019mr8qz7k LOSS WEEK ACTIVE 75.25 of 100.00, before null, at 22',
  '019ms02x1c exact-019ms02x1c BALANCE INDEFINITE ACTIVE 123456789012345678901234567.891 of 900000000000000000000000000.001, before null, at 2',
  '019ms02x1c new-019ms02x1c DEPOSIT UNKNOWN UNKNOWN 0 of 50.00, before null, at 3',
];

/** Returns a limit as a line of `limitFixtureTable`. */
export function limitLine(limit: UserLimit): string {
  const { userId, userLimitId, type, period, status } = limit;
  const amounts = `${progressOf(limit)} of ${limitValueOf(limit)}, before ${previousValueOf(limit)}`;
  return `${userId} ${userLimitId} ${type} ${period} ${status} ${amounts}, at ${sequenceOf(limit)}`;
}

/** The users of the fixture. */
export const limitFixtureUsers = [
  ...new Set(limitFixture.map(({ aggregateId }) => String(aggregateId))),
].sort();

/** Returns the values in random order. */
export function shuffled<T>(values: readonly T[]): readonly T[] {
  return values
    .map((value) => ({ value, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
}
