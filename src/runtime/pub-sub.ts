import type { Config } from '../config/config.ts';
import { type BadgeCache, noBadgeCache } from '../ports/badge-cache.ts';
import type { Finding } from '../ports/finding.ts';
import type { Logger } from '../ports/logger.ts';
import type { PubSub } from '../ports/pub-sub.ts';

interface Deps {
  readonly logger: Logger;
}

/** The pub/sub that a configuration can name, with the cache that goes with it. */
interface PubSubChoice {
  readonly name: string;
  /** For people: which pub/sub this is, and where. */
  readonly description: string;
  open(deps: Deps): Promise<PubSub>;
  openCache(deps: Deps): Promise<BadgeCache>;
  /** undefined if there is nothing to examine. */
  readonly examine: (() => Promise<readonly Finding[]>) | undefined;
}

/** The pub/sub that the configuration names: Redis, or one inside the process. */
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
