import type { Cluster, Redis } from 'ioredis';
import { withDeadline } from '../../async/deadline.ts';
import { AppError } from '../../domain/error.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Message, PubSub, Subscription } from '../../ports/pub-sub.ts';
import {
  connectCluster,
  connectNode,
  createOutageReport,
  type OutageReport,
  type RedisLocation,
} from './connect.ts';
import { createShards, shardedChannelOf } from './shards.ts';
import { createSubscriber, type Subscriber, type SubscriberEvents } from './subscriber.ts';

/**
 * How long after a loss the other processes are notified, in ms. If that fails, it is tried again after the
 * same time.
 */
const lossMs = 1_000;

/** A publish that takes longer, in ms, fails. Pushes are best effort, and requests must not wait for them. */
const publishTimeoutMs = 200;

/** After this time without an answer to a command, in ms, a connection is replaced. */
const silenceMs = { publisher: 3_000, subscriber: 5_000 };

type Listener = (message: Message) => void;

/** A message with the name of its channel. */
type Delivery = readonly [channel: string, value: string];

interface Channel {
  readonly topic: string;
  readonly listeners: Set<Listener>;
  readonly confirmed: Promise<void>;
  settle(error?: unknown): void;
}

interface Connections {
  readonly publisher: Redis | Cluster;
  readonly subscriber: Subscriber;
  channelOf(topic: string, prefix: string): string;
  send(channel: string, value: string): Promise<unknown>;
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
export function createRedisPubSub({ logger }: { readonly logger: Logger }, location: RedisLocation): PubSub {
  const { namespace = '' } = location;
  const gapListeners = new Set<() => void>();
  const outages = createOutageReport({ logger }, 'pub/sub through Redis');
  const events: SubscriberEvents = {
    confirmed: (name) => channels.confirm(name),
    message(name, value) {
      if (name === lossChannel) events.gap();
      else channels.deliver(name, value);
    },
    gap() {
      for (const notify of gapListeners) notify();
    },
  };
  const connections = connect(location, outages, events);
  const { publisher, subscriber } = connections;
  const channelOf = (topic: string) => connections.channelOf(topic, `${namespace}unseen:`);
  // On this channel, processes announce that messages were lost before they reached Redis.
  const lossChannel = connections.channelOf('', `${namespace}unseen-loss:`);
  const channels = createChannels(subscriber, channelOf);
  const sender = createSender({ connections, outages }, lossChannel);
  outages.follow(publisher);
  subscriber.join(lossChannel);

  return {
    publish: (messages) => sender.publish(messages.map(({ topic, value }) => [channelOf(topic), value])),
    subscribe: channels.subscribe,
    onGap(listener) {
      const notify = () => listener();
      gapListeners.add(notify);
      return () => void gapListeners.delete(notify);
    },
    health: () => ({ problem: sender.isOpening() ? 'Redis was not reached yet' : undefined }),
    async close() {
      channels.close();
      gapListeners.clear();
      sender.close();
      subscriber.close();
      outages.forget(publisher);
      publisher.disconnect();
    },
  };
}

function connect(
  { url, cluster }: RedisLocation,
  outages: OutageReport,
  events: SubscriberEvents,
): Connections {
  if (cluster) {
    const publisher = connectCluster(url, { silenceMs: silenceMs.publisher });
    const options = { url, silenceMs: silenceMs.subscriber };
    return {
      publisher,
      subscriber: createShards({ cluster: publisher, outages }, options, events),
      channelOf: (topic, prefix) => shardedChannelOf(prefix, topic),
      send: (channel, value) => publisher.spublish(channel, value),
    };
  }
  const publisher = connectNode(url, { silenceMs: silenceMs.publisher });
  const redis = connectNode(url, { silenceMs: silenceMs.subscriber });
  return {
    publisher,
    subscriber: createSubscriber({ redis, outages }, undefined, events),
    channelOf: (topic, prefix) => prefix + topic,
    send: (channel, value) => publisher.publish(channel, value),
  };
}

/** Creates the sender of messages. It announces lost messages to all processes. */
function createSender(
  { connections, outages }: { readonly connections: Connections; readonly outages: OutageReport },
  lossChannel: string,
) {
  const { publisher, send } = connections;
  let closed = false;
  let lossTimer: NodeJS.Timeout | undefined;
  // A publish directly after the start waits for the first connection. Later ones do not wait.
  let opening: Promise<unknown> | undefined = new Promise((resolve) => publisher.once('ready', resolve));
  void opening.then(() => {
    opening = undefined;
  });

  function deliver(messages: readonly Delivery[]): Promise<unknown> {
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
    if (closed) return;
    outages.trouble(cause);
    lossTimer ??= setTimeout(() => {
      lossTimer = undefined;
      deliver([[lossChannel, '']]).catch(announceLoss);
    }, lossMs).unref();
  }

  return {
    isOpening: () => opening !== undefined,
    /** Rejects with UNAVAILABLE if Redis does not accept the messages in time. */
    async publish(messages: readonly Delivery[]): Promise<void> {
      if (messages.length === 0) return;
      try {
        await deliver(messages);
      } catch (cause) {
        announceLoss(cause);
        throw new AppError('UNAVAILABLE', 'Redis is away or too slow.', { cause });
      }
    },
    close() {
      closed = true;
      clearTimeout(lossTimer);
    },
  };
}

/** Creates the channels of this process. Each is subscribed once for all its listeners. */
function createChannels(subscriber: Subscriber, channelOf: (topic: string) => string) {
  const channels = new Map<string, Channel>();
  let closed = false;

  function join(topic: string, listener: Listener): Promise<void> {
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

  function leave(topic: string, listener: Listener): void {
    const name = channelOf(topic);
    const listeners = channels.get(name)?.listeners;
    if (!listeners?.delete(listener) || listeners.size > 0) return;
    channels.delete(name);
    subscriber.leave(name);
  }

  return {
    subscribe(topics: readonly string[], listen: Listener): Subscription {
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
    confirm(name: string): void {
      const channel = channels.get(name);
      if (!channel) return;
      channel.settle();
      // Releases the settled promise, because there are as many channels as watched users.
      channel.settle = () => {};
    },
    deliver(name: string, value: string): void {
      const channel = channels.get(name);
      if (!channel) return;
      const { topic, listeners } = channel;
      const message = { topic, value };
      // A listener may unsubscribe another listener while the message is delivered.
      for (const listener of [...listeners]) if (listeners.has(listener)) listener(message);
    },
    close(): void {
      closed = true;
      for (const { settle } of channels.values())
        settle(new AppError('UNAVAILABLE', 'The pub/sub was closed.'));
      channels.clear();
    },
  };
}
