import DataLoader from 'dataloader';
import { type Badge, type BadgeKey, collectionOf, notificationsKey } from '../../domain/badge.ts';
import { badgeOf, type Inbox, type InboxChange } from '../../domain/inbox.ts';
import {
  defaultViewHorizonDays,
  emptyItemBadge,
  type Horizon,
  horizonAt,
  type ViewedItem,
  type ViewerKey,
} from '../../domain/item.ts';
import type { LimitFilter, ShownLimit } from '../../domain/limit.ts';
import type { Notification } from '../../domain/notification.ts';
import type { CategoryChoice } from '../../domain/preference.ts';
import { type User, type UserKey, userKeyOf } from '../../domain/user.ts';
import { type BadgeCache, noBadgeCache } from '../../ports/badge-cache.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PubSub } from '../../ports/pub-sub.ts';
import type { InboxStore, Stretch } from '../../ports/store/inboxes.ts';
import type { ItemPage, ItemStore } from '../../ports/store/items.ts';
import type { LimitHistoryPage, LimitStore } from '../../ports/store/limits.ts';
import type { NotificationStore } from '../../ports/store/notifications.ts';
import type { PreferenceStore } from '../../ports/store/preferences.ts';
import type { Transactions } from '../../ports/store/transactions.ts';
import type { UserStore, UserTransaction } from '../../ports/store/users.ts';
import { announceDue } from '../deliver/due.ts';
import { type LimitHistoryEvent, withProgress } from './limit-history.ts';
import { readSlice, type Slice } from './slice.ts';

/** The maximum number of arrivals, and the maximum number of changes, that one page of a stream reads. */
export const streamPageSize = 100;

interface LimitsKey extends UserKey {
  readonly filter: LimitFilter;
  /** The filter as text. Requests with the same filter share a query. */
  readonly key: string;
}

interface ReadDeps {
  readonly store: UserStore &
    PreferenceStore &
    InboxStore &
    NotificationStore &
    ItemStore &
    LimitStore &
    Transactions<UserTransaction>;
  readonly cache?: BadgeCache;
  readonly clock: Clock;
  /**
   * Receives an announcement when records that wait for a new user become due. If absent, the schedule finds
   * these records a little later.
   */
  readonly pubSub?: PubSub;
}

/**
 * Creates the reads that many callers make at the same time. All reads in one turn of the event loop share a
 * query.
 */
export function createRead(
  deps: ReadDeps,
  { viewHorizonDays = defaultViewHorizonDays }: { readonly viewHorizonDays?: number } = {},
) {
  const { store, cache = noBadgeCache, clock } = deps;
  const horizon = () => horizonAt(clock.now(), viewHorizonDays);

  const inboxes = loader<UserKey, Inbox>((keys) => loadInboxes(store, keys));
  const categoryChoices = loader<UserKey, readonly CategoryChoice[]>((keys) => loadChoices(store, keys));
  const cachedBadges = loader<UserKey, Badge>((keys) => loadCached(cache, keys, inboxBadge));
  const itemBadges = loader<BadgeKey, Badge>((keys) => loadItemBadges(clock, keys, badges));
  // The batches are small, because a user has up to 500 limits.
  const limits = loader<LimitsKey, readonly ShownLimit[]>((keys) => loadLimits(store, keys), {
    maxBatchSize: 100,
  });
  // The batches are small, because each key returns a whole page of events.
  const limitHistories = loader<LimitHistoryPage, readonly LimitHistoryEvent[]>(
    async (pages) => (await store.limitHistories(pages)).map((entries) => entries.map(withProgress)),
    { maxBatchSize: 100 },
  );
  const arrivals = loader<Stretch, readonly Notification[]>(
    (stretches) => store.arrivals(stretches, streamPageSize),
    { maxBatchSize: 20 },
  );
  const changes = loader<Stretch, readonly InboxChange[]>(
    (stretches) => store.changes(stretches, streamPageSize),
    { maxBatchSize: 20 },
  );

  const inboxBadge = async (user: UserKey): Promise<Badge> => badgeOf(await inboxes.load(user));

  const itemBadge = ({ tenantId, userId }: UserKey, key: string): Promise<Badge> =>
    itemBadges.load({ tenantId, userId, key });

  const badges = (keys: readonly BadgeKey[]): Promise<readonly Badge[]> => readBadges(store, keys, horizon());

  return {
    inbox: (key: UserKey): Promise<Inbox> => inboxes.load(key),
    /**
     * Returns the badge of a user. A badge of notifications may come from the cache and be up to
     * `badgeCacheMs` old.
     */
    badge: async (user: UserKey, key = notificationsKey): Promise<Badge> =>
      key === notificationsKey ? cachedBadges.load(user) : itemBadge(user, key),
    /** Returns the badge as it is at the time of the call or later. */
    currentBadge: async (user: UserKey, key = notificationsKey): Promise<Badge> =>
      key === notificationsKey ? inboxBadge(user) : itemBadge(user, key),
    categoryChoices: (key: UserKey): Promise<readonly CategoryChoice[]> => categoryChoices.load(key),
    /**
     * Returns the badges as they are at the time of the call or later, in no order. Item badges of
     * collections that never changed are omitted.
     */
    badges,
    /** Returns the items that an item badge counts, newest first. */
    unseenItems: (
      { tenantId, userId, collection }: ViewerKey,
      page: Pick<ItemPage, 'first' | 'after'>,
    ): Promise<Slice<ViewedItem>> => {
      const unseenFrom = horizon().start;
      return readSlice(page.first, (first) =>
        store.items({ tenantId, collection }, { ...page, first, viewerId: userId, unseenFrom }),
      );
    },
    /** Returns the oldest arrivals of a stretch, at most `streamPageSize`. */
    arrivals: (stretch: Stretch): Promise<readonly Notification[]> => arrivals.load(stretch),
    changes: (stretch: Stretch): Promise<readonly InboxChange[]> => changes.load(stretch),
    /** Returns the limits of a user. Empty if the user does not exist. */
    limits: ({ tenantId, userId }: UserKey, filter: LimitFilter = {}): Promise<readonly ShownLimit[]> =>
      limits.load({ tenantId, userId, filter, key: JSON.stringify(filter) }),
    limitHistory: (page: LimitHistoryPage): Promise<Slice<LimitHistoryEvent>> =>
      readSlice(page.first, (first) => limitHistories.load({ ...page, first })),
    user: async (key: UserKey): Promise<User | undefined> => (await store.users([key]))[0],
    /** Returns the user of a verified token. Creates the user on the first call. */
    self: (key: UserKey): Promise<User> => ensureSelf(deps, key),
  };
}

