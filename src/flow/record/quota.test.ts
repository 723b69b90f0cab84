import { expect, it } from 'vitest';
import { createTestClock } from '../../testing/event.ts';
import { createQuota } from './quota.ts';

const alice = { tenantId: 'acme', userId: 'alice' };
const bob = { tenantId: 'acme', userId: 'bob' };
const other = { tenantId: 'other', userId: 'alice' };

it('limits each user and each tenant until the UTC day ends', () => {
  const clock = createTestClock(new Date('2026-11-20T23:59:59.999Z'));
  const quota = createQuota({ clock }, { perUser: 3, perTenant: 5 }, 'things');
  expect(quota.take(alice, 3, ['input'])).toBeUndefined();
  expect(quota.take(alice, 1, ['input'])).toEqual({
    code: 'QUOTA_EXCEEDED',
    message: 'A user may record 3 things per day (QUOTA_PER_USER). Try again after 2026-11-21T00:00:00.000Z.',
    path: ['input'],
  });
  // The refused amount was not added.
  expect(quota.take(bob, 3, [])).toMatchObject({ message: expect.stringContaining('QUOTA_PER_TENANT') });
  expect(quota.take(bob, 2, [])).toBeUndefined();
  expect(quota.take(other, 3, [])).toBeUndefined();
  expect(quota.refused()).toBe(2);
  clock.set(new Date('2026-11-21T00:00:00Z'));
  expect(quota.take(alice, 3, [])).toBeUndefined();
});

it('accepts any amount if the quotas are 0', () => {
  const quota = createQuota({ clock: createTestClock() }, { perUser: 0, perTenant: 0 }, 'things');
  expect(quota.take(alice, 1_000_000, [])).toBeUndefined();
});
