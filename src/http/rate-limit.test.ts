import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AppError } from '../domain/error.ts';
import { createRateLimit } from './rate-limit.ts';

const wrongToken = new AppError('UNAUTHENTICATED', 'The token is not valid.');

/** Sends 100 wrong tokens from the addresses in turn. Returns how many of the tokens the server checks. */
function guesses(...addresses: readonly string[]): number {
  const rateLimit = createRateLimit({ perUser: 0, perService: 0, perAddress: 1 });
  for (let n = 0; n < 100; n += 1) {
    try {
      rateLimit.countRefusal(wrongToken, addresses[n % addresses.length]);
    } catch {
      // The limit refused the token.
    }
  }
  return 100 - rateLimit.refused();
}

beforeAll(() => void vi.useFakeTimers());
afterAll(() => void vi.useRealTimers());

describe('the limit on guessing tokens', () => {
  it.each([
    [
      'one IPv6 network',
      ['2001:db8:1:2::1', '2001:db8:1:2:3::', '2001:db8:1:2:a:b:c:d', '2001:db8:1:2::ffff'],
      1,
    ],
    ['four networks', ['2001:db8::1', '2001:db8:0:1::1', '2001:db8:1::1', '::1'], 4],
    ['one link, on any interface', ['fe80::1%eth0', 'fe80::2%eth1'], 1],
    ['four IPv4 addresses', ['192.0.2.1', '192.0.2.2', '::ffff:192.0.2.3', '::ffff:192.0.2.4'], 4],
    ['no known address', [''], 1],
  ])('counts per network: %s', (_, addresses, times) => {
    expect(guesses('192.0.2.1')).toBe(5);
    expect(guesses(...addresses)).toBe(times * 5);
  });
});
