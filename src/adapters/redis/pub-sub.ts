import { withDeadline } from '../../async/deadline.ts';
import { AppError } from '../../domain/error.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Message, PubSub } from '../../ports/pub-sub.ts';
import { connectCluster, connectNode, createOutageReport, type RedisLocation } from './connect.ts';
import { createShards, shardedChannelOf } from './shards.ts';
import { createSubscriber } from './subscriber.ts';

/** How long after a loss that is told, and when it cannot be, again. */
const lossMs = 1_000;

/** A publish that takes longer fails: pushes are best effort, requests are not to wait for them. */
const publishTimeoutMs = 200;

/** A connection that leaves a command without any answer for this long is given up. */
const silenceMs = { publisher: 3_000, subscriber: 5_000 };

interface Channel {
  readonly topic: string;
  readonly listeners: Set<(message: Message) => void>;
  readonly confirmed: Promise<void>;
  settle(error?: unknown): void;
}

/**
 * Pub/sub between processes through Redis, with connections of its own for publishing and for listening; a channel is
 * subscribed once however many listen. While Redis is away or does not answer, `publish` rejects with UNAVAILABLE within
 * 200 ms, and such a message is not sent later; subscriptions wait until Redis is back. A Redis that stopped answering is
 * noticed within 8 s. After a lost connection everything is subscribed again, and then, and only then, a gap is told.
 * What one process could not publish is a gap for all: they are told when Redis takes messages again. Outages are logged
 * here, not by the callers.
 */
export function createRedisPubSub(
  { logger }: { readonly logger: Logger },
  { url, cluster, namespace = '' }: RedisLocation,
): PubSub {
  const prefix = `${namespace}unseen:`;
  // On a channel of this prefix processes tell that messages were lost before they reached Redis.
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
      // Lets go of what it settled; there are as many channels as watched users.
      channel.settle = () => {};
    },
    message(name: string, value: string) {
      if (name === lossChannel) return events.gap();
      const channel = channels.get(name);
      if (!channel) return;
      const { topic, listeners } = channel;
      const message = { topic, value };
      // Of those who listened when it came, a listener may meanwhile have unsubscribed another.
      for (const listener of [...listeners]) if (listeners.has(listener)) listener(message);
    },
    gap() {
      for (const tell of gapListeners) tell();
    },
  };
  const { publisher, subscriber, channelOf, send } = cluster ? sharded() : plain();
  const lossChannel = channelOf('', lossPrefix);
  outages.follow(publisher);
  subscriber.join(lossChannel);
  // A publish right at the start waits for the first connection; later ones do not.
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
      // A cluster would keep commands until it is there again.
      if (closed || publisher.status !== 'ready') throw new Error('There is no connection to Redis.');
      // Without waiting in between: all are under way together.
      await Promise.all(messages.map(([channel, value]) => send(channel, value)));
    };
    return withDeadline(delivering(), publishTimeoutMs);
  }

  /** Again and again until it is told. */
  function tellLoss(cause: unknown): void {
    outages.trouble(cause);
    lossTimer ??= setTimeout(() => {
      lossTimer = undefined;
      deliver([[lossChannel, '']]).catch((err) => {
        if (!closed) tellLoss(err);
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
    // A channel that is left before it is confirmed has nobody who waits.
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
        if (!closed) tellLoss(cause);
        throw new AppError('UNAVAILABLE', 'Redis is away or too slow.', { cause });
      }
    },
    subscribe(topics, listen) {
      // Its own function per subscription, so that one listener may be subscribed twice.
      const listener = (message: Message) => listen(message);
      const distinct = closed ? [] : [...new Set(topics)];
      const confirmed = closed
        ? Promise.reject(new AppError('UNAVAILABLE', 'The pub/sub is closed.'))
        : Promise.all(distinct.map((topic) => join(topic, listener))).then(() => {});
      // Who has ended it no longer waits.
      confirmed.catch(() => {});
      return {
        confirmed,
        end() {
          for (const topic of distinct) leave(topic, listener);
        },
      };
    },
    onGap(listener) {
      const tell = () => listener();
      gapListeners.add(tell);
      return () => void gapListeners.delete(tell);
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
