import { isIPv6 } from 'node:net';
import type { Caller } from '../domain/caller.ts';
import { AppError } from '../domain/error.ts';
import { expiredMessage } from '../ports/authenticator.ts';
import { createTokenBuckets, type TokenBuckets } from './token-buckets.ts';

/** The size of an operation. */
export interface Charge {
  /** The result of `Operations.cost`. */
  readonly cost: number;
  /** The result of `Operations.items`. */
  readonly items: number;
}

/**
 * Limits the points that a caller uses per second, with token buckets in this process. A bucket holds the
 * points of five seconds.
 */
export interface RateLimit {
  /** Charges a caller 1 point for a request. Throws RATE_LIMITED if the caller has no point left. */
  countCaller(caller: Caller): void;
  /**
   * Charges a caller for the size of an operation, in addition to the point for the request. Throws
   * RATE_LIMITED if the caller has too few points left. Throws QUERY_TOO_COMPLEX if even a full bucket has
   * too few points.
   */
  countOperation(caller: Caller, charge: Charge): void;
  /**
   * Charges an address for a refused token, because without a valid token the caller is not known. Throws
   * RATE_LIMITED if the address has no point left. An expired token costs nothing. The server must tell its
   * owner to renew the token, even if an attacker behind the same proxy has used all points of the address.
   */
  countRefusal(error: unknown, address: string | undefined): void;
  /**
   * Returns the header fields `RateLimit-Policy` and `RateLimit`, or undefined if the caller has no limit.
   */
  headers(caller: Caller): RateLimitHeaders | undefined;
  /** Returns the number of refused requests. */
  refused(): number;
}

/** The header values defined by draft-ietf-httpapi-ratelimit-headers. */
export interface RateLimitHeaders {
  readonly policy: string;
  readonly state: string;
}

const burstSec = 5;
const maxKeys = 100_000;

/** The cost that adds 1 point to an operation. `itemsPerPoint` is the number of items that adds 1 point. */
const costPerPoint = 20;
const itemsPerPoint = 5;

/** Returns the points of an operation, without the point for its request. */
const pointsOf = ({ cost, items }: Charge) =>
  Math.floor(cost / costPerPoint) + Math.floor(items / itemsPerPoint);

/**
 * Returns the network of an address, which is the key of the bucket. A site has at least 2^64 IPv6 addresses
 * (RFC 6177), so all addresses of a site share one bucket. An IPv6 address that represents an IPv4 address
 * (RFC 4291, 2.5.5) contains dots. Such an address is used as a whole.
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
  /** The noun for the limited party in error texts. */
  readonly who: string;
  readonly policy: string;
  readonly buckets: TokenBuckets;
}

/** Creates the buckets of a limit. Returns undefined if `perSecond` is 0, which means no limit. */
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

/** Creates the error for an operation that costs more points than a full bucket holds. */
function tooComplex({ name, burst }: Limited, points: number): AppError {
  const message = `The operation costs ${points} points, but RATE_LIMIT_PER_${name.toUpperCase()} allows at most ${burst} at once. Select less, or send fewer items.`;
  return new AppError('QUERY_TOO_COMPLEX', message);
}

/** Creates the rate limits. All values are points per second, and 0 means no limit. */
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
    // The message is also used as the close reason of a socket, and a close reason has at most 123 bytes.
    const message = `Too many requests: ${perSecond} per second are allowed per ${who}. Try again in ${retryAfterSec} s.`;
    throw new AppError('RATE_LIMITED', message, { retryAfterSec });
  }

  /** Charges 1 point for a request. */
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
      if (1 + points > limit.burst) {
        refused += 1;
        throw tooComplex(limit, 1 + points);
      }
      const waitMs = limit.buckets.take(keyOf(caller), points);
      // The wait includes 1 more point, because the retry is a request too.
      if (waitMs > 0) refuse(limit, waitMs + 1000 / limit.perSecond);
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
      // Points come back continuously, so more points are available within a second.
      const state = `"${limit.name}";r=${remaining};t=${remaining < limit.burst ? 1 : 0}`;
      return { policy: limit.policy, state };
    },
    refused: () => refused,
  };
}

/** Stores the key of each caller, because building and hashing the key for every request would cost time. */
const keys = new WeakMap<Caller, string>();

/** A service and an admin with the same name share a bucket. */
function keyOf(caller: Caller): string {
  let key = keys.get(caller);
  if (key === undefined) {
    key = `${caller.tenantId}/${caller.subject}`;
    keys.set(caller, key);
  }
  return key;
}
