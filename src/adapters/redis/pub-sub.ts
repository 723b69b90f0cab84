import { once } from 'node:events';
import { Redis, type RedisOptions } from 'ioredis';
import { AppError } from '../../domain/error.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Message, PubSub } from '../../ports/pub-sub.ts';

/** Before every topic, so that a Redis may be shared with others. */
const prefix = 'unseen:';

/** A publish that takes longer fails: pushes are best effort, requests are not to wait for them. */
const publishTimeoutMs = 200;

const maxReconnectDelayMs = 2_000;
const startTimeoutMs = 10_000;

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
 * Resolves when both connections are there; rejects with START_REFUSED when they are not within 10 s.
 */
export async function openRedisPubSub(url: string, { logger }: { readonly logger: Logger }): Promise<PubSub> {
  const channels = new Map<string, Channel>();
  const gapListeners = new Set<() => void>();
  const publisher = connect(url, { enableOfflineQueue: false, commandTimeout: publishTimeoutMs });
  const subscriber = connect(url, { enableOfflineQueue: true, autoResubscribe: false });
  let closed = false;
  let wasReady = false;

  reportOutages(publisher, 'publishing to Redis', logger);
  reportOutages(subscriber, 'the subscription to Redis', logger);
  subscriber.on('message', (channel: string, value: string) => {
    const topic = channel.slice(prefix.length);
    const listeners = channels.get(topic)?.listeners;
    for (const listener of [...(listeners ?? [])]) if (listeners?.has(listener)) listener({ topic, value });
  });
  subscriber.on('ready', () => void resubscribe());

  try {
    await Promise.all([publisher, subscriber].map(untilReady));
  } catch (cause) {
    publisher.disconnect();
    subscriber.disconnect();
    const { host } = new URL(url);
    throw new AppError('START_REFUSED', `Redis at ${host} cannot be reached. Check REDIS_URL.`, { cause });
  }

  /** On every connection: subscribes to all that is listened to, then tells what may have been missed. */
  async function resubscribe(): Promise<void> {
    const isReconnect = wasReady;
    wasReady = true;
    try {
      await Promise.all(
        [...channels].map(async ([topic, channel]) => {
          await subscriber.subscribe(prefix + topic);
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
      subscriber.subscribe(prefix + topic).then(
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
    if (!closed && subscriber.status === 'ready') subscriber.unsubscribe(prefix + topic).catch(() => {});
  }

  return {
    async publish(messages) {
      try {
        await Promise.all(messages.map(({ topic, value }) => publisher.publish(prefix + topic, value)));
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

type Behaviour = Pick<RedisOptions, 'enableOfflineQueue' | 'autoResubscribe' | 'commandTimeout'>;

function connect(url: string, behaviour: Behaviour): Redis {
  const retryStrategy = (attempt: number) =>
    Math.min(maxReconnectDelayMs, 50 * 2 ** attempt) * (0.5 + Math.random() / 2);
  const always = { maxRetriesPerRequest: null, connectTimeout: 5_000, retryStrategy };
  return new Redis(url, { ...always, ...behaviour } as RedisOptions);
}

/** Resolves when commands are taken; rejects after a while. */
async function untilReady(redis: Redis): Promise<void> {
  if (redis.status === 'ready') return;
  await once(redis, 'ready', { signal: AbortSignal.timeout(startTimeoutMs) });
}

/** One line when it goes and one when it is back, however many attempts lie between. */
function reportOutages(redis: Redis, what: string, logger: Logger): void {
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
