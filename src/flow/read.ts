import DataLoader from 'dataloader';
import type { Badge } from '../domain/badge.ts';
import { badgeOf, type Inbox, type InboxChange } from '../domain/inbox.ts';
import type { Notification } from '../domain/notification.ts';
import type { CategoryChoice } from '../domain/preference.ts';
import { type User, type UserKey, userKeyOf } from '../domain/user.ts';
import { type BadgeCache, noBadgeCache } from '../ports/badge-cache.ts';
import type { Clock } from '../ports/clock.ts';
import type { Store, Stretch } from '../ports/store.ts';

/** Arrivals, and changes, in one page of a stream. */
export const streamPageSize = 100;

/** Reads that many callers make at once: those of one turn of the event loop become one query. */
export function createRead({
  store,
  cache = noBadgeCache,
  clock,
}: {
  readonly store: Store;
  readonly cache?: BadgeCache;
  readonly clock: Clock;
}) {
  const inboxes = loader<UserKey, Inbox>(async (keys) => {
    const found = new Map((await store.inboxes(keys)).map((inbox) => [userKeyOf(inbox), inbox]));
    return keys.map((key) => found.get(userKeyOf(key)) as Inbox);
  });

  const categoryChoices = loader<UserKey, readonly CategoryChoice[]>(async (keys) => {
    const found = new Map<string, CategoryChoice[]>(keys.map((key) => [userKeyOf(key), []]));
    for (const choice of await store.categoryChoices(keys)) found.get(userKeyOf(choice))?.push(choice);
    return keys.map((key) => found.get(userKeyOf(key)) ?? []);
  });

  const badges = loader<UserKey, Badge>(async (keys) => {
    const cached = await cache.read(keys);
    const missing = keys.filter((_, index) => !cached[index]);
    if (missing.length === 0) return cached as readonly Badge[];
    const current = new Map(
      (await Promise.all(missing.map(currentBadge))).map((badge) => [userKeyOf(badge), badge]),
    );
    // Nobody waits for it.
    void cache.write([...current.values()]);
    return keys.map((key, index) => cached[index] ?? (current.get(userKeyOf(key)) as Badge));
  });

  // Each brings a page.
  const arrivals = loader<Stretch, readonly Notification[]>(
    (stretches) => store.arrivals(stretches, streamPageSize),
    { maxBatchSize: 20 },
  );
  const changes = loader<Stretch, readonly InboxChange[]>(
    (stretches) => store.changes(stretches, streamPageSize),
    { maxBatchSize: 20 },
  );

  async function currentBadge(key: UserKey): Promise<Badge> {
    return badgeOf(await inboxes.load(key));
  }

  return {
    inbox: (key: UserKey): Promise<Inbox> => inboxes.load(key),
    /** Where there is a cache, it may be as old as `BadgeCache` says. */
    badge: (key: UserKey): Promise<Badge> => badges.load(key),
    /** As it is at or after the moment of the call. */
    currentBadge,
    categoryChoices: (key: UserKey): Promise<readonly CategoryChoice[]> => categoryChoices.load(key),
    /** What follows a place in an inbox: at most `streamPageSize` of it. */
    arrivals: (stretch: Stretch): Promise<readonly Notification[]> => arrivals.load(stretch),
    changes: (stretch: Stretch): Promise<readonly InboxChange[]> => changes.load(stretch),
    user: async (key: UserKey): Promise<User | undefined> => (await store.users([key]))[0],
    /** The user whom a verified token names: exists from the first time they are seen. */
    async self(key: UserKey): Promise<User> {
      const [known] = await store.users([key]);
      if (known) return known;
      return store.transaction(async (transaction) => {
        await transaction.ensureUsers([key], clock.now());
        return (await transaction.users([key]))[0] as User;
      });
    },
  };
}

// Not cached: every load is answered by a query that starts after it was asked for.
function loader<Key, Value>(
  load: (keys: readonly Key[]) => Promise<readonly Value[]>,
  { maxBatchSize = 1_000 } = {},
) {
  return new DataLoader<Key, Value>(load, {
    cache: false,
    maxBatchSize,
    batchScheduleFn: (dispatch) => setImmediate(dispatch),
  });
}

export type Read = ReturnType<typeof createRead>;
