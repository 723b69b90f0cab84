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
 * The time, in ms, between the loss of a message and its announcement to the other processes. A failed
 * announcement is repeated after the same time.
 */
const lossMs = 1_000;

/**
 * The maximum time, in ms, that a publish may take before it fails. A push may be lost, but a request must
 * not wait for it.
 */
const publishTimeoutMs = 200;

/** If a command has no answer for this time, in ms, the connection is replaced. */
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
 * Creates pub/sub between processes through Redis. Publishing and subscribing use separate connections. Each
 * channel is subscribed only once for all its listeners.
 * While Redis is unreachable or does not answer, `publish` rejects with UNAVAILABLE within 200 ms, and the
 * message is not sent later. Subscriptions wait until Redis is reachable. A Redis that stops answering is
 * noticed within 8 s.
 * After a lost connection, all channels are subscribed again before a gap is reported to the listeners. If
 * one process could not publish, a gap is reported in all processes as soon as Redis accepts messages again.
 * This adapter logs outages, so callers need not log them.
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
  // On this channel a process announces that it could not send messages to Redis.
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

/** Creates the sender of messages. If messages are lost, the sender announces the loss to all processes. */
function createSender(
  { connections, outages }: { readonly connections: Connections; readonly outages: OutageReport },
  lossChannel: string,
) {
  const { publisher, send } = connections;
  let closed = false;
  let lossTimer: NodeJS.Timeout | undefined;
  // A publish during the start waits for the first connection. Later calls do not wait for a connection.
  let opening: Promise<unknown> | undefined = new Promise((resolve) => publisher.once('ready', resolve));
  void opening.then(() => {
    opening = undefined;
  });

  function deliver(messages: readonly Delivery[]): Promise<unknown> {
    const delivering = async () => {
      await opening;
      // Without this check a cluster client would queue commands until the cluster is reachable.
      if (closed || publisher.status !== 'ready') throw new Error('There is no connection to Redis.');
      // All messages are sent without waiting for the answers in between.
      await Promise.all(messages.map(([channel, value]) => send(channel, value)));
    };
    return withDeadline(delivering(), publishTimeoutMs);
  }

  /** Announces a loss to all processes. Repeats the announcement until it succeeds. */
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

/** Creates the channels of this process. Each channel is subscribed only once for all its listeners. */
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
    // If the channel is unsubscribed before it is confirmed, no caller awaits this promise.
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
      // Each subscription wraps the listener in its own function. So the same listener can be subscribed
      // twice.
      const listener = (message: Message) => listen(message);
      const distinct = closed ? [] : [...new Set(topics)];
      const confirmed = closed
        ? Promise.reject(new AppError('UNAVAILABLE', 'The pub/sub is closed.'))
        : Promise.all(distinct.map((topic) => join(topic, listener))).then(() => {});
      // A caller that has ended the subscription no longer awaits this promise.
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
      // This releases the settled promise, because there is one channel per watched user.
      channel.settle = () => {};
    },
    deliver(name: string, value: string): void {
      const channel = channels.get(name);
      if (!channel) return;
      const { topic, listeners } = channel;
      const message = { topic, value };
      // A listener may unsubscribe another listener during the delivery of the message.
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
