import type { Badge, BadgeCause } from '../domain/badge.ts';
import { badgeOf } from '../domain/inbox.ts';
import { type UserKey, userKeyOf } from '../domain/user.ts';
import type { Logger } from '../ports/logger.ts';
import { createOneSlot } from '../ports/one-slot.ts';
import type { Message, PubSub } from '../ports/pub-sub.ts';
import type { Store } from '../ports/store.ts';
import { badgeTopic, parseBadgeMessage } from './publish.ts';
import type { Read } from './read.ts';

/** What a watcher sees: first a SNAPSHOT, then one CHANGE per newer version, of which it may miss intermediate ones. */
export interface BadgeUpdate {
  readonly kind: 'SNAPSHOT' | 'CHANGE';
  readonly badge: Badge;
  /** null for a snapshot. */
  readonly cause: BadgeCause | null;
}

interface Watcher {
  readonly user: UserKey;
  readonly keys: readonly string[];
  offer(badge: Badge, cause: BadgeCause): void;
}

const usersPerQuery = 1_000;

/** When badges could not be read again, they are after this: a backend that is back is soon believed. */
const retryMs = 3_000;

/** How long a watcher waits for pub/sub before it begins without. */
const defaultSubscribeWaitMs = 2_000;

export interface WatchOptions {
  /** The number on screen is right within this, in ms and with jitter, even when a message was lost. */
  readonly resyncMs: number;
  /** A watcher whose subscription takes longer, in ms, begins without it. Default 2000. */
  readonly subscribeWaitMs?: number;
}

/**
 * Watching without a gap: subscribe, read the snapshot, emit it, then emit only newer versions. Every `resyncMs`, and at
 * once after a gap in pub/sub, all watched badges are read again in batches. While pub/sub is away watchers begin with the
 * snapshot all the same, and their badges are read again when they are subscribed.
 */
