import type { Config } from '../config/config.ts';
import { type BadgeCache, noBadgeCache } from '../ports/badge-cache.ts';
import type { Finding } from '../ports/finding.ts';
import type { Logger } from '../ports/logger.ts';
import type { PubSub } from '../ports/pub-sub.ts';

interface Deps {
  readonly logger: Logger;
}

/** A pub/sub that a configuration can choose, with the cache that belongs to it. */
interface PubSubChoice {
  readonly name: string;
  /**
   * Describes the pub/sub and its address. The banner of `unseen start` and the report of `unseen doctor`
   * contain this text.
   */
  readonly description: string;
  open(deps: Deps): Promise<PubSub>;
  openCache(deps: Deps): Promise<BadgeCache>;
  /** undefined if there is nothing to examine. */
  readonly examine: (() => Promise<readonly Finding[]>) | undefined;
}

/**
 * Chooses the pub/sub of a configuration: Redis if REDIS_URL is set, otherwise pub/sub inside the process.
 */
export function choosePubSub({ redis }: Config): PubSubChoice {
  if (!redis) {
    return {
      name: 'in process',
      description: 'inside this process',
      open: async () => (await import('../adapters/local/pub-sub.ts')).createLocalPubSub(),
      openCache: async () => noBadgeCache,
      examine: undefined,
    };
  }
  const name = `Redis${redis.cluster ? ' Cluster' : ''}`;
  return {
    name,
    description: `${name} at ${new URL(redis.url).host}`,
    open: async (deps) => (await import('../adapters/redis/pub-sub.ts')).createRedisPubSub(deps, redis),
    openCache: async (deps) =>
      (await import('../adapters/redis/badge-cache.ts')).createRedisBadgeCache(deps, redis),
    examine: async () => (await import('../adapters/redis/doctor.ts')).examineRedis(redis),
  };
}
