import type { Redis } from 'ioredis';
import type { OutageReport } from './connect.ts';

/** The maximum number of channels in one command. */
const channelsPerCommand = 500;

/** The time, in ms, after which a refused subscription is tried again. */
const retryMs = 1_000;

/** The time, in ms, between two pings of a connection. */
const pingMs = 3_000;

/** A connection that listens to channels and recovers from failures. */
export interface Subscriber {
  /**
   * Listens to the channel until `leave`. `missed` means that this process was subscribed to the channel at
   * another node, and that messages may have been missed since.
   */
  join(channel: string, missed?: 'missed'): void;
  leave(channel: string): void;
  close(): void;
}

export interface SubscriberEvents {
  /**
   * The channel is subscribed: from now on every message of the channel arrives. Called at least once per
   * `join`.
   */
  confirmed(channel: string): void;
  message(channel: string, value: string): void;
  /** Messages may have been missed. Called when all channels are subscribed again. */
  gap(): void;
}

interface Batch {
  readonly channels: readonly string[];
  confirmed: boolean;
}

/**
 * Creates a subscriber. It collects the joins and leaves of one turn of the event loop and sends them with
 * few commands. In a cluster, `groupOf` returns the group of a sharded channel, because all channels of one
 * command must be in the same slot. Without a cluster `groupOf` is undefined.
 */
export function createSubscriber(
  { redis, outages }: { readonly redis: Redis; readonly outages: OutageReport },
  groupOf: ((channel: string) => string) | undefined,
  events: SubscriberEvents,
): Subscriber {
  const wanted = new Set<string>();
  /** Maps each channel to the command that subscribed it on this connection. */
  const batches = new Map<string, Batch>();
  const changed = new Set<string>();
  /** The channels whose subscription ended with a lost connection and that are not subscribed again yet. */
  const lost = new Set<string>();
  let missed = false;
  let wasReady = false;
  let closed = false;
  let flushing: NodeJS.Immediate | undefined;

  const commands = groupOf
    ? {
        subscribe: (channels: readonly string[]) => redis.ssubscribe(...channels),
        unsubscribe: (channels: readonly string[]) => redis.sunsubscribe(...channels),
      }
    : {
        subscribe: (channels: readonly string[]) => redis.subscribe(...channels),
        unsubscribe: (channels: readonly string[]) => redis.unsubscribe(...channels),
      };

  outages.follow(redis);
  redis.on('close', lose);
  redis.on('ready', () => {
    wasReady = true;
    flush();
  });
  redis.on(groupOf ? 'smessage' : 'message', (channel: string, value: string) => {
    if (!closed) events.message(channel, value);
  });
  // Redis has moved channels from this node to another node. This may have ended subscriptions, so all
  // channels are subscribed again. `createShards` finds the new node and removes the moved channels from this
  // subscriber.
  redis.on('moved', () => {
    lose();
    later(retryMs);
  });
  // The answer is ignored. If there is no answer for `silenceMs`, the connection is replaced.
  const heartbeat = setInterval(() => {
    if (redis.status === 'ready') redis.ping().catch(() => {});
  }, pingMs).unref();

  function lose(): void {
    batches.clear();
    if (wasReady) missed = true;
    for (const channel of wanted) {
      lost.add(channel);
      changed.add(channel);
    }
  }

  function change(channel: string): void {
    changed.add(channel);
    flushing ??= setImmediate(flush);
  }

  function later(ms: number): void {
    setTimeout(() => {
      flushing ??= setImmediate(flush);
    }, ms).unref();
  }

  function flush(): void {
    flushing = undefined;
    if (closed || redis.status !== 'ready') return;
    const joining: string[] = [];
    const leaving: string[] = [];
    for (const channel of changed) {
      const batch = batches.get(channel);
      if (!wanted.has(channel)) {
        if (batch) leaving.push(channel);
        batches.delete(channel);
      } else if (!batch) joining.push(channel);
      else if (batch.confirmed) events.confirmed(channel);
    }
    changed.clear();
    for (const channels of chunks(leaving)) commands.unsubscribe(channels).catch(() => {});
    for (const channels of chunks(joining)) {
      const batch: Batch = { channels, confirmed: false };
      for (const channel of channels) batches.set(channel, batch);
      commands.subscribe(channels).then(
        () => confirm(batch),
        (err) => refused(batch, err),
      );
    }
    reportGap();
  }

  function confirm(batch: Batch): void {
    batch.confirmed = true;
    for (const channel of batch.channels) {
      // In the meantime the channel was left, or its connection was lost. Then another command handles the
      // channel.
      if (batches.get(channel) !== batch) continue;
      lost.delete(channel);
      if (wanted.has(channel)) events.confirmed(channel);
    }
    reportGap();
  }

  function refused(batch: Batch, err: unknown): void {
    if (closed) return;
    outages.trouble(err);
    for (const channel of batch.channels) {
      if (batches.get(channel) !== batch) continue;
      batches.delete(channel);
      changed.add(channel);
    }
    later(retryMs);
  }

  function reportGap(): void {
    if (!missed || lost.size > 0 || redis.status !== 'ready') return;
    missed = false;
    events.gap();
  }

  function chunks(channels: readonly string[]): readonly (readonly string[])[] {
    const groups = new Map<string, string[]>();
    for (const channel of channels) {
      const name = groupOf?.(channel) ?? '';
      const group = groups.get(name);
      if (group) group.push(channel);
      else groups.set(name, [channel]);
    }
    return [...groups.values()].flatMap((group) =>
      Array.from({ length: Math.ceil(group.length / channelsPerCommand) }, (_, n) =>
        group.slice(n * channelsPerCommand, (n + 1) * channelsPerCommand),
      ),
    );
  }

  return {
    join(channel, since) {
      wanted.add(channel);
      if (since === 'missed') {
        missed = true;
        lost.add(channel);
      }
      change(channel);
    },
    leave(channel) {
      wanted.delete(channel);
      lost.delete(channel);
      change(channel);
    },
    close() {
      closed = true;
      clearInterval(heartbeat);
      clearImmediate(flushing);
      outages.forget(redis);
      redis.disconnect();
    },
  };
}
