import type { ZonedLimit } from '../domain/limit.ts';
import { distinctUsers, type UserKey, userKeyOf } from '../domain/user.ts';
import { parseLimit } from '../domain/written-limit.ts';
import type { Logger } from '../ports/logger.ts';
import { createOneSlot } from '../ports/one-slot.ts';
import type { Message, PubSub } from '../ports/pub-sub.ts';
import type { Store } from '../ports/store.ts';
import { limitTopic } from './publish.ts';
import { defaultSubscribeWaitMs, isDoneWithin, retryMs, type WatchOptions } from './watch.ts';

interface Watcher {
  readonly user: UserKey;
  offer(limit: ZonedLimit): void;
}

const usersPerQuery = 100;

/**
 * Watching limits the way badges are watched: subscribe, read every limit of the user, emit them, then emit only newer
 * versions. What pub/sub loses, a reading of all that is watched finds: every `resyncMs`, and at once after a gap.
 */
export function createLimitWatch(
  { store, pubSub, logger }: { readonly store: Store; readonly pubSub: PubSub; readonly logger: Logger },
  { resyncMs, subscribeWaitMs = defaultSubscribeWaitMs }: WatchOptions,
) {
  const watchers = new Set<Watcher>();
  let last: { readonly message: Message; readonly limit: ZonedLimit | undefined } | undefined;
  let unreadable = 0;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let reading: Promise<void> | undefined;
  let following: Promise<void> | undefined;
  const stopListening = pubSub.onGap(() => void resync());

  /** Reads every watched limit and offers it. Never two at once; calls while one runs share the next. */
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
          logger.warn({ err }, 'watched limits could not be read again');
          return Math.min(resyncMs, retryMs);
        },
      )
      .then((nextMs) => {
        reading = undefined;
        schedule(nextMs);
      });
    return reading;
  }

  async function readAll(): Promise<void> {
    const users = distinctUsers([...watchers].map(({ user }) => user));
    for (let start = 0; start < users.length; start += usersPerQuery) {
      const limits = await store.limits(users.slice(start, start + usersPerQuery));
      const byUser = new Map<string, ZonedLimit[]>();
      for (const limit of limits) {
        const key = userKeyOf(limit);
        byUser.set(key, [...(byUser.get(key) ?? []), limit]);
      }
      for (const watcher of watchers) byUser.get(userKeyOf(watcher.user))?.forEach(watcher.offer);
    }
  }

  /** The next one, with jitter; none while nobody watches. */
  function schedule(ms: number): void {
    clearTimeout(timer);
    timer = undefined;
    if (stopped || watchers.size === 0) return;
    timer = setTimeout(() => void resync(), ms * (0.8 + 0.4 * Math.random())).unref();
  }

  /** What a message says, read once however many watchers it has. */
  function parse(message: Message): ZonedLimit | undefined {
    if (last?.message !== message) {
      last = { message, limit: parseLimit(message.value) };
      if (!last.limit) unreadable += 1;
    }
    return last.limit;
  }

  return {
    /** Limits of one user, whole states; ends when `return` is called. Rejects with UNAVAILABLE before the first. */
    async limits(user: UserKey): Promise<AsyncIterableIterator<ZonedLimit>> {
      const versions = new Map<string, number>();
      const slot = createOneSlot<string, ZonedLimit>({
        onEnd() {
          end();
          watchers.delete(watcher);
        },
      });
      const watcher: Watcher = {
        user,
        offer(limit) {
          const { userLimitId, version } = limit;
          if (version <= (versions.get(userLimitId) ?? -1)) return;
          versions.set(userLimitId, version);
          slot.put(userLimitId, limit);
        },
      };
      // What comes before the snapshot is as new as that or newer: versions decide, whichever is first.
      const { confirmed, end } = pubSub.subscribe([limitTopic(user)], (message) => {
        const limit = parse(message);
        if (limit) watcher.offer(limit);
      });
      watchers.add(watcher);
      if (timer === undefined) schedule(resyncMs);
      const read = async () => {
        for (const limit of await store.limits([user])) watcher.offer(limit);
      };
      try {
        if (!(await isDoneWithin(confirmed, subscribeWaitMs))) {
          confirmed.then(
            () => read().catch(() => resync()),
            () => {},
          );
        }
        await read();
      } catch (error) {
        await slot.return();
        throw error;
      }
      return slot;
    },

    count: () => watchers.size,
    /** How many messages were no limits; they were dropped. */
    unreadable: () => unreadable,
    resync,
    stop(): void {
      stopped = true;
      stopListening();
      clearTimeout(timer);
    },
  };
}

export type LimitWatch = ReturnType<typeof createLimitWatch>;
