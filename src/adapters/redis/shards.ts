import { type Cluster, Command } from 'ioredis';
import { connectNode, type OutageReport, type RedisLocation } from './connect.ts';
import { createSubscriber, type Subscriber, type SubscriberEvents } from './subscriber.ts';

/**
 * The number of groups of channels. All channels of a group are in one slot, so one command can subscribe
 * many channels. The groups are distributed over the nodes.
 */
const groups = 256;

/** Returns the name of a topic's channel. Redis chooses the slot by the text in the braces. */
export function shardedChannelOf(prefix: string, topic: string): string {
  // The hash is FNV-1a.
  let hash = 0x811c9dc5;
  for (let n = 0; n < topic.length; n += 1) hash = Math.imul(hash ^ topic.charCodeAt(n), 0x01000193);
  return `${prefix}{${(hash >>> 0) % groups}}:${topic}`;
}

const groupOf = (channel: string) => channel.slice(0, channel.indexOf('}') + 1);

/**
 * Creates a subscriber for sharded pub/sub, with one connection for each node that owns channels. If channels
 * move to another node, the subscriber subscribes them at that node and then reports a gap. It does not use
 * the sharded subscribers of ioredis, because they do not report when they have subscribed again, and they
 * need many commands for channels of several slots.
 */
export function createShards(
  { cluster, outages }: { readonly cluster: Cluster; readonly outages: OutageReport },
  { url, silenceMs }: Pick<RedisLocation, 'url'> & { readonly silenceMs: number },
  events: SubscriberEvents,
): Subscriber {
  const subscribers = new Map<string, Subscriber>();
  /** Maps each group to its channels and to the node (`host:port`) where they are subscribed. */
  const shards = new Map<string, { readonly channels: Set<string>; readonly slot: number; node?: string }>();

  cluster.on('refresh', assign);

  /** Subscribes every group at the node that owns its slot. */
  function assign(): void {
    for (const shard of shards.values()) {
      const node = ownerOf(shard.slot);
      if (node === undefined || node === shard.node) continue;
      const before = shard.node;
      shard.node = node;
      for (const channel of shard.channels) {
        if (before !== undefined) subscribers.get(before)?.leave(channel);
        subscriberAt(node).join(channel, before === undefined ? undefined : 'missed');
      }
    }
    const inUse = new Set([...shards.values()].map(({ node }) => node));
    for (const [node, subscriber] of subscribers) {
      if (inUse.has(node)) continue;
      subscriber.close();
      subscribers.delete(node);
    }
  }

  const ownerOf = (slot: number): string | undefined => cluster.slots[slot]?.[0];

  function subscriberAt(node: string): Subscriber {
    const known = subscribers.get(node);
    if (known) return known;
    const at = new URL(url);
    at.host = node;
    const redis = connectNode(at.href, { silenceMs });
    // When a connection closes or channels move, another node may own the slots.
    const refresh = () => cluster.refreshSlotsCache();
    redis.on('close', refresh).on('moved', refresh);
    const subscriber = createSubscriber({ redis, outages }, groupOf, events);
    subscribers.set(node, subscriber);
    return subscriber;
  }

  function shardOf(channel: string) {
    const group = groupOf(channel);
    const known = shards.get(group);
    if (known) return known;
    const slot = new Command('spublish', [channel]).getSlot();
    const node = ownerOf(slot);
    const shard = { channels: new Set<string>(), slot, ...(node !== undefined && { node }) };
    shards.set(group, shard);
    return shard;
  }

  return {
    join(channel) {
      const { channels, node } = shardOf(channel);
      channels.add(channel);
      // If no node owns the slot, the channel is subscribed at the next refresh of the cluster.
      if (node !== undefined) subscriberAt(node).join(channel);
    },
    leave(channel) {
      const { channels, node } = shardOf(channel);
      channels.delete(channel);
      if (channels.size === 0) shards.delete(groupOf(channel));
      if (node !== undefined) subscribers.get(node)?.leave(channel);
    },
    close() {
      cluster.off('refresh', assign);
      for (const subscriber of subscribers.values()) subscriber.close();
    },
  };
}