export function createWatch(
  {
    store,
    read,
    pubSub,
    logger,
  }: { readonly store: Store; readonly read: Read; readonly pubSub: PubSub; readonly logger: Logger },
  { resyncMs, subscribeWaitMs = defaultSubscribeWaitMs }: WatchOptions,
) {
  const watchers = new Set<Watcher>();
  let unreadable = 0;
  let lastUpdate: BadgeUpdate | undefined;
  let last: { readonly message: Message; readonly parsed: ReturnType<typeof parseBadgeMessage> } | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let reading: Promise<void> | undefined;
  let following: Promise<void> | undefined;
  const stopListening = pubSub.onGap(() => void resync());

  /**
   * Reads every watched badge and offers it. Never two at once; calls while one runs share the next, since that one may
   * have read its badges before what they are about.
   */
  function resync(): Promise<void> {
    if (following) return following;
    if (!reading) return begin();
    following = reading.then(begin);
    return following;
  }

  function begin(): Promise<void> {
    following = undefined;
    reading = readAll()
      .then(
        () => resyncMs,
        (err) => {
          logger.warn({ err }, 'watched badges could not be read again');
          return Math.min(resyncMs, retryMs);
        },
      )
      .then((nextMs) => {
        reading = undefined;
        scheduleResync(nextMs);
      });
    return reading;
  }

  async function readAll(): Promise<void> {
    const watched = new Map<string, Watcher[]>();
    for (const watcher of watchers) {
      const key = userKeyOf(watcher.user);
      const others = watched.get(key);
      if (others) others.push(watcher);
      else watched.set(key, [watcher]);
    }
    const users = [...watched.values()].flatMap(([first]) => (first ? [first.user] : []));
    for (let start = 0; start < users.length; start += usersPerQuery) {
      for (const inbox of await store.inboxes(users.slice(start, start + usersPerQuery))) {
        for (const watcher of watched.get(userKeyOf(inbox)) ?? []) watcher.offer(badgeOf(inbox), 'RESYNCED');
      }
    }
  }

  /** What a message says, read once however many watchers it has. */
  function parse(message: Message): ReturnType<typeof parseBadgeMessage> {
    if (last?.message !== message) {
      last = { message, parsed: parseBadgeMessage(message.value) };
      if (!last.parsed) unreadable += 1;
    }
    return last.parsed;
  }

  /** The same object for all whom the same news reaches, so that it is written out once. */
  function updateOf(kind: BadgeUpdate['kind'], badge: Badge, cause: BadgeCause | null): BadgeUpdate {
    const isLast = lastUpdate?.badge === badge && lastUpdate.kind === kind && lastUpdate.cause === cause;
    if (!isLast || !lastUpdate) lastUpdate = { kind, badge, cause };
    return lastUpdate;
  }

  /** The next one, with jitter; none while nobody watches. */
  function scheduleResync(ms: number): void {
    clearTimeout(timer);
    timer = undefined;
    if (stopped || watchers.size === 0) return;
    timer = setTimeout(() => void resync(), ms * (0.8 + 0.4 * Math.random())).unref();
  }

  return {
    /** Badges of one user, whole states; ends when `return` is called. Rejects with UNAVAILABLE before the first. */
    async badges(user: UserKey, keys: readonly string[]): Promise<AsyncIterableIterator<BadgeUpdate>> {
      // One small object per watcher rather than a Map: there may be ten thousands.
      const versions: { [key: string]: number } = {};
      // Until the snapshot is out, what arrives is kept here: it may be newer than what the snapshot read.
      let early: Map<string, Badge> | undefined = new Map();
      const slot = createOneSlot<string, BadgeUpdate>({
        onEnd() {
          end();
          watchers.delete(watcher);
        },
      });
      const watcher: Watcher = {
        user,
        keys,
        offer(badge, cause) {
          if (!keys.includes(badge.key) || badge.version <= (versions[badge.key] ?? -1)) return;
          versions[badge.key] = badge.version;
          if (early) early.set(badge.key, badge);
          else {
            // A snapshot that was not taken yet stays a snapshot, with the newer state.
            const kind = slot.peek(badge.key)?.kind ?? 'CHANGE';
            slot.put(badge.key, updateOf(kind, badge, kind === 'SNAPSHOT' ? null : cause));
          }
        },
      };
      const { confirmed, end } = pubSub.subscribe(
        keys.map((key) => badgeTopic(user, key)),
        (message) => {
          const parsed = parse(message);
          if (parsed) watcher.offer(parsed.badge, parsed.cause);
        },
      );
      watchers.add(watcher);
      if (timer === undefined) scheduleResync(resyncMs);
      try {
        if (!(await isDoneWithin(confirmed, subscribeWaitMs))) {
          // What was published since the snapshot was missed. When pub/sub is closed instead, so is everything else.
          const reread = async () => {
            if (watchers.has(watcher)) watcher.offer(await read.currentBadge(user), 'RESYNCED');
          };
          confirmed.then(
            () => reread().catch(() => resync()),
            () => {},
          );
        }
        const snapshot = await read.currentBadge(user);
        for (const key of keys) {
          const newer = early.get(key);
          const badge = newer && newer.version > snapshot.version ? newer : snapshot;
          versions[key] = badge.version;
          slot.put(key, { kind: 'SNAPSHOT', badge, cause: null });
        }
      } catch (error) {
        await slot.return();
        throw error;
      }
      early = undefined;
      return slot;
    },

    /** How many watchers there are. */
    count: () => watchers.size,
    /** How many users are watched. */
    users: () => new Set([...watchers].map(({ user }) => userKeyOf(user))).size,
    /** How many messages were not what a badge topic carries; they were dropped. */
    unreadable: () => unreadable,
    resync,
    stop(): void {
      stopped = true;
      stopListening();
      clearTimeout(timer);
    },
  };
}

/** Whether it resolves within the time; rejects if it does. */
export async function isDoneWithin(promise: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

export type Watch = ReturnType<typeof createWatch>;
