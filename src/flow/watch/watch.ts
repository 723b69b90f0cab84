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

/** What a watcher sees: first a SNAPSHOT, then one CHANGE per newer version, of which it may miss intermediate ones. */
export interface BadgeUpdate {
  readonly kind: 'SNAPSHOT' | 'CHANGE';
  readonly badge: Badge;
  /** null for a snapshot. */
  readonly cause: BadgeCause | null;
}

/** What a message may say: a badge's state, or that it is to be read again. */
type News = NonNullable<ReturnType<typeof parseBadgeMessage>> | Move;

/** How long a watcher waits for pub/sub before it begins without. */
export const defaultSubscribeWaitMs = 2_000;

export interface WatchOptions {
  /** The number on screen is right within this, in ms and with jitter, even when a message was lost. */
  readonly resyncMs: number;
  /** A watcher whose subscription takes longer, in ms, begins without it. Default 2000. */
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
 * Watching without a gap: subscribe, read the snapshot, emit it, then emit only newer versions. Every `resyncMs`, and at
 * once after a gap in pub/sub, all watched badges are read again in batches; those of a collection also when it moved, for
 * which there is one message however many watch it. While pub/sub is away watchers begin with the
 * snapshot all the same, and their badges are read again when they are subscribed.
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
      logger.warn({ err }, 'badges that moved could not be read');
      void resync.now();
    },
  });
  const resync = createResync(
    { pubSub, clock, logger, readAll: () => reread.all(watchers), isWatched: () => watchers.size > 0 },
    { resyncMs, what: 'badges' },
  );
  const context: Context = { read, pubSub, watchers, news, reread, resync, updateOf, subscribeWaitMs };

  return {
    /** Badges of one user, whole states; ends when `return` is called. Rejects with UNAVAILABLE before the first. */
    badges: (user: UserKey, keys: readonly string[]): Promise<AsyncIterableIterator<BadgeUpdate>> =>
      watchBadges(context, user, keys),
    /**
     * Calls `wake` whenever something may have happened to a user's inbox after it resolved, until the function it resolves
     * with is called. Rejects with UNAVAILABLE.
     */
    nudges: (user: UserKey, wake: () => void): Promise<() => void> => watchNudges(context, user, wake),
    /** How many watchers there are. */
    count: () => watchers.size,
    /** How many users are watched. */
    users: () => new Set([...watchers].map(({ user }) => userKeyOf(user))).size,
    /** How many messages were not what a badge topic carries; they were dropped. */
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
  // One small object per watcher rather than a Map: there may be ten thousands.
  const versions: { [key: string]: number } = {};
  // Until the snapshot is out, what arrives is kept here: it may be newer than what the snapshot read.
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
        // A snapshot that was not taken yet stays a snapshot, with the newer state.
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
 * Listens for a watcher until `end`. `ready` resolves when nothing that is published from then on will be missed; or after
 * the wait, and then `onLate` is called once that is so. It rejects with UNAVAILABLE.
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
    // What was published since was missed. When pub/sub is closed instead, so is everything else.
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

/** Makes updates: the same object for all whom the same news reaches, so that it is written out once. */
function createUpdates() {
  let lastUpdate: BadgeUpdate | undefined;
  return (kind: BadgeUpdate['kind'], badge: Badge, cause: BadgeCause | null): BadgeUpdate => {
    const isLast = lastUpdate?.badge === badge && lastUpdate.kind === kind && lastUpdate.cause === cause;
    if (!isLast || !lastUpdate) lastUpdate = { kind, badge, cause };
    return lastUpdate;
  };
}

/** Where news of a badge comes: its own topic, and that of what moves it for many users at once. */
function topicsOf(user: UserKey, key: string): readonly string[] {
  const own = badgeTopic(user, key);
  return key === notificationsKey ? [own] : [own, moveTopic(user.tenantId, key)];
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
