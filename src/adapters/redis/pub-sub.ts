import { Cluster, Redis } from 'ioredis';
import { AppError } from '../../domain/error.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Message, PubSub } from '../../ports/pub-sub.ts';

export interface RedisOptions {
  /** `redis://` or `rediss://`; of a cluster any node. */
  readonly url: string;
  /** Speak to a Redis Cluster, with sharded pub/sub (Redis 7: SSUBSCRIBE, SPUBLISH). */
  readonly cluster: boolean;
}

/** Before every topic, so that a Redis may be shared with others. */
const prefix = 'unseen:';

/** A publish that takes longer fails: pushes are best effort, requests are not to wait for them. */
const publishTimeoutMs = 200;

const maxReconnectDelayMs = 2_000;

interface Channel {
  readonly listeners: Set<(message: Message) => void>;
  /** Resolves when Redis has confirmed the subscription. */
  readonly confirmed: PromiseWithResolvers<void>;
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

/**
 * Pub/sub between processes through Redis. One connection publishes, another subscribes; a channel is subscribed once
 * however many listen. After a lost connection all channels are subscribed again and then, and only then, a gap is told.
 * While Redis is away `publish` rejects with UNAVAILABLE at once and `subscribe` waits for it to come back.
 */
export function createRedisPubSub(options: RedisOptions, { logger }: { readonly logger: Logger }): PubSub {
  const channels = new Map<string, Channel>();
  const gapListeners = new Set<() => void>();
  const publisher = connect(options, { enableOfflineQueue: false, commandTimeout: publishTimeoutMs });
  const subscriber = connect(options, { enableOfflineQueue: true, autoResubscribe: false });
  const commands = options.cluster
    ? {
        publish: (channel: string, value: string) => publisher.spublish(channel, value),
        subscribe: (channel: string) => subscriber.ssubscribe(channel),
        unsubscribe: (channel: string) => subscriber.sunsubscribe(channel),
      }
    : {
        publish: (channel: string, value: string) => publisher.publish(channel, value),
        subscribe: (channel: string) => subscriber.subscribe(channel),
        unsubscribe: (channel: string) => subscriber.unsubscribe(channel),
      };
  let closed = false;
  let wasReady = false;

  reportOutages(publisher, 'publishing to Redis', logger);
  reportOutages(subscriber, 'the subscription to Redis', logger);
  subscriber.on(options.cluster ? 'smessage' : 'message', (channel: string, value: string) => {
    const topic = channel.slice(prefix.length);
    const listeners = channels.get(topic)?.listeners;
    for (const listener of [...(listeners ?? [])]) if (listeners?.has(listener)) listener({ topic, value });
  });
  subscriber.on('ready', () => void resubscribe());

  /** On every connection: subscribes to all that is listened to, then tells what may have been missed. */
  async function resubscribe(): Promise<void> {
    const isReconnect = wasReady;
    wasReady = true;
    try {
      await Promise.all(
        [...channels].map(async ([topic, channel]) => {
          await commands.subscribe(prefix + topic);
          channel.confirmed.resolve();
        }),
      );
    } catch (err) {
      // The connection broke again; the next one begins anew.
      if (!closed) logger.warn({ err }, 'subscribing to Redis again was interrupted');
      return;
    }
    if (isReconnect) for (const tell of gapListeners) tell();
  }

  function join(topic: string, listener: (message: Message) => void): Promise<void> {
    const known = channels.get(topic);
    if (known) {
      known.listeners.add(listener);
      return known.confirmed.promise;
    }
    const channel: Channel = { listeners: new Set([listener]), confirmed: withResolvers() };
    channels.set(topic, channel);
    if (subscriber.status === 'ready') {
      // A failure is a lost connection: the channel is confirmed by the next one.
      commands.subscribe(prefix + topic).then(
        () => channel.confirmed.resolve(),
        () => {},
      );
    }
    return channel.confirmed.promise;
  }

  function leave(topic: string, listener: (message: Message) => void): void {
    const channel = channels.get(topic);
    if (!channel?.listeners.delete(listener) || channel.listeners.size > 0) return;
    channels.delete(topic);
    if (!closed && subscriber.status === 'ready') commands.unsubscribe(prefix + topic).catch(() => {});
  }

  return {
    async publish(messages) {
      try {
        await Promise.all(messages.map(({ topic, value }) => commands.publish(prefix + topic, value)));
      } catch (cause) {
        throw new AppError('UNAVAILABLE', 'Redis is away or too slow.', { cause });
      }
    },
    async subscribe(topics, listen) {
      if (closed) throw new AppError('UNAVAILABLE', 'The pub/sub is closed.');
      // Its own function per subscription, so that one listener may be subscribed twice.
      const listener = (message: Message) => listen(message);
      const distinct = [...new Set(topics)];
      const unsubscribe = () => {
        for (const topic of distinct) leave(topic, listener);
      };
      try {
        await Promise.all(distinct.map((topic) => join(topic, listener)));
      } catch (error) {
        unsubscribe();
        throw error;
      }
      return unsubscribe;
    },
    onGap(listener) {
      const tell = () => listener();
      gapListeners.add(tell);
      return () => void gapListeners.delete(tell);
    },
    async close() {
      closed = true;
      for (const { confirmed } of channels.values()) {
        confirmed.reject(new AppError('UNAVAILABLE', 'The pub/sub was closed.'));
      }
      channels.clear();
      gapListeners.clear();
      publisher.disconnect();
      subscriber.disconnect();
    },
  };
}

function connect(
  { url, cluster }: RedisOptions,
  options: {
    readonly enableOfflineQueue: boolean;
    readonly autoResubscribe?: boolean;
    readonly commandTimeout?: number;
  },
): Redis | Cluster {
  const retry = (attempt: number) =>
    Math.min(maxReconnectDelayMs, 50 * 2 ** attempt) * (0.5 + Math.random() / 2);
  if (!cluster) {
    return new Redis(url, {
      ...options,
      maxRetriesPerRequest: null,
      connectTimeout: 5_000,
      retryStrategy: retry,
    });
  }
  const { hostname, port, username, password, protocol } = new URL(url);
  return new Cluster([{ host: hostname, port: Number(port || 6379) }], {
    enableOfflineQueue: options.enableOfflineQueue,
    shardedSubscribers: true,
    clusterRetryStrategy: retry,
    redisOptions: {
      ...(username && { username: decodeURIComponent(username) }),
      ...(password && { password: decodeURIComponent(password) }),
      ...(protocol === 'rediss:' && { tls: {} }),
      ...(options.commandTimeout !== undefined && { commandTimeout: options.commandTimeout }),
    },
  });
}

/** One line when it goes and one when it is back, however many attempts lie between. */
function reportOutages(redis: Redis | Cluster, what: string, logger: Logger): void {
  let isAway = false;
  redis.on('error', (err: unknown) => {
    if (!isAway) logger.warn({ err }, `${what} is interrupted`);
    isAway = true;
  });
  redis.on('ready', () => {
    if (isAway) logger.info({}, `${what} is back`);
    isAway = false;
  });
}

function withResolvers<T>(): PromiseWithResolvers<T> {
  let settle: Omit<PromiseWithResolvers<T>, 'promise'> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // A channel that is left before it is confirmed has nobody who waits.
  promise.catch(() => {});
  return { promise, ...(settle as Omit<PromiseWithResolvers<T>, 'promise'>) };
}
