import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { displayCount } from './badge.ts';
import { AppError, errorTable, isRetriable } from './error.ts';
import { timelinessOf } from './page-view.ts';
import { distinctUsers, userKeyOf } from './user.ts';

describe('distinct users', () => {
  it('contain each user once, in the same order for any order of the input', () => {
    const key = fc.record({
      tenantId: fc.constantFrom('a', 'a-b', 'a.b', 'b'),
      userId: fc.string({ minLength: 1, maxLength: 2 }),
    });
    fc.assert(
      fc.property(fc.array(key), (keys) => {
        const distinct = distinctUsers(keys);
        expect(new Set(distinct.map(userKeyOf))).toEqual(new Set(keys.map(userKeyOf)));
        expect(new Set(distinct.map(userKeyOf)).size).toBe(distinct.length);
        expect(distinctUsers(keys.toReversed())).toEqual(distinct);
      }),
    );
  });

  it('contain only the fields of the key', () => {
    const given = { tenantId: 'a', userId: 'b', secret: 'c' };
    expect(distinctUsers([given])).toEqual([{ tenantId: 'a', userId: 'b' }]);
  });
});

describe('timeliness', () => {
  it('accepts times from the start of the retention to five minutes in the future, both included', () => {
    const now = new Date('2026-11-20T09:00:00.000Z');
    const timeliness = (ms: number) => timelinessOf(new Date(now.getTime() + ms), now, 183);
    const retentionMs = 183 * 86_400_000;
    expect([-retentionMs - 1, -retentionMs, 0, 300_000, 300_001].map(timeliness)).toEqual([
      'too-old',
      'kept',
      'kept',
      'kept',
      'in-future',
    ]);
  });
});

describe('the displayed count', () => {
  it('is the number itself up to the maximum, and the maximum with a plus for greater numbers', () => {
    expect([0, 1, 99, 100, 100_000].map((count) => displayCount(count, 99))).toEqual([
      '0',
      '1',
      '99',
      '99+',
      '99+',
    ]);
  });
});

describe('errors', () => {
  it('are retriable only if the table of errors says so', () => {
    expect(isRetriable(new AppError('UNAVAILABLE'))).toBe(true);
    expect(isRetriable(new AppError('REJECTED_EVENT'))).toBe(false);
    expect(isRetriable(new Error('UNAVAILABLE'))).toBe(false);
    expect(isRetriable(undefined)).toBe(false);
  });

  it('have the message of the table of errors by default', () => {
    expect(new AppError('FORBIDDEN').message).toBe(errorTable.FORBIDDEN.message);
    expect(new AppError('FORBIDDEN', 'Not you.').message).toBe('Not you.');
  });
});
