import { createOneSlot } from '../../async/one-slot.ts';
import { type Badge, type BadgeCause, notificationsKey } from '../../domain/badge.ts';
import { type UserKey, userKeyOf } from '../../domain/user.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Message, PubSub } from '../../ports/pub-sub.ts';
import {
  badgeTopic,
  type Move,
  moveTopic,
  parseBadgeMessage,
  parsedOnce,
  parseMove,
} from '../deliver/publish.ts';
import type { Read } from '../read/read.ts';
import { createReread, type Watcher } from './reread.ts';
import { createResync } from './resync.ts';

/**
 * An update for a watcher. For each badge, the first update is a SNAPSHOT, and each later update is a CHANGE
 * with a newer version. A slow watcher misses intermediate versions.
 */
export interface BadgeUpdate {
  readonly kind: 'SNAPSHOT' | 'CHANGE';
  readonly badge: Badge;
  /** The cause of the change. Null for a SNAPSHOT. */
  readonly cause: BadgeCause | null;
}

/** A parsed message. The message is the state of a badge, or a request to read a badge again. */
type News = NonNullable<ReturnType<typeof parseBadgeMessage>> | Move;

/**
 * The time for which a watcher waits for its subscription, in ms. After this time, the watcher begins without
 * the subscription.
 */
export const defaultSubscribeWaitMs = 2_000;

export interface WatchOptions {
  /**
   * The interval, in ms and with jitter, between two reads of all watched badges. If a message was lost, the
   * badge is correct after this time.
   */
  readonly resyncMs: number;
  /**
   * The time for which a watcher waits for its subscription, in ms. After this time, the watcher begins
   * without the subscription. Defaults to 2000.
   */
  readonly subscribeWaitMs?: number;
}

