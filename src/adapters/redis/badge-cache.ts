import type { Cluster, Redis } from 'ioredis';
import { withDeadline } from '../../async/deadline.ts';
import { type Badge, serializedBadge } from '../../domain/badge.ts';
import { type UserKey, userKeyOf } from '../../domain/user.ts';
import { type BadgeCache, badgeCacheMs } from '../../ports/badge-cache.ts';
import type { Logger } from '../../ports/logger.ts';
import { connectCluster, connectNode, createOutageReport, type RedisLocation } from './connect.ts';

const readTimeoutMs = 50;
const writeTimeoutMs = 200;

/** If a command has no answer for this time, in ms, the connection is replaced. */
const silenceMs = 3_000;

/**
 * A script that writes a badge unless Redis stores a newer version. KEYS: the key of the badge. ARGV: its
 * version, the badge, and its lifetime in ms. A stored value has the form `version badge`.
 */
const writeIfNotOlder = `
local held = redis.call('GET', KEYS[1])
local version = held and tonumber(string.match(held, '^%d+'))
if version and version > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
return 1`;

/**
 * Creates a cache of badges in Redis, with one key per user. If a command fails or takes too long, nothing is
 * read from the cache for `badgeCacheMs`. During this time every badge expires that a lost write should have
 * replaced. In addition, reads do not wait for an unreachable Redis.
 */
export function createRedisBadgeCache(
  { logger }: { readonly logger: Logger },
  { url, cluster, namespace = '' }: RedisLocation,
): BadgeCache {
  const redis: Redis | Cluster = cluster
    ? connectCluster(url, { silenceMs })
    : connectNode(url, { silenceMs });
  const outages = createOutageReport({ logger }, 'the badge cache in Redis');
  outages.follow(redis);
  const keyOf = (user: UserKey) => `${namespace}unseen:badge:${userKeyOf(user)}`;
  let distrustedUntil = 0;
  let closed = false;

  /**
   * Runs commands. If a command fails or the commands take too long, resolves to undefined, and reads skip
   * the cache for `badgeCacheMs`.
   */
  async function attempt<T>(commands: () => readonly Promise<T>[], ms: number): Promise<T[] | undefined> {
    try {
      // Without this check a cluster client would queue commands until the cluster is reachable.
      if (redis.status !== 'ready') throw new Error('There is no connection to Redis.');
      return await withDeadline(Promise.all(commands()), ms);
    } catch (err) {
      distrustedUntil = performance.now() + badgeCacheMs;
      if (!closed) outages.trouble(err);
      return undefined;
    }
  }

  return {
    async read(users) {
      const isAsked = redis.status === 'ready' && performance.now() >= distrustedUntil;
      const held = isAsked
        ? await attempt(() => users.map((user) => redis.get(keyOf(user))), readTimeoutMs)
        : undefined;
      // If a write has failed during the read, the result may be outdated.
      if (!held || performance.now() < distrustedUntil) return users.map(() => undefined);
      return held.map(parse);
    },
    async write(badges) {
      await attempt(
        () =>
          badges.map((badge) =>
            redis.eval(writeIfNotOlder, 1, keyOf(badge), badge.version, JSON.stringify(badge), badgeCacheMs),
          ),
        writeTimeoutMs,
      );
    },
    async close() {
      closed = true;
      outages.forget(redis);
      redis.disconnect();
    },
  };
}

function parse(held: string | null): Badge | undefined {
  if (held === null) return undefined;
  try {
    return serializedBadge.parse(JSON.parse(held.slice(held.indexOf(' ') + 1)));
  } catch {
    return undefined;
  }
}
