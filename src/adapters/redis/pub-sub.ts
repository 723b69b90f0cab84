import { withDeadline } from '../../async/deadline.ts';
import { AppError } from '../../domain/error.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Message, PubSub } from '../../ports/pub-sub.ts';
import { connectCluster, connectNode, createOutageReport, type RedisLocation } from './connect.ts';
import { createShards, shardedChannelOf } from './shards.ts';
import { createSubscriber } from './subscriber.ts';

/**
 * How long after a loss the other processes are notified, in ms. If that fails, it is tried again after the
 * same time.
 */
const lossMs = 1_000;

/** A publish that takes longer, in ms, fails. Pushes are best effort, and requests must not wait for them. */
const publishTimeoutMs = 200;

/** After this time without an answer to a command, in ms, a connection is replaced. */
const silenceMs = { publisher: 3_000, subscriber: 5_000 };

interface Channel {
  readonly topic: string;
  readonly listeners: Set<(message: Message) => void>;
  readonly confirmed: Promise<void>;
  settle(error?: unknown): void;
}

/**
 * Creates pub/sub between processes through Redis. It uses separate connections to publish and to subscribe.
 * A channel is subscribed once for all its listeners.
 * While Redis is away or does not answer, `publish` rejects with UNAVAILABLE within 200 ms, and the message
 * is not sent later. Subscriptions wait until Redis is back. A Redis that stops answering is noticed within 8
 * s.
 * After a lost connection everything is subscribed again. Only then are the listeners notified of a gap. If
 * one process could not publish, all processes have a gap. They are notified when Redis accepts messages
 * again.
 * This adapter logs outages, so callers need not.
 */
export function createRedisPubSub(
  { logger }: { readonly logger: Logger },
  { url, cluster, namespace = '' }: RedisLocation,
): PubSub {
  const prefix = `${namespace}unseen:`;
  // On the channel with this prefix, processes announce that messages were lost before they reached Redis.
  const lossPrefix = `${namespace}unseen-loss:`;
  const channels = new Map<string, Channel>();
  const gapListeners = new Set<() => void>();
  const outages = createOutageReport({ logger }, 'pub/sub through Redis');
  let closed = false;
  let lossTimer: NodeJS.Timeout | undefined;

  const events = {
    confirmed(name: string) {
      const channel = channels.get(name);
      if (!channel) return;
      channel.settle();
      // Releases the settled promise, because there are as many channels as watched users.
      channel.settle = () => {};
    },
    message(name: string, value: string) {
      if (name === lossChannel) return events.gap();
      const channel = channels.get(name);
      if (!channel) return;
      const { topic, listeners } = channel;
      const message = { topic, value };
      // A listener may unsubscribe another listener while the message is delivered.
      for (const listener of [...listeners]) if (listeners.has(listener)) listener(message);
    },
    gap() {
      for (const notify of gapListeners) notify();
    },
  };
  const { publisher, subscriber, channelOf, send } = cluster ? sharded() : plain();
  const lossChannel = channelOf('', lossPrefix);
  outages.follow(publisher);
  subscriber.join(lossChannel);
  // A publish directly after the start waits for the first connection. Later ones do not wait.
  let opening: Promise<unknown> | undefined = new Promise((resolve) => publisher.once('ready', resolve));
  void opening.then(() => {
    opening = undefined;
  });

  function plain() {
    const publisher = connectNode(url, { silenceMs: silenceMs.publisher });
    const redis = connectNode(url, { silenceMs: silenceMs.subscriber });
    return {
      publisher,
      subscriber: createSubscriber({ redis, outages }, undefined, events),
      channelOf: (topic: string, before = prefix) => before + topic,
      send: (channel: string, value: string) => publisher.publish(channel, value),
    };
  }

  function sharded() {
    const publisher = connectCluster(url, { silenceMs: silenceMs.publisher });
    return {
      publisher,
      subscriber: createShards(
        { cluster: publisher, outages },
        { url, silenceMs: silenceMs.subscriber },
        events,
      ),
      channelOf: (topic: string, before = prefix) => shardedChannelOf(before, topic),
      send: (channel: string, value: string) => publisher.spublish(channel, value),
    };
  }

  function deliver(messages: readonly (readonly [channel: string, value: string])[]): Promise<unknown> {
    const delivering = async () => {
      await opening;
      // A cluster client would queue commands until the cluster is back.
      if (closed || publisher.status !== 'ready') throw new Error('There is no connection to Redis.');
      // All messages are sent at once, without waiting in between.
      await Promise.all(messages.map(([channel, value]) => send(channel, value)));
    };
    return withDeadline(delivering(), publishTimeoutMs);
  }

  /** Announces a loss to all processes, and repeats until that succeeds. */
  function announceLoss(cause: unknown): void {
    outages.trouble(cause);
    lossTimer ??= setTimeout(() => {
      lossTimer = undefined;
      deliver([[lossChannel, '']]).catch((err) => {
        if (!closed) announceLoss(err);
      });
    }, lossMs).unref();
  }

  function join(topic: string, listener: (message: Message) => void): Promise<void> {
    const name = channelOf(topic);
    const known = channels.get(name);
    if (known) {
      known.listeners.add(listener);
      return known.confirmed;
    }
    let settle: Channel['settle'] = () => {};
    const confirmed = new Promise<void>((resolve, reject) => {
      settle = (error) => (error === undefined ? resolve() : reject(error));
    });
    // If a channel is left before it is confirmed, no caller awaits the promise.
    confirmed.catch(() => {});
    channels.set(name, { topic, listeners: new Set([listener]), confirmed, settle });
    subscriber.join(name);
    return confirmed;
  }

  function leave(topic: string, listener: (message: Message) => void): void {
    const name = channelOf(topic);
    const listeners = channels.get(name)?.listeners;
    if (!listeners?.delete(listener) || listeners.size > 0) return;
    channels.delete(name);
    if (!closed) subscriber.leave(name);
  }

  return {
    async publish(messages) {
      if (messages.length === 0) return;
      try {
        await deliver(messages.map(({ topic, value }) => [channelOf(topic), value] as const));
      } catch (cause) {
        if (!closed) announceLoss(cause);
        throw new AppError('UNAVAILABLE', 'Redis is away or too slow.', { cause });
      }
    },
    subscribe(topics, listen) {
      // Each subscription has its own function, so that one listener may be subscribed twice.
      const listener = (message: Message) => listen(message);
      const distinct = closed ? [] : [...new Set(topics)];
      const confirmed = closed
        ? Promise.reject(new AppError('UNAVAILABLE', 'The pub/sub is closed.'))
        : Promise.all(distinct.map((topic) => join(topic, listener))).then(() => {});
      // A caller that has ended the subscription no longer awaits it.
      confirmed.catch(() => {});
      return {
        confirmed,
        end() {
          for (const topic of distinct) leave(topic, listener);
        },
      };
    },
    onGap(listener) {
      const notify = () => listener();
      gapListeners.add(notify);
      return () => void gapListeners.delete(notify);
    },
    health: () => ({ problem: opening && 'Redis was not reached yet' }),
    async close() {
      closed = true;
      for (const { settle } of channels.values())
        settle(new AppError('UNAVAILABLE', 'The pub/sub was closed.'));
      channels.clear();
      gapListeners.clear();
      clearTimeout(lossTimer);
      subscriber.close();
      outages.forget(publisher);
      publisher.disconnect();
    },
  };
}
