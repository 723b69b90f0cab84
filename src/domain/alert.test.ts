import { expect, it } from 'vitest';
import { unusual } from './alert.ts';

const rule = { minScore: 4, minCount: 100, minDays: 5 };
const steady = [1_000, 1_040, 980, 1_010, 970, 1_020, 990];

it('reports a count four standard deviations above or below the mean', () => {
  expect(unusual(1_000, steady, rule)).toBeUndefined();
  expect(unusual(1_120, steady, rule)).toBeUndefined();
  expect(unusual(1_200, steady, rule)).toMatchObject({ count: 1_200, mean: expect.closeTo(1_001.4, 1) });
  expect(unusual(700, steady, rule)?.score).toBeLessThan(-4);
  expect(unusual(0, steady, rule)?.score).toBeLessThan(-4);
});

it('ignores a small random difference if the count was the same on every other day', () => {
  const same = Array<number>(10).fill(400);
  expect(unusual(470, same, rule)).toBeUndefined();
  expect(unusual(481, same, rule)).toBeDefined();
});

it('ignores a count within the usual variation', () => {
  expect(unusual(3_000, [200, 2_500, 900, 3_100, 400, 1_800], rule)).toBeUndefined();
});

it('ignores hours with few events, and hours with activity on few other days', () => {
  expect(unusual(99, [2, 1, 3, 2, 1, 2], rule)).toBeUndefined();
  expect(unusual(100, [2, 1, 3, 2, 1, 2], rule)).toBeDefined();
  expect(unusual(5_000, [1_000, 1_000, 0, 0, 0, 1_000, 1_000], rule)).toBeUndefined();
});
