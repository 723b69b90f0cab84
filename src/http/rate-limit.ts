import { isIPv6 } from 'node:net';
import type { Caller } from '../domain/caller.ts';
import { AppError } from '../domain/error.ts';
import { userKeyOf } from '../domain/user.ts';
import { expiredMessage } from '../ports/authenticator.ts';
import { createTokenBuckets } from './token-buckets.ts';

/** How often one may come: token buckets in this process, of four seconds' worth. */
export interface RateLimit {
  /** Counts a request. Throws RATE_LIMITED when its user sends too many; services and admins, who act for a tenant, may. */
  countCaller(caller: Caller): void;
  /**
   * Counts what nobody can be made responsible for but an address: a refused token. Throws RATE_LIMITED when it sends too many.
   * Expired tokens do not count: whoever has one must be told to renew it, also behind the proxy of somebody who guesses.
   */
  countRefusal(error: unknown, address: string | undefined): void;
  /** How many were too many. */
  refused(): number;
}

/** A second brings at least one token. */
const retryAfterSec = 1;

/**
 * Who is behind an address. Whoever has one of IPv6 has the 2^64 of its network: a site is given at least that
 * (RFC 6177). Those that stand for one of IPv4 (RFC 4291, 2.5.5) end in its dots.
 */
function networkOf(address: string): string {
  if (!isIPv6(address) || address.includes('.')) return address;
  const [before = [], after = []] = address.split('::').map((part) => part.split(':').filter(Boolean));
  const zeros = Array<string>(8 - before.length - after.length).fill('0');
  return [...before, ...zeros, ...after].slice(0, 4).join(':');
}

/** Both in requests per second; 0: no limit. */
export function createRateLimit({
  perUser,
  perAddress,
}: {
  readonly perUser: number;
  readonly perAddress: number;
}): RateLimit {
  const bounds = { burstSec: 4, maxKeys: 100_000 };
  const takeOfUser = createTokenBuckets({ perSecond: perUser, ...bounds });
  const takeOfAddress = createTokenBuckets({ perSecond: perAddress, ...bounds });
  let refused = 0;

  function refuse(limit: string): never {
    refused += 1;
    // Also the reason a socket is closed with, which has 123 bytes.
    const message = `Too many requests: ${limit}. Try again in ${retryAfterSec} s.`;
    throw new AppError('RATE_LIMITED', message, { retryAfterSec });
  }

  return {
    countCaller({ role, tenantId, subject }) {
      if (role === 'user' && !takeOfUser(userKeyOf({ tenantId, userId: subject })))
        refuse(`${perUser} per second and user`);
    },
    countRefusal(error, address = '') {
      const counts =
        error instanceof AppError && error.code === 'UNAUTHENTICATED' && error.message !== expiredMessage;
      if (counts && !takeOfAddress(networkOf(address)))
        refuse(`${perAddress} per second and address without a valid token`);
    },
    refused: () => refused,
  };
}
