import type { Badge, BadgeCause } from '../domain/badge.ts';
import { badgeOf } from '../domain/inbox.ts';
import { distinctUsers, type UserKey, userKeyOf } from '../domain/user.ts';
import type { Logger } from '../ports/logger.ts';
import { createOneSlot } from '../ports/one-slot.ts';
import type { PubSub, Unsubscribe } from '../ports/pub-sub.ts';
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

/**
 * Watching without a gap: subscribe, read the snapshot, emit it, then emit only newer versions. Every `resyncMs` (with
 * jitter), and at once after a gap in pub/sub, all watched badges are read again in batches, so the number on screen is
 * right within that time even when a message was lost.
 */
export function createWatch(
  {
    store,
    read,
    pubSub,
    logger,
  }: { readonly store: Store; readonly read: Read; readonly pubSub: PubSub; readonly logger: Logger },
  { resyncMs }: { readonly resyncMs: number },
) {
  const watchers = new Set<Watcher>();
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
    const users = distinctUsers([...watchers].map(({ user }) => user));
    for (let start = 0; start < users.length; start += usersPerQuery) {
      for (const inbox of await store.inboxes(users.slice(start, start + usersPerQuery))) {
        for (const watcher of watched.get(userKeyOf(inbox)) ?? []) watcher.offer(badgeOf(inbox), 'RESYNCED');
      }
    }
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
      let unsubscribe: Unsubscribe = () => {};
      const versions = new Map<string, number>();
      // Until the snapshot is out, what arrives is kept here: it may be newer than what the snapshot read.
      let early: Map<string, Badge> | undefined = new Map();
      const slot = createOneSlot<string, BadgeUpdate>({
        onEnd() {
          unsubscribe();
          watchers.delete(watcher);
        },
      });
      const watcher: Watcher = {
        user,
        keys,
        offer(badge, cause) {
          if (!keys.includes(badge.key) || badge.version <= (versions.get(badge.key) ?? -1)) return;
          versions.set(badge.key, badge.version);
          if (early) early.set(badge.key, badge);
          else {
            // A snapshot that was not taken yet stays a snapshot, with the newer state.
            const kind = slot.peek(badge.key)?.kind ?? 'CHANGE';
            slot.put(badge.key, { kind, badge, cause: kind === 'SNAPSHOT' ? null : cause });
          }
        },
      };
      unsubscribe = await pubSub.subscribe(
        keys.map((key) => badgeTopic(user, key)),
        ({ value }) => {
          const message = parseBadgeMessage(value);
          if (message) watcher.offer(message.badge, message.cause);
        },
      );
      watchers.add(watcher);
      if (timer === undefined) scheduleResync(resyncMs);
      try {
        const snapshot = await read.badge(user);
        for (const key of keys) {
          const newer = early.get(key);
          const badge = newer && newer.version > snapshot.version ? newer : snapshot;
          versions.set(key, badge.version);
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
    resync,
    stop(): void {
      stopped = true;
      stopListening();
      clearTimeout(timer);
    },
  };
}

export type Watch = ReturnType<typeof createWatch>;