export type Read = ReturnType<typeof createRead>;

async function loadInboxes(store: InboxStore, keys: readonly UserKey[]): Promise<readonly Inbox[]> {
  const found = new Map((await store.inboxes(keys)).map((inbox) => [userKeyOf(inbox), inbox]));
  return keys.map((key) => found.get(userKeyOf(key)) as Inbox);
}

async function loadChoices(
  store: PreferenceStore,
  keys: readonly UserKey[],
): Promise<readonly (readonly CategoryChoice[])[]> {
  const found = new Map<string, CategoryChoice[]>(keys.map((key) => [userKeyOf(key), []]));
  for (const choice of await store.categoryChoices(keys)) found.get(userKeyOf(choice))?.push(choice);
  return keys.map((key) => found.get(userKeyOf(key)) ?? []);
}

/** Reads badges from the cache. Calls `readOne` for each badge that is not in the cache. */
async function loadCached(
  cache: BadgeCache,
  keys: readonly UserKey[],
  readOne: (user: UserKey) => Promise<Badge>,
): Promise<readonly Badge[]> {
  const cached = await cache.read(keys);
  const missing = keys.filter((_, index) => !cached[index]);
  if (missing.length === 0) return cached as readonly Badge[];
  const current = new Map(
    (await Promise.all(missing.map(readOne))).map((badge) => [userKeyOf(badge), badge]),
  );
  // The caller does not wait for the write to the cache.
  void cache.write([...current.values()]);
  return keys.map((key, index) => cached[index] ?? (current.get(userKeyOf(key)) as Badge));
}

async function loadItemBadges(
  clock: Clock,
  keys: readonly BadgeKey[],
  readBadges: (keys: readonly BadgeKey[]) => Promise<readonly Badge[]>,
): Promise<readonly Badge[]> {
  const found = new Map((await readBadges(keys)).map((badge) => [nameOf(badge), badge]));
  const now = clock.now();
  return keys.map((key) => found.get(nameOf(key)) ?? emptyItemBadge(key, now));
}

/** Runs one query for each distinct filter. */
async function loadLimits(
  store: LimitStore,
  keys: readonly LimitsKey[],
): Promise<readonly (readonly ShownLimit[])[]> {
  const found = new Map<string, readonly ShownLimit[]>();
  const filters = new Map(keys.map(({ key, filter }) => [key, filter]));
  await Promise.all(
    [...filters].map(async ([key, filter]) => {
      const users = keys.filter((one) => one.key === key);
      for (const { user, limits } of await store.limits(users, filter))
        found.set(nameOf({ ...user, key }), limits);
    }),
  );
  return keys.map((key) => found.get(nameOf(key)) ?? []);
}

async function readBadges(
  store: InboxStore & ItemStore,
  keys: readonly BadgeKey[],
  horizon: Horizon,
): Promise<readonly Badge[]> {
  const viewers = keys.flatMap(({ tenantId, userId, key }) => {
    const collection = collectionOf(key);
    return collection === undefined ? [] : [{ tenantId, userId, collection }];
  });
  const [inboxes, items] = await Promise.all([
    store.inboxes(keys.filter(({ key }) => key === notificationsKey)),
    store.itemBadges(viewers, horizon),
  ]);
  return [...inboxes.map(badgeOf), ...items];
}

async function ensureSelf({ store, clock, pubSub }: ReadDeps, key: UserKey): Promise<User> {
  const [known] = await store.users([key]);
  if (known) return known;
  const now = clock.now();
  const { user, isAwaited } = await store.transaction(
    async (transaction) => ({
      isAwaited: await transaction.ensureUsers([key], now),
      user: (await transaction.users([key]))[0] as User,
    }),
    key,
  );
  if (isAwaited && pubSub) await announceDue(pubSub, [now]);
  return user;
}

// Neither the user key nor the badge key contains control characters, so names of different badges differ.
const nameOf = (one: UserKey & { readonly key: string }) => `${userKeyOf(one)}\n${one.key}`;

// Caches nothing. The query starts after all of its loads were requested, so no result is older than its
// request.
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
