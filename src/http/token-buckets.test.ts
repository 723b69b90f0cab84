import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { createTokenBuckets } from './token-buckets.ts';

const bounds = { burstSec: 4, maxKeys: 1_000 };
let nowMs = 0;
beforeEach(() => {
  nowMs = 1_000_000;
});
const create = (perSecond: number, more: Partial<typeof bounds> = {}) =>
  createTokenBuckets({ perSecond, ...bounds, ...more }, () => nowMs);

/** How many of so many tries get a token. */
const taken = (take: (key: string) => boolean, tries: number, key = 'alice') =>
  Array.from({ length: tries }, () => take(key)).filter(Boolean).length;

describe('a token bucket', () => {
  it('begins with four seconds of tokens and gains its rate', () => {
    const take = create(50);
    expect(taken(take, 300)).toBe(200);
    nowMs += 19;
    expect(take('alice')).toBe(false);
    nowMs += 1;
    expect(taken(take, 10)).toBe(1);
    nowMs += 1_000;
    expect(taken(take, 300)).toBe(50);
  });

  it('never holds more than it began with', () => {
    const take = create(3);
    expect(taken(take, 20)).toBe(12);
    nowMs += 86_400_000;
    expect(taken(take, 20)).toBe(12);
  });

  it('is not put off by those who find it empty', () => {
    const take = create(1);
    taken(take, 4);
    for (let at = 0; at < 999; at += 1, nowMs += 1) expect(take('alice')).toBe(false);
    nowMs += 1;
    expect(take('alice')).toBe(true);
  });

  it('gives what a bucket that is counted would give, whatever the rate and the times', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000 }), fc.array(fc.nat(2_000)), (perSecond, pauses) => {
        const take = create(perSecond, { burstSec: 1 });
        // In thousandths.
        const full = perSecond * 1_000;
        let tokens = full;
        for (const pauseMs of pauses.flatMap((pause) => [pause, 0, 0])) {
          nowMs += pauseMs;
          tokens = Math.min(full, tokens + pauseMs * perSecond);
          expect(take('alice')).toBe(tokens >= 1_000);
          if (tokens >= 1_000) tokens -= 1_000;
        }
      }),
    );
  });
});

describe('token buckets', () => {
  it('are apart from each other', () => {
    const take = create(1);
    expect(taken(take, 10, 'alice')).toBe(4);
    expect(taken(take, 10, 'bob')).toBe(4);
  });

  it('are forgotten from a number on, those that nobody asks for first', () => {
    const take = create(1, { maxKeys: 2 });
    for (const key of ['alice', 'bob', 'alice', 'carol']) taken(take, 4, key);
    expect(take('alice')).toBe(false);
    expect(take('bob')).toBe(true);
  });

  it('are bottomless when the rate is 0', () => {
    expect(taken(create(0), 10_000)).toBe(10_000);
  });
});
