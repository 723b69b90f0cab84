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
 * An update for a watcher: first a SNAPSHOT per badge, then a CHANGE per newer version. A slow watcher misses
 * intermediate versions.
 */
export interface BadgeUpdate {
  readonly kind: 'SNAPSHOT' | 'CHANGE';
  readonly badge: Badge;
  /** null for a SNAPSHOT. */
  readonly cause: BadgeCause | null;
}

/** A message: the state of a badge, or a request to read it again. */
type News = NonNullable<ReturnType<typeof parseBadgeMessage>> | Move;

/** How long a watcher waits for its subscription before it begins without one, in ms. */
export const defaultSubscribeWaitMs = 2_000;

export interface WatchOptions {
  /**
   * The interval, in ms and with jitter, after which all watched badges are read again. A badge whose message
   * was lost is correct after this time.
   */
  readonly resyncMs: number;
  /** How long a watcher waits for its subscription before it begins without one, in ms. Defaults to 2000. */
  readonly subscribeWaitMs?: number;
}

interface WatchDeps {
  readonly read: Read;
  readonly pubSub: PubSub;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The parts that all watchers of a process share. */
interface Context extends Pick<WatchDeps, 'read' | 'pubSub'> {
  readonly watchers: Set<Watcher>;
  readonly news: ReturnType<typeof parsedOnce<News>>;
  readonly reread: ReturnType<typeof createReread>;
  readonly resync: ReturnType<typeof createResync>;
  readonly updateOf: ReturnType<typeof createUpdates>;
  readonly subscribeWaitMs: number;
}

/**
 * Watches badges without a gap: subscribes, reads the snapshot, emits it, then emits only newer versions.
 * Every `resyncMs`, and at once after a gap in pub/sub, all watched badges are read again in batches. The
 * badges of a collection are also read again when the collection changes, for which one message is sent
 * however many watchers there are. While pub/sub is away, a watcher begins with the snapshot and reads its
 * badges again once it is subscribed.
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
     * The badges of one user with their whole state. Ends when `return` is called. Rejects with UNAVAILABLE
     * before the first badge.
     */
    badges: (user: UserKey, keys: readonly string[]): Promise<AsyncIterableIterator<BadgeUpdate>> =>
      watchBadges(context, user, keys),
    /**
     * Calls `wake` whenever the inbox of a user may have changed after this call resolved. Resolves to a
     * function that ends the calls. Rejects with UNAVAILABLE.
     */
    nudges: (user: UserKey, wake: () => void): Promise<() => void> => watchNudges(context, user, wake),
    /** How many watchers there are. */
    count: () => watchers.size,
    /** How many users are watched. */
    users: () => new Set([...watchers].map(({ user }) => userKeyOf(user))).size,
    /** How many messages were dropped because they could not be parsed. */
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
  // A small object takes less memory than a Map, and a process may have ten thousand watchers.
  const versions: { [key: string]: number } = {};
  // Badges that arrive before the snapshot is emitted. They may be newer than the snapshot.
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
        // If the client has not taken the snapshot yet, the newer state replaces it and stays a SNAPSHOT.
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
 * message. If that takes longer than `subscribeWaitMs`, `ready` resolves anyway, and `onLate` is called once
 * the watcher is subscribed. `ready` rejects with UNAVAILABLE.
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
    // The watcher missed earlier messages, so it reads again. If pub/sub closes instead, the process is
    // shutting down and nothing needs to be read.
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
 * Creates a function that makes updates. All watchers that receive the same badge in a row share one object,
 * so that it is serialized once.
 */
function createUpdates() {
  let lastUpdate: BadgeUpdate | undefined;
  return (kind: BadgeUpdate['kind'], badge: Badge, cause: BadgeCause | null): BadgeUpdate => {
    const isLast = lastUpdate?.badge === badge && lastUpdate.kind === kind && lastUpdate.cause === cause;
    if (!isLast || !lastUpdate) lastUpdate = { kind, badge, cause };
    return lastUpdate;
  };
}

/** The topics of a badge: its own topic, and the topic of changes for many users at once. */
function topicsOf(user: UserKey, key: string): readonly string[] {
  const own = badgeTopic(user, key);
  return key === notificationsKey ? [own] : [own, moveTopic(user.tenantId, key)];
}

/** Resolves to whether the promise resolves within the time. Rejects if the promise rejects. */
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
