import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AppError } from '../domain/error.ts';
import { createRateLimit } from './rate-limit.ts';

const wrongToken = new AppError('UNAUTHENTICATED', 'The token is not valid.');

/** How many tokens of 100 can be guessed, each from the next of the addresses in turn. */
function guesses(...addresses: readonly string[]): number {
  const rateLimit = createRateLimit({ perUser: 0, perService: 0, perAddress: 1 });
  for (let n = 0; n < 100; n += 1) {
    try {
      rateLimit.countRefusal(wrongToken, addresses[n % addresses.length]);
    } catch {
      // Counted by it.
    }
  }
  return 100 - rateLimit.refused();
}

beforeAll(() => void vi.useFakeTimers());
afterAll(() => void vi.useRealTimers());

describe('guessing tokens', () => {
  it.each([
    [
      'a network of IPv6',
      ['2001:db8:1:2::1', '2001:db8:1:2:3::', '2001:db8:1:2:a:b:c:d', '2001:db8:1:2::ffff'],
      1,
    ],
    ['four networks', ['2001:db8::1', '2001:db8:0:1::1', '2001:db8:1::1', '::1'], 4],
    ['a link, whatever the interface', ['fe80::1%eth0', 'fe80::2%eth1'], 1],
    ['four of IPv4', ['192.0.2.1', '192.0.2.2', '::ffff:192.0.2.3', '::ffff:192.0.2.4'], 4],
    ['nobody known', [''], 1],
  ])('%s has so many tries', (_, addresses, times) => {
    expect(guesses('192.0.2.1')).toBe(5);
    expect(guesses(...addresses)).toBe(times * 5);
  });
});
