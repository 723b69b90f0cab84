import type { ShownLimit } from '../domain/limit.ts';
import { distinctUsers, type UserKey, userKeyOf } from '../domain/user.ts';
import { parseLimit } from '../domain/written-limit.ts';
import type { Logger } from '../ports/logger.ts';
import { createOneSlot } from '../ports/one-slot.ts';
import type { PubSub } from '../ports/pub-sub.ts';
import type { Store } from '../ports/store.ts';
import { limitTopic, parsedOnce } from './publish.ts';
import { createResync } from './resync.ts';
import { defaultSubscribeWaitMs, isDoneWithin, type WatchOptions } from './watch.ts';

interface Watcher {
  readonly user: UserKey;
  offer(limit: ShownLimit): void;
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
  const news = parsedOnce(parseLimit);
  const resync = createResync(
    { pubSub, logger, readAll, isWatched: () => watchers.size > 0 },
    { resyncMs, what: 'limits' },
  );

  async function readAll(): Promise<void> {
    const users = distinctUsers([...watchers].map(({ user }) => user));
    for (let start = 0; start < users.length; start += usersPerQuery) {
      const found = await store.limits(users.slice(start, start + usersPerQuery));
      const byUser = new Map(found.map(({ user, limits }) => [userKeyOf(user), limits]));
      for (const watcher of watchers) byUser.get(userKeyOf(watcher.user))?.forEach(watcher.offer);
    }
  }

  return {
    /** Limits of one user, whole states; ends when `return` is called. Rejects with UNAVAILABLE before the first. */
    async limits(user: UserKey): Promise<AsyncIterableIterator<ShownLimit>> {
      const versions = new Map<string, number>();
      const slot = createOneSlot<string, ShownLimit>({
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
        const limit = news.parse(message);
        if (limit) watcher.offer(limit);
      });
      watchers.add(watcher);
      resync.watched();
      const read = async () => {
        const [found] = await store.limits([user]);
        found?.limits.forEach(watcher.offer);
      };
      try {
        if (!(await isDoneWithin(confirmed, subscribeWaitMs))) {
          confirmed.then(
            () => read().catch(() => resync.now()),
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
    unreadable: news.unreadable,
    resync: resync.now,
    stop: resync.stop,
  };
}

export type LimitWatch = ReturnType<typeof createLimitWatch>;
