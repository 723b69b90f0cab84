import { expect, test } from 'vitest';
import { backoffMs } from './backoff.ts';

test('waits double from half a second and stay within thirty', () => {
  const longest = [0, 1, 2, 3, 10, 2_000].map((failures) => backoffMs(failures, () => 0));
  expect(longest).toEqual([500, 1_000, 2_000, 4_000, 30_000, 30_000]);
});

test('up to half of a wait is taken off at random', () => {
  expect(backoffMs(3, () => 1)).toBe(2_000);
});