interface WatchDeps {
  readonly read: Read;
  readonly pubSub: PubSub;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The values that all watchers of a process share. */
interface Context extends Pick<WatchDeps, 'read' | 'pubSub'> {
  readonly watchers: Set<Watcher>;
  readonly news: ReturnType<typeof parsedOnce<News>>;
  readonly reread: ReturnType<typeof createReread>;
  readonly resync: ReturnType<typeof createResync>;
  readonly updateOf: ReturnType<typeof createUpdates>;
  readonly subscribeWaitMs: number;
}

/**
 * Creates the watch of badges, which misses no change. A watcher subscribes, reads the badges and emits them.
 * After this, the watcher emits only newer versions. All watched badges are read again in batches every
 * `resyncMs`, and at once after a gap in pub/sub. When a collection changes, one message is sent, for any
 * number of watchers. The watchers of its badges then read these badges again. While pub/sub is unreachable,
 * a watcher begins with the snapshot and reads its badges again after it is subscribed.
 */
export function createWatch(
  { read, pubSub, clock, logger }: WatchDeps,
  { resyncMs, subscribeWaitMs = defaultSubscribeWaitMs }: WatchOptions,
) {
  const watchers = new Set<Watcher>();
  const updateOf = createUpdates();
  const news = parsedOnce<News>((value) => parseBadgeMessage(value) ?? parseMove(value));
  const reread = createReread({
    read,
    onFailure(err) {
      logger.warn({ err }, 'could not read the badges that changed, reading all watched badges again');
      void resync.now();
    },
  });
  const resync = createResync(
    { pubSub, clock, logger, readAll: () => reread.all(watchers), isWatched: () => watchers.size > 0 },
    { resyncMs, what: 'badges' },
  );
  const context: Context = { read, pubSub, watchers, news, reread, resync, updateOf, subscribeWaitMs };

  return {
    /**
     * Returns the badges of a user with their whole state, and later each changed badge. Ends when `return`
     * is called. Rejects with UNAVAILABLE if the watch cannot begin.
     */
    badges: (user: UserKey, keys: readonly string[]): Promise<AsyncIterableIterator<BadgeUpdate>> =>
      watchBadges(context, user, keys),
    /**
     * Calls `wake` whenever the inbox of a user may have changed after the returned promise resolved.
     * Resolves to a function that ends the calls. Rejects with UNAVAILABLE.
     */
    nudges: (user: UserKey, wake: () => void): Promise<() => void> => watchNudges(context, user, wake),
    /** Returns the number of watchers. */
    count: () => watchers.size,
    /** Returns the number of users whose badges are watched. */
    users: () => new Set([...watchers].map(({ user }) => userKeyOf(user))).size,
    /** Returns the number of messages that were dropped because they could not be parsed. */
    unreadable: news.unreadable,
    resync: resync.now,
    resyncedAt: resync.succeededAt,
    stop: resync.stop,
  };
}

export type Watch = ReturnType<typeof createWatch>;

async function watchBadges(
  context: Context,
  user: UserKey,
  keys: readonly string[],
): Promise<AsyncIterableIterator<BadgeUpdate>> {
  // Uses an object, because a small object takes less memory than a Map, and a process may have ten thousand
  // watchers.
  const versions: { [key: string]: number } = {};
  // The badges that arrive in messages before the snapshot is emitted. These badges may be newer than the
  // snapshot.
  let early: Map<string, Badge> | undefined = new Map();
  const slot = createOneSlot<string, BadgeUpdate>({
    onEnd: () => end(),
  });
  const watcher: Watcher = {
    user,
    keys,
    offer(badge, cause) {
      if (!keys.includes(badge.key) || badge.version <= (versions[badge.key] ?? -1)) return;
      versions[badge.key] = badge.version;
      if (early) early.set(badge.key, badge);
      else {
        // If the client has not read the snapshot yet, the newer state replaces the snapshot and stays a
        // SNAPSHOT.
        const kind = slot.peek(badge.key)?.kind ?? 'CHANGE';
        slot.put(badge.key, context.updateOf(kind, badge, kind === 'SNAPSHOT' ? null : cause));
      }
    },
  };
  const { ready, end } = listen(
    context,
    watcher,
    (message) => {
      const parsed = context.news.parse(message);
      if (!parsed) return;
      if ('badge' in parsed) watcher.offer(parsed.badge, parsed.cause);
      else if (keys.includes(parsed.key)) context.reread.soon(watcher, parsed.key, parsed.cause);
    },
    () => void context.reread.all([watcher]).catch(() => context.resync.now()),
  );
  try {
    await ready;
    const snapshots = await Promise.all(keys.map((key) => context.read.currentBadge(user, key)));
    for (const snapshot of snapshots) {
      const { key } = snapshot;
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
}

async function watchNudges(context: Context, user: UserKey, wake: () => void): Promise<() => void> {
  const { ready, end } = listen(context, { user, keys: [notificationsKey], offer: wake }, wake, wake);
  try {
    await ready;
  } catch (error) {
    end();
    throw error;
  }
  return end;
}

/**
 * Listens for a watcher until `end` is called. `ready` resolves when the listener receives every later
 * message. If the subscription takes longer than `subscribeWaitMs`, `ready` resolves anyway, and `onLate` is
 * called when the watcher is subscribed. `ready` rejects with UNAVAILABLE if pub/sub is closed.
 */
function listen(
  { pubSub, watchers, resync, subscribeWaitMs }: Context,
  watcher: Watcher,
  listener: (message: Message) => void,
  onLate: () => void,
) {
  const { confirmed, end } = pubSub.subscribe(
    watcher.keys.flatMap((key) => topicsOf(watcher.user, key)),
    listener,
  );
  watchers.add(watcher);
  resync.watched();
  const ready = isDoneWithin(confirmed, subscribeWaitMs).then((isDone) => {
    if (isDone) return;
    // The watcher has missed earlier messages, so it reads its badges again. If pub/sub closes instead, the
    // process is shutting down and nothing needs to be read.
    confirmed.then(
      () => watchers.has(watcher) && onLate(),
      () => {},
    );
  });
  return {
    ready,
    end() {
      end();
      watchers.delete(watcher);
    },
  };
}

/**
 * Creates a function that makes updates. Consecutive calls with the same badge return the same object. The
 * object is then serialized only once for all watchers.
 */
function createUpdates() {
  let lastUpdate: BadgeUpdate | undefined;
  return (kind: BadgeUpdate['kind'], badge: Badge, cause: BadgeCause | null): BadgeUpdate => {
    const isLast = lastUpdate?.badge === badge && lastUpdate.kind === kind && lastUpdate.cause === cause;
    if (!isLast || !lastUpdate) lastUpdate = { kind, badge, cause };
    return lastUpdate;
  };
}

/** Returns the topics of a badge: its own topic, and the topic for changes that affect many users. */
function topicsOf(user: UserKey, key: string): readonly string[] {
  const own = badgeTopic(user, key);
  return key === notificationsKey ? [own] : [own, moveTopic(user.tenantId, key)];
}

/**
 * Resolves to true if the promise resolves within `ms`, and to false if it does not. Rejects if the promise
 * rejects.
 */
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
