import { isIPv6 } from 'node:net';
import type { Caller } from '../domain/caller.ts';
import { AppError } from '../domain/error.ts';
import { expiredMessage } from '../ports/authenticator.ts';
import { createTokenBuckets, type TokenBuckets } from './token-buckets.ts';

/** What an operation asks for. */
export interface Charge {
  /** Of `Operations.cost`. */
  readonly cost: number;
  /** Of `Operations.items`. */
  readonly items: number;
}

/** How often a caller may come: token buckets in this process, of five seconds' worth. */
export interface RateLimit {
  /** Charges a caller for a request. Throws RATE_LIMITED when the caller sends too many. */
  countCaller(caller: Caller): void;
  /**
   * Charges a caller for what an operation asks for, beyond the point of the request. Throws RATE_LIMITED when there are too
   * few points left, and QUERY_TOO_COMPLEX when there can never be enough.
   */
  countOperation(caller: Caller, charge: Charge): void;
  /**
   * Charges an address for a refused token, because there is no caller to charge. Throws RATE_LIMITED when the address sends
   * too many. Expired tokens are free: their owners must be told to renew them, also when an attacker shares the proxy.
   */
  countRefusal(error: unknown, address: string | undefined): void;
  /** The fields `RateLimit-Policy` and `RateLimit`; undefined when nothing limits the caller. */
  headers(caller: Caller): RateLimitHeaders | undefined;
  /** How many requests were refused. */
  refused(): number;
}

/** As draft-ietf-httpapi-ratelimit-headers has them. */
export interface RateLimitHeaders {
  readonly policy: string;
  readonly state: string;
}

const burstSec = 5;
const maxKeys = 100_000;

/** What one point pays for beyond the request itself. */
const costPerPoint = 20;
const itemsPerPoint = 5;

/** What an operation costs beyond the point of its request. */
const pointsOf = ({ cost, items }: Charge) =>
  Math.floor(cost / costPerPoint) + Math.floor(items / itemsPerPoint);

/**
 * The network an address is in. A site has at least 2^64 addresses of IPv6 (RFC 6177), so these are limited together. IPv6
 * addresses that stand for one of IPv4 (RFC 4291, 2.5.5) end in its dots.
 */
function networkOf(address: string): string {
  if (!isIPv6(address) || address.includes('.')) return address;
  const [before = [], after = []] = address.split('::').map((part) => part.split(':').filter(Boolean));
  const zeros = Array<string>(8 - before.length - after.length).fill('0');
  return [...before, ...zeros, ...after].slice(0, 4).join(':');
}

interface Limited {
  readonly perSecond: number;
  readonly burst: number;
  readonly name: string;
  /** Who is limited, in messages. */
  readonly who: string;
  readonly policy: string;
  readonly buckets: TokenBuckets;
}

/** undefined when nothing is limited. */
function limited(perSecond: number, name: string, who: string): Limited | undefined {
  if (perSecond === 0) return undefined;
  const burst = perSecond * burstSec;
  return {
    perSecond,
    burst,
    name,
    who,
    policy: `"${name}";q=${burst};w=${burstSec}`,
    buckets: createTokenBuckets({ perSecond, burst, maxKeys }),
  };
}

/** All in points per second; 0: no limit. */
export function createRateLimit({
  perUser,
  perService,
  perAddress,
}: {
  readonly perUser: number;
  readonly perService: number;
  readonly perAddress: number;
}): RateLimit {
  const users = limited(perUser, 'user', 'user');
  const services = limited(perService, 'service', 'service');
  const addresses = limited(perAddress, 'address', 'address without a valid token');
  let refused = 0;

  function refuse({ perSecond, who }: Limited, waitMs: number): never {
    refused += 1;
    const retryAfterSec = Math.ceil(waitMs / 1000);
    // Also the reason a socket is closed with, which has 123 bytes.
    const message = `Too many requests: ${perSecond} per second and ${who}. Try again in ${retryAfterSec} s.`;
    throw new AppError('RATE_LIMITED', message, { retryAfterSec });
  }

  /** Charges a request, whatever it asks for. */
  function takeOne(limit: Limited | undefined, key: string): void {
    const waitMs = limit ? limit.buckets.take(key) : 0;
    if (limit && waitMs > 0) refuse(limit, waitMs);
  }

  const limitOf = ({ role }: Caller) => (role === 'user' ? users : services);

  return {
    countCaller: (caller) => takeOne(limitOf(caller), keyOf(caller)),
    countOperation(caller, charge) {
      const limit = limitOf(caller);
      const points = limit ? pointsOf(charge) : 0;
      if (!limit || points === 0) return;
      const { burst, name, perSecond, buckets } = limit;
      if (1 + points > burst) {
        refused += 1;
        const message = `The operation costs ${1 + points} points; RATE_LIMIT_PER_${name.toUpperCase()} allows ${burst} at once. Ask for less, or send fewer items.`;
        throw new AppError('QUERY_TOO_COMPLEX', message);
      }
      const waitMs = buckets.take(keyOf(caller), points);
      // The retry is a request again.
      if (waitMs > 0) refuse(limit, waitMs + 1000 / perSecond);
    },
    countRefusal(error, address = '') {
      const counts =
        error instanceof AppError && error.code === 'UNAUTHENTICATED' && error.message !== expiredMessage;
      if (counts) takeOne(addresses, networkOf(address));
    },
    headers(caller) {
      const limit = limitOf(caller);
      if (!limit) return undefined;
      const remaining = limit.buckets.level(keyOf(caller));
      // Points come back all the time: more of them within a second.
      const state = `"${limit.name}";r=${remaining};t=${remaining < limit.burst ? 1 : 0}`;
      return { policy: limit.policy, state };
    },
    refused: () => refused,
  };
}

/** The key of each caller. Built for every request, it would also be hashed for every request. */
const keys = new WeakMap<Caller, string>();

/** Services and admins of one name are one caller. */
function keyOf(caller: Caller): string {
  let key = keys.get(caller);
  if (key === undefined) {
    key = `${caller.tenantId}/${caller.subject}`;
    keys.set(caller, key);
  }
  return key;
}
