import { createOneSlot } from '../../async/one-slot.ts';
import { partsOf, runEach } from '../../async/run-each.ts';
import type { ShownLimit } from '../../domain/limit.ts';
import { parseLimit } from '../../domain/serialized-limit.ts';
import type { UserKey } from '../../domain/user.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import { limitTopic, parsedOnce } from '../deliver/publish.ts';
import type { Read } from '../read/read.ts';
import { createResync } from './resync.ts';
import { defaultSubscribeWaitMs, isDoneWithin, type WatchOptions } from './watch.ts';

interface Watcher {
  readonly user: UserKey;
  offer(limit: ShownLimit): void;
}

/** The maximum number of watchers whose limits are read in one query. */
const watchersPerRead = 100;

/**
 * Creates the watch of limits. A watcher subscribes, reads all limits of the user and emits them. After this,
 * the watcher emits only newer versions. All watched limits are read again every `resyncMs`, and at once
 * after a gap in pub/sub. The repeated read finds changes whose messages were lost.
 */
export function createLimitWatch(
  {
    read,
    pubSub,
    clock,
    logger,
  }: { readonly read: Read; readonly pubSub: PubSub; readonly clock: Clock; readonly logger: Logger },
  { resyncMs, subscribeWaitMs = defaultSubscribeWaitMs }: WatchOptions,
) {
  const watchers = new Set<Watcher>();
  const news = parsedOnce(parseLimit);
  const resync = createResync(
    { pubSub, clock, logger, readAll, isWatched: () => watchers.size > 0 },
    { resyncMs, what: 'limits' },
  );

  const catchUp = async ({ user, offer }: Watcher) => (await read.limits(user)).forEach(offer);

  async function readAll(): Promise<void> {
    const parts = partsOf([...watchers], watchersPerRead);
    await runEach(parts.map((part) => () => Promise.all(part.map(catchUp))));
  }

  return {
    /**
     * Returns the limits of a user with their whole state, and later each changed limit. Ends when `return`
     * is called. Rejects with UNAVAILABLE if the watch cannot begin.
     */
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
      // A message may arrive before or after the limits are read. The version says which state is newer, so
      // the order does not matter.
      const { confirmed, end } = pubSub.subscribe([limitTopic(user)], (message) => {
        const limit = news.parse(message);
        if (limit) watcher.offer(limit);
      });
      watchers.add(watcher);
      resync.watched();
      try {
        if (!(await isDoneWithin(confirmed, subscribeWaitMs))) {
          confirmed.then(
            () => catchUp(watcher).catch(() => resync.now()),
            () => {},
          );
        }
        await catchUp(watcher);
      } catch (error) {
        await slot.return();
        throw error;
      }
      return slot;
    },

    count: () => watchers.size,
    /** Returns the number of messages that were dropped because they were not limits. */
    unreadable: news.unreadable,
    resync: resync.now,
    resyncedAt: resync.succeededAt,
    stop: resync.stop,
  };
}

export type LimitWatch = ReturnType<typeof createLimitWatch>;
