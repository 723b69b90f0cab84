import { expect, test } from 'vitest';
import { backoffMs } from './backoff.ts';

test('doubles the wait from 0.5 s up to 30 s', () => {
  const longest = [0, 1, 2, 3, 10, 2_000].map((failures) => backoffMs(failures, () => 0));
  expect(longest).toEqual([500, 1_000, 2_000, 4_000, 30_000, 30_000]);
});

test('subtracts a random part of up to half of the wait', () => {
  expect(backoffMs(3, () => 1)).toBe(2_000);
});
