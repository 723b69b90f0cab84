import type { Redis } from 'ioredis';
import type { OutageReport } from './connect.ts';

/** Channels one command names. */
const channelsPerCommand = 500;

/** A subscription that Redis refused is tried again after this. */
const retryMs = 1_000;

/** A connection that has nothing to say is asked for a sign of life this often. */
const pingMs = 3_000;

/** One connection that listens to channels, and makes up for what happens to it. */
export interface Subscriber {
  /**
   * From now on the channel is to be listened to, until `leave`. `missed`: it was already, elsewhere, and messages may
   * have been missed since.
   */
  join(channel: string, missed?: 'missed'): void;
  leave(channel: string): void;
  close(): void;
}

export interface SubscriberEvents {
  /** Every message published to the channel from now on will be seen. Once per `join`, or more often. */
  confirmed(channel: string): void;
  message(channel: string, value: string): void;
  /** Messages may have been missed; all channels are listened to again. */
  gap(): void;
}

interface Batch {
  readonly channels: readonly string[];
  confirmed: boolean;
}

/**
 * Joins and leaves of one turn of the event loop become few commands. `groupOf`: in a cluster the channels of a command
 * must be of one slot, and are sharded channels; undefined outside of one.
 */
export function createSubscriber(
  { redis, outages }: { readonly redis: Redis; readonly outages: OutageReport },
  groupOf: ((channel: string) => string) | undefined,
  events: SubscriberEvents,
): Subscriber {
  const wanted = new Set<string>();
  /** The command by which this connection subscribed a channel. */
  const batches = new Map<string, Batch>();
  const changed = new Set<string>();
  /** Lost with a connection and not yet subscribed again. */
  const owed = new Set<string>();
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
  // The node gave channels away. It may have ended their subscriptions, so all are made again; whoever knows the new
  // owner takes them from here.
  redis.on('moved', () => {
    lose();
    later(retryMs);
  });
  // The answer does not matter: without any the connection is given up (`silenceMs`).
  const heartbeat = setInterval(() => {
    if (redis.status === 'ready') redis.ping().catch(() => {});
  }, pingMs).unref();

  function lose(): void {
    batches.clear();
    if (wasReady) missed = true;
    for (const channel of wanted) {
      owed.add(channel);
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
    tellGap();
  }

  function confirm(batch: Batch): void {
    batch.confirmed = true;
    for (const channel of batch.channels) {
      // Left meanwhile, or lost with its connection: then another command is about it.
      if (batches.get(channel) !== batch) continue;
      owed.delete(channel);
      if (wanted.has(channel)) events.confirmed(channel);
    }
    tellGap();
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

  function tellGap(): void {
    if (!missed || owed.size > 0 || redis.status !== 'ready') return;
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
        owed.add(channel);
      }
      change(channel);
    },
    leave(channel) {
      wanted.delete(channel);
      owed.delete(channel);
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
