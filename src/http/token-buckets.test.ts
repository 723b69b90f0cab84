import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { createTokenBuckets } from './token-buckets.ts';

let nowMs = 0;
beforeEach(() => {
  nowMs = 1_000_000;
});
const create = (perSecond: number, { burstSec = 4, maxKeys = 1_000 } = {}) =>
  createTokenBuckets({ perSecond, burst: perSecond * burstSec, maxKeys }, () => nowMs);

/** Takes one token in each of `tries` calls. Returns how many calls get a token. */
const taken = ({ take }: ReturnType<typeof create>, tries: number, key = 'alice') =>
  Array.from({ length: tries }, () => take(key)).filter((waitMs) => waitMs === 0).length;

describe('a token bucket', () => {
  it('is full at the beginning and refills at its rate', () => {
    const buckets = create(50);
    expect(taken(buckets, 300)).toBe(200);
    nowMs += 19;
    expect(buckets.take('alice')).toBe(1);
    nowMs += 1;
    expect(taken(buckets, 10)).toBe(1);
    nowMs += 1_000;
    expect(taken(buckets, 300)).toBe(50);
  });

  it('never holds more tokens than at the beginning', () => {
    const buckets = create(3);
    expect(taken(buckets, 20)).toBe(12);
    nowMs += 86_400_000;
    expect(taken(buckets, 20)).toBe(12);
  });

  it('does not refill later if calls find it empty', () => {
    const buckets = create(1);
    taken(buckets, 4);
    for (let at = 0; at < 999; at += 1, nowMs += 1) expect(buckets.take('alice')).toBe(1_000 - at);
    nowMs += 1;
    expect(buckets.take('alice')).toBe(0);
  });

  it('gives all requested tokens or none, and returns the time until it has enough', () => {
    const { take, level } = create(10);
    expect(take('alice', 35)).toBe(0);
    expect(take('alice', 8)).toBe(300);
    expect(level('alice')).toBe(5);
    expect(take('alice', 5)).toBe(0);
    nowMs += 300;
    expect(take('alice', 4)).toBe(100);
    expect(take('alice', 3)).toBe(0);
  });

  it('never gives more tokens than it can hold', () => {
    const { take, level } = create(10);
    expect(take('alice', 41)).toBe(Number.POSITIVE_INFINITY);
    expect(level('alice')).toBe(40);
    expect(take('alice', 40)).toBe(0);
  });

  it('gives as many tokens as a simple counter at any rate, for calls of any size at any time', () => {
    const requests = fc.array(fc.record({ pauseMs: fc.nat(2_000), weight: fc.integer({ min: 1, max: 20 }) }));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000 }), requests, (perSecond, sent) => {
        const { take, level } = create(perSecond, { burstSec: 1 });
        // All numbers count thousandths of a token.
        const full = perSecond * 1_000;
        let tokens = full;
        for (const { pauseMs, weight } of sent) {
          nowMs += pauseMs;
          tokens = Math.min(full, tokens + pauseMs * perSecond);
          expect(level('alice')).toBe(Math.floor(tokens / 1_000));
          const waitMs = take('alice', weight);
          expect(waitMs === 0).toBe(tokens >= weight * 1_000);
          if (waitMs === 0) tokens -= weight * 1_000;
          else if (weight <= perSecond) expect(waitMs).toBeCloseTo((weight * 1_000 - tokens) / perSecond);
          else expect(waitMs).toBe(Number.POSITIVE_INFINITY);
        }
      }),
    );
  });
});

describe('token buckets', () => {
  it('do not affect each other', () => {
    const buckets = create(1);
    expect(taken(buckets, 10, 'alice')).toBe(4);
    expect(taken(buckets, 10, 'bob')).toBe(4);
  });

  it('are dropped beyond the maximum number of keys, the least recently used first', () => {
    const buckets = create(1, { maxKeys: 2 });
    for (const key of ['alice', 'bob', 'alice', 'carol']) taken(buckets, 4, key);
    expect(buckets.take('alice')).toBe(1_000);
    expect(buckets.take('bob')).toBe(0);
  });
});
